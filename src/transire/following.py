"""Hearing again what the log holds: a start hears what came before, a replica what others did.

Entries are told in the order of the log, each once. Those of this very boot are not told where
whoever hears has counted them already, as they happened.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

__all__ = ["Follower", "Page", "Pages"]

_PAGE: Final = 500
_MOST_PAGES: Final = 40
"""Of the newest entries of a kind, what a start reads: twenty thousand; what is older says less."""

_Entry = Mapping[str, Any]


class Page(Protocol):
    """Entries with their indexes, newest first."""

    @property
    def entries(self) -> Sequence[tuple[int, _Entry]]:
        """Each with its index."""


class Pages(Protocol):
    """What is needed of the log's search columns."""

    async def tail(
        self, *, before: int | None, limit: int, tenant: str | None, kind: str | None
    ) -> Page:
        """The newest entries of a kind first, keyset-paged by index."""


class Follower:
    """Tells whoever hears what is new in the log; belongs to one event loop.

    Args:
        kinds: Of entries that are told.
        hear: Told each; must not raise.
        within: How long ago an entry may have been written to be told of; None for any time.
        now: The time of day, for `within`.
    """

    def __init__(
        self,
        entries: Pages,
        kinds: Sequence[str],
        hear: Callable[[_Entry], None],
        *,
        now: Callable[[], datetime],
        within: timedelta | None = None,
    ) -> None:
        self._entries = entries
        self._reached = dict.fromkeys(kinds, -1)
        self._hear = hear
        self._now = now
        self._within = within
        self._one_by_one = asyncio.Lock()

    async def catch_up(self) -> None:
        """Tell what was written since the last time; the first time, the newest there is.

        Raises:
            LogUnavailable: it could not be read; the next time will.
        """
        async with self._one_by_one:
            since = None if self._within is None else self._now() - self._within
            found = [row for kind in self._reached for row in await self._new(kind, since)]
            for index, entry in sorted(found, key=lambda row: row[0]):
                self._hear(entry)
                self._reached[entry["kind"]] = index

    async def _new(self, kind: str, since: datetime | None) -> list[tuple[int, _Entry]]:
        before: int | None = None
        found = list[tuple[int, _Entry]]()
        for _ in range(_MOST_PAGES):
            page = await self._entries.tail(before=before, limit=_PAGE, tenant=None, kind=kind)
            new = [row for row in page.entries if row[0] > self._reached[kind]]
            if since is not None:
                new = [row for row in new if datetime.fromisoformat(row[1]["ts"]) >= since]
            found += new
            if len(new) < _PAGE:
                break
            before = new[-1][0]
        return found
