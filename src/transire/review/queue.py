"""Reviews as durable state of the log: every transition is an entry and a compare-and-swap."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

import orjson

from transire.domain.bundle import Bundle
from transire.domain.decision import Case, Effect, Form, Hold
from transire.domain.ids import (
    DataClass,
    DeploymentId,
    Jurisdiction,
    PersonId,
    Purpose,
    ReviewId,
    Stakes,
    make_ulid,
)
from transire.domain.log import Change, Condition, DecisionLog, Item, Receipt
from transire.domain.ports import Clock, Governed, Release
from transire.domain.request import Assertions, JsonValue, Principal, RoutingRequest
from transire.errors import (
    ConflictError,
    NotFoundError,
    PolicyDenied,
    ReviewRequired,
    ReviewSpentError,
)
from transire.review import states
from transire.review.evidence import MAX_HELD_BYTES, destroy, hold_key, key_key, open_hold, seal
from transire.review.states import Review

__all__ = [
    "HeldRecorder",
    "ReviewQueue",
]


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
    """

    def __init__(
        self,
        log: DecisionLog,
        recorder: HeldRecorder,
        *,
        holders: Callable[[str], frozenset[PersonId]],
        clock: Clock,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._log = log
        self._recorder = recorder
        self._holders = holders
        self._clock = clock
        self._entropy = entropy
        self._changed = asyncio.Condition()

    async def hold(self, case: Case, hold: Hold, governed: Governed) -> tuple[ReviewId, Receipt]:
        """See `domain.ports.Reviews`."""
        now = self._clock.now()
        review_id = make_ulid("rev", now_ms=int(now.timestamp() * 1_000), entropy=self._entropy(10))
        review = self._opened(review_id, case, hold, governed.bundle)
        changes = [Change(key=f"review/{review_id}", value=review.to_json())]
        body, _ = case.body(hold.candidate.pair.form)
        content = orjson.dumps(body.fields)
        if review.evidence == "content" and len(content) <= MAX_HELD_BYTES:
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
        principal, now = request.principal, self._clock.now()
        is_theirs = (
            review.tenant == principal.tenant
            and review.application == principal.application
            and review.key_id == principal.key_id
        )
        if not is_theirs:
            raise NotFoundError("no such review for this key")
        facts = {"review_id": review.id}
        state = review.state(now)
        if state == "spent":
            raise ReviewSpentError(
                "this approval was used already", facts={**facts, "decision_id": review.spent_by}
            )
        if state in ("denied", "expired", "cancelled"):
            raise PolicyDenied(f"the review is {state}; send a new request", facts=facts)
        if review.mac != request.mac.hex():
            raise ConflictError(
                "this is not the request that was held: content, model or token bounds differ",
                facts=facts,
            )
        if state != "approved":
            raise ReviewRequired(f"the review is {state}", facts=facts)
        spent = replace(review, spent_by=request.id, version=review.version + 1)
        return Release(
            review_id=ReviewId(review.id),
            conditions=(Condition(key=f"review/{review.id}", equals=stored),),
            changes=(
                Change(key=f"review/{review.id}", value=spent.to_json()),
                *destroy(review.id),
            ),
            assertions=_united(review.assertions, request.assertions),
            deployments=frozenset(map(DeploymentId, review.deployments)),
            is_redacted=bool(review.facts["redacted"]),
            queues=frozenset(review.queues),
        )

    async def get(self, review_id: str, principal: Principal) -> Review:
        """One review of the principal's own tenant (and, for applications, own key)."""
        review, _ = await self._load(review_id)
        is_own = principal.kind == "person" or review.key_id == principal.key_id
        if review.tenant != principal.tenant or not is_own:
            raise NotFoundError("no such review")
        return review

    async def list(self, tenant: str, *, state: str | None, queue: str | None) -> list[Review]:
        """A tenant's reviews, oldest first."""
        now = self._clock.now()
        reviews = [Review.from_json(text) for _, text in await self._log.scan("review/")]
        return [
            r
            for r in reviews
            if r.tenant == tenant
            and (state is None or r.state(now) == state)
            and (queue is None or queue in r.queues)
        ]

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
        for key, text in await self._log.scan("review/"):
            review = Review.from_json(text)
            if review.state(now) != "expired" or await self._log.get(f"closed/{review.id}"):
                continue
            await self._log.append(
                Item(
                    kind="review.expired",
                    fields={"review_id": review.id, "tenant": review.tenant},
                    conditions=(Condition(key=key, equals=text),),
                    changes=(
                        Change(key=f"closed/{review.id}", value="expired"),
                        *destroy(review.id),
                    ),
                )
            )
            count += 1
        return count

    async def wait(self, review_id: str, principal: Principal, seconds: float) -> Review:
        """Long-poll: return as soon as the review changes, or after `seconds`."""
        review = await self.get(review_id, principal)
        try:
            async with asyncio.timeout(min(seconds, 60.0)), self._changed:
                while (await self.get(review_id, principal)).version == review.version:
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

    def _opened(self, review_id: str, case: Case, hold: Hold, bundle: Bundle) -> Review:
        request, now = case.request, self._clock.now()
        queues = {name: bundle.catalog.queues.get(name) for name in hold.queues}
        minutes = min(q.sla_minutes if q else 60 for q in queues.values())
        evidence = "content" if any(q and q.evidence == "content" for q in queues.values()) else ""
        _, asserted = case.authorization.facts[hold.candidate.pair.form]
        verdicts = [
            v
            for v in case.authorization.verdicts
            if v.effect is Effect.PERMIT and v.queues <= hold.queues
        ]
        policies = sorted({o.policy for o in hold.candidate.verdict.obligations if o.policy})
        return Review(
            id=review_id,
            decision_id=request.id,
            tenant=request.principal.tenant,
            application=request.principal.application or "",
            key_id=request.principal.key_id,
            key_holders=tuple(sorted(self._holders(request.principal.key_id))),
            mac=request.mac.hex(),
            stakes=asserted.stakes,
            data_classes=tuple(sorted(asserted.data_classes)),
            assertions=_assertions_json(request.assertions),
            facts={
                "purpose": asserted.purpose,
                "stakes": asserted.stakes,
                "data_classes": sorted(asserted.data_classes),
                "failed_classes": sorted(asserted.failed_classes),
                "uncovered_classes": sorted(asserted.uncovered_classes),
                "reduced_classes": sorted(asserted.reduced_classes),
                "unscanned_parts": asserted.unscanned_parts,
                "redacted": hold.candidate.pair.form is Form.REDACTED,
                "tokens": request.body.tokens_estimate,
                "bundle": bundle.digest,
                "policies": [
                    {
                        "id": p,
                        "reason": bundle.annotations.get(p, {}).get("reason", ""),  # type: ignore[call-overload] # ids are strings
                        "regulation": bundle.annotations.get(p, {}).get("regulation", ""),  # type: ignore[call-overload]
                    }
                    for p in policies
                ],
                "would_go_to": hold.candidate.pair.deployment,
            },
            deployments=tuple(sorted({v.pair.deployment for v in verdicts})),
            queues=dict.fromkeys(sorted(hold.queues)),
            evidence=evidence or "facts",
            opened_at=now.isoformat(),
            expires_at=(now + timedelta(minutes=minutes)).isoformat(),
        )

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
                    *(destroy(review_id) if closes else ()),
                ),
                disclosures={"comment": comment[:2_000]} if comment else {},
            )
        )
        await self._tell()
        return moved

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


