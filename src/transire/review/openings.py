"""Which reviews are open, beside the reviews themselves, and how many there may be.

One state key per open review, written with the entry that opens it and deleted with the one that
closes it (denied, cancelled, expired or spent): what looks for open ones never reads all there
ever were. A hold keeps content and waits for people, so one key or tenant may fill neither.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from transire.domain.log import Change
from transire.domain.request import Principal
from transire.errors import HoldsFullError
from transire.review.states import Review

__all__ = ["OPEN_PREFIX", "Opening", "Places", "closing", "opening", "read_openings"]

OPEN_PREFIX: Final = "open-review/"
_RETRY_S: Final = 60.0
"""People decide in minutes, not in seconds."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One open review, and when it expires by itself."""

    review_id: str
    expires_at: datetime
    tenant: str
    key_id: str

    @property
    def key(self) -> str:
        """Where it stands in the log's state."""
        return f"{OPEN_PREFIX}{self.review_id}"

    @property
    def text(self) -> str:
        """What stands there; ids and moments hold no blank."""
        return f"{self.expires_at.isoformat()} {self.tenant} {self.key_id}"


def opening(review: Review) -> Change:
    """Marks a review as open."""
    expires_at = datetime.fromisoformat(review.expires_at)
    mark = Opening(review.id, expires_at, review.tenant, review.key_id)
    return Change(key=mark.key, value=mark.text)


def closing(review_id: str) -> Change:
    """Unmarks it."""
    return Change(key=f"{OPEN_PREFIX}{review_id}", value=None)


def read_openings(rows: Sequence[tuple[str, str]]) -> list[Opening]:
    """The state's rows under `OPEN_PREFIX`, oldest first."""
    openings = []
    for key, value in rows:
        expires_at, tenant, key_id = value.split(" ")
        openings.append(
            Opening(
                key.removeprefix(OPEN_PREFIX), datetime.fromisoformat(expires_at), tenant, key_id
            )
        )
    return openings


class Places:
    """How many reviews may be open at once; belongs to one event loop.

    Args:
        per_key: Of one credential.
        per_tenant: Of all credentials of one tenant.
    """

    def __init__(self, *, per_key: int, per_tenant: int) -> None:
        self._per_key = per_key
        self._per_tenant = per_tenant
        self._taken: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def taken(self, principal: Principal, openings: Sequence[Opening]) -> Iterator[None]:
        """Hold a place while the entry that opens a review is written.

        One that was just opened may be counted twice for a moment, never not at all.

        Raises:
            HoldsFullError: the credential or the tenant has as many as it may.
        """
        mine = (principal.tenant, principal.key_id)
        of_tenant = [(o.tenant, o.key_id) for o in openings if o.tenant == principal.tenant]
        coming = [key for key in self._taken.elements() if key[0] == principal.tenant]
        if of_tenant.count(mine) + coming.count(mine) >= self._per_key:
            raise _full("this credential", self._per_key)
        if len(of_tenant) + len(coming) >= self._per_tenant:
            raise _full("this tenant", self._per_tenant)
        self._taken[mine] += 1
        try:
            yield
        finally:
            self._taken[mine] -= 1


def _full(whose: str, most: int) -> HoldsFullError:
    return HoldsFullError(
        f"{whose} has {most} requests waiting for review, which is the limit; let reviewers "
        "decide, or cancel some",
        retry_after_s=_RETRY_S,
    )
