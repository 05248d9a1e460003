"""The secrets that the YAML grants to the handler."""

from __future__ import annotations

from componentize_py_types import Err
from wit_world.imports import secrets as host

from .failures import Permanent


def secret(name: str) -> str:
    """A secret that the handler's `secrets` list. What cannot be had is a permanent failure."""
    try:
        return host.get(name)
    except Err as error:
        raise failed(name, error.value) from None


def failed(name: str, error: host.Error) -> Permanent:
    """The host's error, with what to do."""
    if isinstance(error, host.Error_Denied):
        return Permanent(f"the secret `{name}` is not granted; add it to the handler's `secrets`")
    if isinstance(error, host.Error_NotFound):
        return Permanent(f"there is no secret `{name}`; add it to `secrets` at the top of the file")
    return Permanent(f"cannot read the secret `{name}`: {error.value}")
