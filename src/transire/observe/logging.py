"""Set up the operational log: structlog, one JSON object per line, listed fields alone.

Libraries log through the standard library, with messages that can quote what they were given, so
of theirs only logger, level and line number are written. Tracebacks are never written: their
frames' locals and messages can hold content; the exception's type is.
"""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, TextIO

import orjson
import structlog

from transire.observe.fields import admit

__all__ = ["LEVELS", "bound", "configure_logging", "log"]

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logging(*, level: str = "info", stream: TextIO | None = None) -> None:
    """Write this process's log to `stream` (standard error unless given).

    Args:
        level: One of `LEVELS`; libraries speak from `warning` on, whatever it is.
        stream: Where lines go.
    """
    sink = stream if stream is not None else sys.stderr
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _name_exception,
            _only_admitted,
            _as_line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(file=sink),
        # Loggers made at import time must follow a later configuration.
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _LibraryHandler)]:
        root.removeHandler(handler)
    root.addHandler(_LibraryHandler(logging.WARNING))
    root.setLevel(logging.WARNING)


def log() -> Any:
    """The logger: `log().info("review.expired", review_id=…)`."""
    return structlog.get_logger()


@contextmanager
def bound(**fields: str | int) -> Iterator[None]:
    """Add fields (`decision_id`, `principal`, `bundle_digest`) to every line of this context."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield


class _LibraryHandler(logging.Handler):
    """Turns a library's record into one line without its message."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write where it came from and how bad it is."""
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        log().log(
            record.levelno,
            "library.message_logged",
            logger=record.name,
            line=record.lineno,
            error_type=kind,
        )


def _name_exception(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    given = event.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()[1]
    elif isinstance(given, tuple):
        given = given[1]
    if isinstance(given, BaseException):
        event["error_type"] = type(given).__name__
    return event


def _only_admitted(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return admit(event)


def _as_line(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    return orjson.dumps(dict(event)).decode()
