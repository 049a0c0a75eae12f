"""A review queue over a log in memory, and a case that policy holds."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

from tests.conftest import FakeClock
from tests.fakes import MemoryLog
from tests.unit.authorize.worlds import asking, classes, facts
from tests.unit.score.fleets import authorization_of, bundle_of, classification_of, verdict

from transire.bundle.acts import ACTIVE_KEY
from transire.bundle.quarantine import VERSION_KEY
from transire.domain.authorization import Effect, Form, Obligation, Verdict
from transire.domain.decision import Case, Hold
from transire.domain.deployment import Queue
from transire.domain.governed import Governed
from transire.domain.ids import DeploymentId, KeyId, PersonId, PolicyId, ReviewId, Stakes, TenantId
from transire.domain.ranking import Candidate, Ranking, Terms
from transire.domain.request import Assertions, Principal, RoutingRequest
from transire.record.recorder import LogRecorder
from transire.review.openings import Places
from transire.review.queue import ReviewQueue
from transire.review.states import Review

__all__ = ["CANARY", "DEPLOYMENTS", "NOW", "ReviewDesk", "held_case", "person", "review", "sent"]

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
CANARY = "CANARY-4d1"
FIELDS = {"messages": [{"role": "user", "content": CANARY}]}
EVALUATION = b"[]"


def review(**changes: Any) -> Review:
    """A pending review of one queue."""
    fields: dict[str, Any] = {
        "id": "rev_1",
        "decision_id": "dec_1",
        "tenant": "acme",
        "application": "docs-qa",
        "key_id": "key_1",
        "key_holders": ("hal", "omar"),
        "mac": b"mac".hex(),
        "stakes": "high",
        "data_classes": ("HEALTH",),
        "assertions": {},
        "facts": {"redacted": False},
        "deployments": ("eu-medical",),
        "queues": {"claims": None},
        "evidence": "facts",
        "opened_at": NOW.isoformat(),
        "expires_at": NOW.replace(hour=10).isoformat(),
    }
    return Review(**{**fields, **changes})


def sent(assertions: Assertions | None = None, **changes: Any) -> RoutingRequest:
    """The held request, as first sent or sent again."""
    made = asking(assertions)
    plain: dict[str, Any] = {
        "mac": b"mac",
        "content_digest": b"content",
        "body": replace(made.body, fields=FIELDS, tokens_estimate=9),
    }
    return replace(made, **{**plain, **changes})


def held_verdict(name: str, *queues: str, form: Form = Form.RAW) -> Verdict:
    obligations = tuple(Obligation(kind="review", queue=q, policy=f"hold.{q}") for q in queues)
    return replace(verdict(name, form), obligations=obligations)


def held_case(
    *queues: str, form: Form = Form.RAW, assertions: Assertions | None = None, **changes: Any
) -> tuple[Case, Hold]:
    """A case whose best candidate, `eu-medical`, these queues must release."""
    best = held_verdict("eu-medical", *queues, form=form)
    authorization = authorization_of(
        best,
        held_verdict("other-queue", "elsewhere"),
        held_verdict("unreviewed"),
        replace(held_verdict("forbidden", *queues), effect=Effect.FORBID),
    )
    base = facts(stakes=Stakes("high"), redacted=form is Form.REDACTED)
    asserted = replace(base, data_classes=classes("HEALTH"))
    candidate = Candidate(best, Terms(1, 1, 1, 1_000, 900, 0))
    case = Case(
        request=sent(assertions, **changes),
        classification=classification_of(),
        redaction=None,
        authorization=replace(
            authorization,
            facts={form: (base, asserted)},
            evaluation=EVALUATION,
            evaluation_digest=hashlib.sha256(EVALUATION).hexdigest(),
        ),
        ranking=Ranking(
            candidates=(candidate,),
            filtered=(),
            reason="only_one",
            scorer_digest="s",
            seed=1,
            target_ms=1,
            near_tie_permille=0,
        ),
    )
    return case, Hold(candidate=candidate, queues=frozenset(queues))


class ReviewDesk:
    """The queue, its log, and the people it knows."""

    def __init__(self, clock: FakeClock, log: Any = None) -> None:
        self.clock = clock
        self.log = MemoryLog({ACTIVE_KEY: "0" * 64, VERSION_KEY: "0"})
        log = log or self.log
        drawn = count()
        self.holders = {KeyId("key_1"): frozenset({PersonId("omar"), PersonId("hal")})}
        self.recorder = LogRecorder(log, clock)
        self.queue = ReviewQueue(
            log,
            self.recorder,
            holders=lambda key_id: self.holders[KeyId(key_id)],
            places=Places(per_key=3, per_tenant=5),
            clock=clock,
            entropy=lambda size: hashlib.shake_256(str(next(drawn)).encode()).digest(size),
        )
        bundle = bundle_of()
        queues = {
            "claims": Queue(id="claims", evidence="content", sla_minutes=240),
            "stakes": Queue(id="stakes", evidence="facts", sla_minutes=60),
        }
        annotations = {
            PolicyId("hold.claims"): {"reason": "claims are checked", "regulation": "HWG §3"}
        }
        bundle = replace(
            bundle, catalog=replace(bundle.catalog, queues=queues), annotations=annotations
        )
        nothing: Any = None
        self.governed = Governed(
            bundle=bundle, quarantine=nothing, detector=nothing, authorizer=nothing, scorer=nothing
        )

    async def hold(self, *queues: str, **changes: Any) -> str:
        """Hold a request; the review's id."""
        case, hold = held_case(*(queues or ("claims",)), **changes)
        review_id, _ = await self.queue.hold(case, hold, self.governed)
        return str(review_id)

    async def approve(self, review_id: str, person: str = "rita", queue: str | None = None) -> None:
        await self.queue.approve(review_id, person, queue=queue, comment="checked")

    async def release(self, review_id: str, **changes: Any) -> Any:
        assertions = changes.pop("assertions", None)
        request = sent(assertions, review_id=ReviewId(review_id), **changes)
        return await self.queue.release(request)

    async def stored(self, review_id: str) -> Review:
        return Review.from_json(self.log.state[f"review/{review_id}"])

    @property
    def last(self) -> dict[str, Any]:
        entry: dict[str, Any] = dict(self.log.entries[-1])
        return entry


def person(tenant: str = "acme") -> Principal:
    """Somebody with a credential of their own."""
    return Principal(
        kind="person", tenant=TenantId(tenant), key_id=KeyId("cred"), person=PersonId("rita")
    )


DEPLOYMENTS = frozenset(map(DeploymentId, ("eu-medical", "unreviewed")))
