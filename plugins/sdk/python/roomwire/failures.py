"""How a call fails."""


class Retry(Exception):
    """Try again later: by the handler's `retry` policy, or after so many milliseconds."""

    def __init__(self, reason: str, after_ms: int | None = None):
        super().__init__(reason)
        self.after_ms = after_ms


class Permanent(Exception):
    """Never try again: a dead letter at once."""
