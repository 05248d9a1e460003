"""How a call fails."""

from __future__ import annotations

from collections.abc import Callable


class Retry(Exception):
    """Try again later: by the handler's `retry` policy, or after so many milliseconds."""

    def __init__(self, reason: str, after_ms: int | None = None):
        super().__init__(reason)
        self.after_ms = after_ms


class Permanent(Exception):
    """Never try again: a dead letter at once."""


class Failed(Exception):
    """A call of somebody else that came to nothing: another attempt, unless it would end in the same way."""

    def __init__(self, text: str, permanent: bool):
        super().__init__(text)
        self.text = text
        self.permanent = permanent

    def failure(self) -> Retry | Permanent:
        """What becomes of the event where nobody catches it."""
        return Permanent(self.text) if self.permanent else Retry(self.text)


#: What exceptions that are none of this package mean for the event where nobody catches them, by their class. The module here
#: that imports another one for its callers enters that one's: to import it costs each instance.
MEANINGS: dict[type[Exception], Callable[[Exception], Retry | Permanent]] = {}
