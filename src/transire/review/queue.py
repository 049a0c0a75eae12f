"""Reviews as durable state of the log: every transition is an entry and a compare-and-swap."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, Protocol

import orjson

from transire.domain.decision import Case, Hold
from transire.domain.governed import Governed
from transire.domain.ids import (
    PersonId,
    ReviewId,
    make_ulid,
)
from transire.domain.log import Change, Condition, DecisionLog, Item, Receipt
from transire.domain.ports import Clock, Release
from transire.domain.request import JsonValue, Principal, RoutingRequest
from transire.errors import (
    ConflictError,
    NotFoundError,
    StaleError,
)
from transire.review import states
from transire.review.evidence import MAX_HELD_BYTES, hold_key, key_key, open_hold, seal
from transire.review.listing import Page, Wanted, read_page
from transire.review.opened import opened
from transire.review.openings import OPEN_PREFIX, Opening, Places, opening, read_openings
from transire.review.releasing import closed, release_of
from transire.review.states import Review

__all__ = ["HeldRecorder", "ReviewQueue"]

_LOOK_S: Final = 2.0
"""Seconds between looks at a review that somebody waits for and nobody here acts on."""


class HeldRecorder(Protocol):
    """What the queue needs of the record stage."""

    async def held(
        self,
        case: Case,
        hold: Hold,
        *,
        review_id: str,
        review_fields: dict[str, JsonValue],
        changes: tuple[Change, ...],
    ) -> Receipt:
        """Record a hold and open its review in one entry."""


class ReviewQueue:
    """Implements `domain.ports.Reviews`, and the acts of reviewers.

    Args:
        holders: Key id → people who could make requests with it.
        places: How many reviews may be open at once.
    """

    def __init__(
        self,
        log: DecisionLog,
        recorder: HeldRecorder,
        *,
        holders: Callable[[str], frozenset[PersonId]],
        places: Places,
        clock: Clock,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._log = log
        self._recorder = recorder
        self._holders = holders
        self._places = places
        self._clock = clock
        self._entropy = entropy
        self._changed = asyncio.Condition()

    async def hold(self, case: Case, hold: Hold, governed: Governed) -> tuple[ReviewId, Receipt]:
        """See `domain.ports.Reviews`."""
        now = self._clock.now()
        review_id = make_ulid("rev", now_ms=int(now.timestamp() * 1_000), entropy=self._entropy(10))
        holders = self._holders(case.request.principal.key_id)
        review = opened(review_id, case, hold, governed.bundle, holders=holders, now=now)
        body, _ = case.body(hold.candidate.pair.form)
        content = orjson.dumps(body.fields) if review.evidence == "content" else b""
        if len(content) > MAX_HELD_BYTES:
            review, content = replace(review, evidence="facts"), b""
        changes = [Change(key=f"review/{review_id}", value=review.to_json()), opening(review)]
        with self._places.taken(case.request.principal, await self._openings()):
            if content:
                changes += seal(review_id, content, self._entropy)
            receipt = await self._recorder.held(
                case,
                hold,
                review_id=review_id,
                review_fields={
                    "queues": sorted(review.queues),
                    "expires_at": review.expires_at,
                    "evidence": review.evidence,
                },
                changes=tuple(changes),
            )
        await self._tell()
        return ReviewId(review_id), receipt

    async def release(self, request: RoutingRequest) -> Release:
        """See `domain.ports.Reviews`."""
        review, stored = await self._load(str(request.review_id))
        return release_of(review, stored, request, self._clock.now())

    async def get(self, review_id: str, principal: Principal) -> Review:
        """One review of the principal's own tenant (and, for applications, own key)."""
        review, _ = await self._load(review_id)
        is_own = principal.kind == "person" or review.key_id == principal.key_id
        if review.tenant != principal.tenant or not is_own:
            raise NotFoundError("no such review")
        return review

    async def list(
        self, wanted: Wanted, may_see: Callable[[Review], bool] = lambda _: True
    ) -> Page:
        """A page of a tenant's reviews that a reader may see; see `listing`."""
        return await read_page(self._log, wanted, self._clock.now(), may_see)

    async def open_count(self) -> int:
        """How many reviews are open, of all tenants."""
        return len(await self._openings())

    async def claim(self, review_id: str, person: str) -> Review:
        """Take a review for a while."""
        return await self._move(
            review_id, "claimed", person, lambda r: states.claim(r, person, self._clock.now())
        )

    async def approve(
        self, review_id: str, person: str, *, queue: str | None, comment: str
    ) -> Review:
        """Release one queue's part; with one queue waiting, its name may be left out."""
        review, _ = await self._load(review_id)
        waiting = [name for name, decision in sorted(review.queues.items()) if not decision]
        chosen = queue or (waiting[0] if len(waiting) == 1 else "")
        return await self._move(
            review_id,
            "approved",
            person,
            lambda r: states.approve(r, chosen, person, comment, self._clock.now()),
            comment=comment,
            fields={"queue": chosen, "saw_content": person in review.viewers},
        )

    async def deny(self, review_id: str, person: str, *, comment: str) -> Review:
        """Deny for good; the held content is destroyed."""
        return await self._move(
            review_id,
            "denied",
            person,
            lambda r: states.deny(r, person, comment, self._clock.now()),
            comment=comment,
            closes=True,
        )

    async def cancel(self, review_id: str, principal: Principal) -> Review:
        """The requester takes it back."""
        await self.get(review_id, principal)
        return await self._move(
            review_id,
            "cancelled",
            str(principal.key_id),
            lambda r: states.cancel(r, self._clock.now()),
            closes=True,
        )

    async def content(self, review_id: str, person: str) -> Any:
        """The held request; the look is recorded before it is given.

        Raises:
            NotFoundError: the queue shows facts only, or the review is closed.
        """
        sealed, key = (
            await self._log.get(hold_key(review_id)),
            await self._log.get(key_key(review_id)),
        )
        if sealed is None or key is None:
            raise NotFoundError("this review holds no content")
        await self._move(
            review_id, "viewed", person, lambda r: states.saw(r, person, self._clock.now())
        )
        return orjson.loads(open_hold(review_id, sealed, key))

    async def sweep(self) -> int:
        """Close what has expired: record it once, destroy what was held."""
        now, count = self._clock.now(), 0
        for expired in [o for o in await self._openings() if now >= o.expires_at]:
            # Somebody closed it meanwhile, or the log's clock is not there yet.
            with suppress(ConflictError, StaleError):
                await self._expire(expired)
                count += 1
        return count

    async def _expire(self, expired: Opening) -> None:
        # The review itself moves, as by every other act: an expiry, an approval and a release that
        # meet in the log's batch are judged one after the other, and one of them counts.
        review, stored = await self._load(expired.review_id)
        moved = states.expire(review, self._clock.now())
        await self._log.append(
            Item(
                kind="review.expired",
                fields={"review_id": review.id, "tenant": review.tenant},
                conditions=(Condition(key=f"review/{review.id}", equals=stored),),
                changes=(
                    Change(key=f"review/{review.id}", value=moved.to_json()),
                    *closed(review.id),
                ),
                since=review.ends,
            )
        )

    async def _openings(self) -> "Sequence[Opening]":
        return read_openings(await self._log.scan(OPEN_PREFIX))

    async def wait(self, review_id: str, principal: Principal, seconds: float) -> Review:
        """Long-poll: return as soon as somebody acts on the review, or after `seconds`.

        What nobody's act tells this process of (an expiry, a release that was spent, another
        replica's act) is seen within `_LOOK_S`.
        """
        review = await self.get(review_id, principal)
        try:
            async with asyncio.timeout(min(seconds, 60.0)), self._changed:
                while (await self.get(review_id, principal)).version == review.version:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_S):
                            await self._changed.wait()
        except TimeoutError:
            pass
        return await self.get(review_id, principal)

    def resource(self, review: Review) -> dict[str, Any]:
        """The review as the Cedar entity its acts are judged on."""
        return {
            "type": "ReviewItem",
            "id": review.id,
            "attrs": {
                "tenant": {"__entity": {"type": "Tenant", "id": review.tenant}},
                "queue": ",".join(sorted(review.queues)),
                "stakes": {"__entity": {"type": "Stakes", "id": review.stakes}},
                "dataClasses": [
                    {"__entity": {"type": "DataClass", "id": c}} for c in review.data_classes
                ],
                "keyHolders": [{"__entity": {"type": "User", "id": p}} for p in review.key_holders],
            },
            "parents": [{"type": "Tenant", "id": review.tenant}],
        }

    async def _load(self, review_id: str) -> tuple[Review, str]:
        stored = await self._log.get(f"review/{review_id}")
        if stored is None:
            raise NotFoundError("no such review")
        return Review.from_json(stored), stored

    async def _move(
        self,
        review_id: str,
        verb: str,
        by: str,
        change: Callable[[Review], Review],
        *,
        comment: str = "",
        fields: Mapping[str, JsonValue] | None = None,
        closes: bool = False,
    ) -> Review:
        review, stored = await self._load(review_id)
        moved = change(review)
        await self._log.append(
            Item(
                kind=f"review.{verb}",
                fields={
                    "review_id": review_id,
                    "tenant": review.tenant,
                    "by": by,
                    **(fields or {}),
                },
                conditions=(Condition(key=f"review/{review_id}", equals=stored),),
                changes=(
                    Change(key=f"review/{review_id}", value=moved.to_json()),
                    *(closed(review_id) if closes else ()),
                ),
                disclosures={"comment": comment[:2_000]} if comment else {},
                until=review.ends,
            )
        )
        await self._tell()
        return moved

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
