"""Pages of a tenant's reviews: open ones as they should be worked on, closed ones newest first.

Open reviews are found by their openings, which are bounded. Closed ones are all there ever were:
they are read from the database in steps, newest first, and parsed off the event loop, until a page
is full. A page is continued by the id of its last review (keyset), so reviews that are opened or
closed meanwhile neither repeat nor hide others. What a reader may not see is neither counted nor
named: a page is full of what is shown, and `next` is the last one shown.

One page is bounded work, whoever asks: where very much is passed over, it ends early, and `next` is
the second up to which was looked, in the form of an id that no review has.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from transire.domain.ids import make_ulid, ulid_ms
from transire.domain.log import DecisionLog
from transire.review.openings import OPEN_PREFIX, read_openings
from transire.review.states import STATES, Review

__all__ = ["FILTERS", "Page", "Wanted", "read_page"]

OPEN_STATES: Final = frozenset({"pending", "claimed", "approved"})
"""Undecided, or approved and not used."""
_GROUPS: Final = {"open": OPEN_STATES, "closed": STATES - OPEN_STATES}
FILTERS: Final = STATES | _GROUPS.keys()
"""What `state` may be: one state, or all that are open, or all that are closed."""
_PREFIX: Final = "review/"
_STEP: Final = 500
"""Closed reviews read at once: about a megabyte, and some milliseconds of parsing."""
_MOST_READ: Final = 20_000
_MOST_ASKED: Final = 1_000
"""Closed reviews that one page reads, and asks Cedar about, before it ends early; about a second's
work on a thread. A step that is begun is finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which reviews, and which page of them.

    Attributes:
        state: One of `FILTERS`.
        queue: Only those that wait, or waited, in this queue.
        after: The last id of the page before.
        limit: Most reviews in the page.
    """

    tenant: str
    state: str = "open"
    queue: str | None = None
    after: str | None = None
    limit: int = 50

    @property
    def states(self) -> frozenset[str]:
        """The states that are wanted; all of them open, or all of them closed."""
        return _GROUPS.get(self.state, frozenset({self.state}))

    def matches(self, review: Review, now: datetime) -> bool:
        """Whether a review belongs into the list."""
        if review.tenant != self.tenant or review.state(now) not in self.states:
            return False
        return not self.queue or self.queue in review.queues


@dataclass(frozen=True, slots=True)
class Page:
    """Reviews in order; `next` is what continues the list, None where it ends here.

    A page with a `next` may hold fewer than were asked for, even none.
    """

    reviews: tuple[Review, ...]
    next: str | None


async def read_page(
    log: DecisionLog,
    wanted: Wanted,
    now: datetime,
    may_see: Callable[[Review], bool] = lambda _: True,
) -> Page:
    """One page.

    Args:
        may_see: Asked about each review that is wanted, off the event loop, until a page is full.

    Raises:
        LogUnavailable: the database cannot be read.
    """
    is_open = wanted.states <= OPEN_STATES
    found, rest = await (_open if is_open else _closed)(log, wanted, now, may_see)
    reviews = tuple(found[: wanted.limit])
    return Page(reviews, reviews[-1].id if len(found) > wanted.limit else rest)


async def _open(
    log: DecisionLog, wanted: Wanted, now: datetime, may_see: Callable[[Review], bool]
) -> tuple[list[Review], None]:
    openings = read_openings(await log.scan(OPEN_PREFIX))
    after = wanted.after or ""
    ids = [o.review_id for o in openings if o.tenant == wanted.tenant and o.review_id > after]
    texts = [await log.get(f"{_PREFIX}{review_id}") for review_id in ids]
    found = await asyncio.to_thread(_matching, texts, wanted, now, may_see, wanted.limit + 1)
    return found, None


async def _closed(
    log: DecisionLog, wanted: Wanted, now: datetime, may_see: Callable[[Review], bool]
) -> tuple[list[Review], str | None]:
    found, read, asked = list[Review](), 0, 0

    def counted(review: Review) -> bool:
        nonlocal asked
        asked += 1
        return may_see(review)

    before = None if wanted.after is None else f"{_PREFIX}{wanted.after}"
    while len(found) <= wanted.limit:
        rows = await log.newest(_PREFIX, before=before, limit=_STEP)
        texts, missing = [text for _, text in rows], wanted.limit + 1 - len(found)
        found += await asyncio.to_thread(_matching, texts, wanted, now, counted, missing)
        if len(rows) < _STEP:
            break
        before, read = rows[-1][0], read + len(rows)
        is_enough = read >= _MOST_READ or asked >= _MOST_ASKED
        if is_enough and len(found) <= wanted.limit:
            rest = _rest(before.removeprefix(_PREFIX), found, wanted.after)
            if rest is not None:
                return found, rest
    return found, None


def _rest(last: str, found: Sequence[Review], after: str | None) -> str | None:
    """What continues a list that was left at `last`, which its reader may not know of.

    None where that would be no progress: all that was read closed within one second.
    """
    second = (ulid_ms(last) or 0) // 1_000 + 1
    rest = make_ulid("rev", now_ms=second * 1_000, entropy=bytes(10))
    if found and found[-1].id < rest:
        return found[-1].id
    return rest if after is None or rest < after else None


def _matching(
    texts: Iterable[str | None],
    wanted: Wanted,
    now: datetime,
    may_see: Callable[[Review], bool],
    most: int,
) -> list[Review]:
    reviews = (Review.from_json(text) for text in texts if text is not None)
    seen = (review for review in reviews if wanted.matches(review, now) and may_see(review))
    return list(itertools.islice(seen, most))
