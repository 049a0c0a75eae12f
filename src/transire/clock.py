"""The real clock; everything below `bootstrap` gets its time from here, tests from a fake."""

import time
from datetime import UTC, datetime

__all__ = ["SystemClock"]


class SystemClock:
    """Implements `domain.ports.Clock`."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)
    """Seconds since some fixed moment; asked for twenty times a request, so nothing stands between
    the caller and the system."""