_SETS = ("data_classes", "jurisdictions", "required_tools")
_OPTIONAL_SETS = ("models", "allowed_tools")


def _assertions_json(asserted: Assertions) -> dict[str, Any]:
    fields = {name: getattr(asserted, name) for name in Assertions.__slots__}
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in fields.items()
    }


def _united(held: Mapping[str, Any], sent: Assertions) -> Assertions:
    """Held and re-sent united: the stricter of both, so dropping an assertion gains nothing."""
    models = _both(held["models"], sent.models)
    tools = _both(held["allowed_tools"], sent.allowed_tools)
    jurisdictions = frozenset(held["jurisdictions"])
    if sent.jurisdictions and jurisdictions:
        jurisdictions = jurisdictions & sent.jurisdictions or frozenset({"(none)"})
    for name in ("purpose", "stakes", "redaction", "session_id", "task", "domain"):
        given = getattr(sent, name)
        if held[name] and given and held[name] != given:
            raise ConflictError(f"the held request asserted another `{name}`")
    held_purpose = held["purpose"]
    return Assertions(
        models=None if models is None else frozenset(map(DeploymentId, models)),
        purpose=Purpose(held_purpose) if held_purpose else sent.purpose,
        task=held["task"] or sent.task,
        domain=held["domain"] or sent.domain,
        stakes=Stakes(held["stakes"]) if held["stakes"] else sent.stakes,
        data_classes=frozenset(map(DataClass, held["data_classes"])) | sent.data_classes,
        jurisdictions=frozenset(map(Jurisdiction, jurisdictions or sent.jurisdictions)),
        max_cost_micro_usd=_least(held["max_cost_micro_usd"], sent.max_cost_micro_usd),
        max_latency_ms=_least(held["max_latency_ms"], sent.max_latency_ms),
        min_quality_permille=max(held["min_quality_permille"] or 0, sent.min_quality_permille or 0)
        or None,
        priority=_least(held["priority"], sent.priority),
        session_id=held["session_id"] or sent.session_id,
        redaction=held["redaction"] or sent.redaction,
        required_tools=frozenset(held["required_tools"]) | sent.required_tools,
        allowed_tools=tools,
    )


def _both(held: Any, sent: frozenset[Any] | None) -> frozenset[Any] | None:
    if held is None:
        return sent
    return frozenset(held) if sent is None else frozenset(held) & sent


def _least(held: int | None, sent: int | None) -> int | None:
    given = [value for value in (held, sent) if value is not None]
    return min(given) if given else None
