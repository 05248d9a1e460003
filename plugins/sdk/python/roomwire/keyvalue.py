"""Keys that `allow.keyvalue` grants."""

from __future__ import annotations

from collections.abc import Iterator

from componentize_py_types import Err
from wit_world.imports import atomics
from wit_world.imports import wasi_keyvalue_store as store

from .failures import Permanent


class Bucket:
    """A bucket of keys. What a call changes is committed with the end of its event; of a call that fails nothing is
    changed. Each room sees keys of its own, unless the bucket's `scope` is `shared`. What the host refuses (a bucket that
    is not granted or is full, a key or value that is too large) is a permanent failure."""

    def __init__(self, name: str):
        self._name = name
        self._bucket = self._ask(lambda: store.open(name))

    def get(self, key: str) -> bytes | None:
        """The value of a key, if it is there."""
        return self._ask(lambda: self._bucket.get(key))

    def set(self, key: str, value: str | bytes) -> None:
        """Sets a key, over whatever it held."""
        body = value.encode() if isinstance(value, str) else value
        self._ask(lambda: self._bucket.set(key, body))

    def delete(self, key: str) -> None:
        """Removes a key; one that is not there is no error."""
        self._ask(lambda: self._bucket.delete(key))

    def add(self, key: str, delta: int) -> int:
        """Adds to the decimal number in a key, 0 where it is not there, and gives the sum."""
        return self._ask(lambda: atomics.increment(self._bucket, key, delta))

    def __contains__(self, key: str) -> bool:
        return self._ask(lambda: self._bucket.exists(key))

    def __iter__(self) -> Iterator[str]:
        """All keys, in order."""
        cursor = None
        while True:
            page = self._ask(lambda: self._bucket.list_keys(cursor))
            yield from page.keys
            cursor = page.cursor
            if cursor is None:
                return

    def _ask(self, call):
        try:
            return call()
        except Err as error:
            raise self._failed(error.value) from None

    def _failed(self, error: store.Error) -> Permanent:
        if isinstance(error, store.Error_NoSuchStore):
            return Permanent(f"there is no bucket `{self._name}`")
        if isinstance(error, store.Error_AccessDenied):
            return Permanent(f"bucket `{self._name}` is not granted; add it to the handler's `allow.keyvalue`")
        return Permanent(error.value)
