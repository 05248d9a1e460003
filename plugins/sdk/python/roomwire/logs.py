"""The `logging` of Python's library, to `wasi:logging`: the logger's name is the context."""

import logging

from wit_world.imports import logging as host

LEVELS = [
    (logging.CRITICAL, "CRITICAL"),
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARN"),
    (logging.INFO, "INFO"),
    (logging.DEBUG, "DEBUG"),
]


class HostHandler(logging.Handler):
    """Hands each record to the host. An exception's traceback is part of the message."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one line."""
        name = next((name for level, name in LEVELS if record.levelno >= level), "TRACE")
        host.log(getattr(host.Level, name), record.name, self.format(record))


def install() -> None:
    """Directs all loggers to the host. What is written is the runner's to choose."""
    logging.basicConfig(handlers=[HostHandler()], level=logging.NOTSET, format="%(message)s", force=True)
