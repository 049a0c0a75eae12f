"""How attempts fail: the class that an outcome, a metric and a caller's error name. Pure."""

from typing import Final

from transire.errors import TransireError

__all__ = ["INTERNAL", "failure_of", "retry_after_of"]

INTERNAL: Final = "internal"
"""An error of ours that nobody foresaw."""


def failure_of(error: Exception) -> str:
    """The class of what ended an attempt: as the error says, else its code, else `internal`."""
    if not isinstance(error, TransireError):
        return INTERNAL
    return str(error.facts.get("failure", error.code))


def retry_after_of(error: Exception) -> float | None:
    """Seconds that an upstream asked us to wait; None where it did not."""
    wanted = error.facts.get("retry_after_s") if isinstance(error, TransireError) else None
    return wanted if isinstance(wanted, float) else None
