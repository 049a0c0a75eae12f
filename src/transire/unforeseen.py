"""Errors that nobody foresaw: a bug refuses (I4), and leaves its trace where operators look."""

import structlog

from transire.errors import GovernanceUnavailable, TransireError

__all__ = ["as_refusal"]

_log = structlog.get_logger()


def as_refusal(raised: Exception) -> TransireError:
    """The refusal that an error means; one that nobody foresaw is logged by its type.

    Its type's name alone: an exception's text may quote content (I6). Raise the result `from None`.
    """
    if isinstance(raised, TransireError):
        return raised
    _log.error("path.unexpected_error", error_type=type(raised).__name__)
    return GovernanceUnavailable("an unexpected error stopped the request")
