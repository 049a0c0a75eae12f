"""The path over fakes that implement its ports faithfully; no patches."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.conftest import FakeClock
from tests.unit.bundle.bundles import pack_files

from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.compile import compile_bundle
from transire.dispatch import Dispatch
from transire.domain.answer import (
    AnswerChoice,
    Chunk,
    ChunkChoice,
    Completion,
    Usage,
)
from transire.domain.authorization import Authorization, Effect, Pair
from transire.domain.bundle import Bundle, Quarantine
from transire.domain.classification import Classification, Finding, Redaction, Signals
from transire.domain.decision import Case, Choice, Hold
from transire.domain.deployment import Deployment
from transire.domain.escalation import Appraisal
from transire.domain.governed import Governed
from transire.domain.ids import (
    ApplicationId,
    BundleDigest,
    DataClass,
    DecisionId,
    DeploymentId,
    KeyId,
    Purpose,
    ReviewId,
    TenantId,
)
from transire.domain.log import Receipt
from transire.domain.outward import Wire
from transire.domain.permit import Outcome, Permit, Recorded
from transire.domain.ports import Inspector, Release, Violation
from transire.domain.prompt import BundleText, Prompt, PromptReading, PromptShelf
from transire.domain.ranking import Candidate, Ranking, Terms
from transire.domain.receiving import Receive
from transire.domain.request import Assertions, Body, Principal, RoutingRequest
from transire.domain.trial import Trial
from transire.errors import (
    ContractViolated,
    RequestError,
    TransireError,
)
from transire.forward.fallback import AttemptPlan
from transire.limits.sessions import SessionMemory
from transire.pursuit import Pursuit
from transire.router import Router

COMPILED = compile_bundle(pack_files())
AUTHORIZER = CedarAuthorizer(COMPILED)
"""One for all paths, as one serves all requests of a bundle; its memory changes no answer."""
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
UNTIL = NOW + timedelta(days=1)
"""When a review ends that a test has released."""
TERMS = Terms(
    cost_micro_usd=1,
    worst_cost_micro_usd=1,
    latency_ms=1,
    success_permille=1000,
    quality_permille=900,
    in_flight=0,
)


ANSWER = Completion(
    choices=(
        AnswerChoice(index=0, content="hi", refusal=None, tool_calls=(), finish_reason="stop"),
    ),
    usage=Usage(prompt_tokens=1, completion_tokens=1, total_tokens=2),
    model="m",
    created=1,
)


@dataclass
class FakeDetector:
    found: frozenset[DataClass] = frozenset()
    error: Exception | None = None
    digest: str = "detector"
    asked: int = 0
    findings: tuple[Finding, ...] = ()
    redactions: int = 0
    in_prompts: frozenset[DataClass] = frozenset()
    task: str = "default"

    async def classify(self, request: RoutingRequest) -> Classification:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return Classification(
            findings=self.findings,
            states=(),
            found=self.found,
            failed=frozenset(),
            uncovered={},
            detector_digest=self.digest,
            signals=Signals(task=self.task),
        )

    async def redact(self, request: Any, classification: Any) -> Redaction | None:
        self.redactions += 1
        return None

    async def classify_text(self, text: str, tenant: str) -> Classification:
        raise AssertionError("the router does not classify loose texts")

    async def read_prompt(self, prompt: Prompt) -> PromptReading:
        return PromptReading(
            prompt=prompt,
            digest=prompt.text.encode(),
            tokens=len(prompt.text),
            text=BundleText(found=self.in_prompts),
            detector=self.digest,
        )

    async def classify_answer(self, parts: Any, tenant: str) -> Classification:
        raise AssertionError("only the inspector classifies answers")

    async def redact_answer(self, *_: Any) -> tuple[tuple[str, ...], int]:
        raise AssertionError("only the inspector redacts answers")


@dataclass
class FakeScorer:
    """Ranks by name; `hostile` answers with pairs nobody permitted, `first` comes first."""

    first: DeploymentId | None = None
    hostile: DeploymentId | None = None
    seen: list[frozenset[DeploymentId]] = field(default_factory=list)
    terms: dict[str, Terms] = field(default_factory=dict)
    digest: str = "scorer"

    def rank(
        self,
        request: Any,
        classification: Any,
        permitted: Authorization,
        *,
        exclude: frozenset[Pair],
        seed: int,
    ) -> Ranking:
        self.seen.append(frozenset(v.pair.deployment for v in permitted.permitted))
        verdicts = [v for v in permitted.permitted if v.pair not in exclude]
        if self.hostile is not None:
            forbidden = next(v for v in permitted.verdicts if v.pair.deployment == self.hostile)
            verdicts = [replace(forbidden, effect=Effect.PERMIT)]
        verdicts.sort(key=lambda v: v.pair.deployment != self.first)
        candidates = tuple(
            Candidate(verdict=v, terms=self.terms.get(v.pair.deployment, TERMS)) for v in verdicts
        )
        return Ranking(
            candidates=candidates,
            filtered=(),
            reason="x",
            scorer_digest="s",
            seed=1,
            target_ms=1,
            near_tie_permille=0,
        )


@dataclass
class FakeRecorder:
    events: list[str]
    errors: list[Exception] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    permits: list[tuple[Case, Release | None]] = field(default_factory=list)

    async def permit(
        self,
        case: Case,
        choice: Choice,
        wire: Wire,
        *,
        attempt: int,
        cause: str,
        release: Any,
        budgets: Any,
        cached: Any = None,
    ) -> Recorded[Permit]:
        if self.errors:
            raise self.errors.pop(0)
        pair = choice.candidate.pair
        self.events.append(f"recorded {pair.deployment} {cause}")
        self.permits.append((case, release))
        permit = Permit(
            decision_id=case.request.id,
            attempt=attempt,
            cause=cause,
            pair=pair,
            content_digest=b"",
            wire_digest=b"",
            bundle_digest=BundleDigest("b"),
            quarantine_version=0,
            expires_at=NOW + timedelta(days=1),
            cached=cached,
        )
        return Recorded(value=permit, receipt=self._receipt())

    async def refusal(self, case: Any, request: Any, error: TransireError) -> Receipt:
        if self.errors:
            raise self.errors.pop(0)
        self.refusals.append(error.code)
        return self._receipt()

    def _receipt(self) -> Receipt:
        return Receipt(
            entry_id="e", index=0, tree_size=1, leaf_hash=b"", origin="o", checkpoint="c"
        )

    def gave_up(self, case: Any, request: Any) -> None:
        self.refusals.append("cancelled")

    async def advice(self, case: Any, choice: Any) -> Receipt:
        self.events.append("advice")
        return Receipt(entry_id="e", index=0, tree_size=1, leaf_hash=b"", origin="", checkpoint="")

    def outcome(self, permit: Any, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def vouch(self, permit: Any) -> None:
        pass


@dataclass
class FakeExchange:
    answer: Completion
    pieces: Sequence[Chunk | Exception] = ()
    http_status: int = 200
    first_byte_ms: int = 1
    region: str = ""
    closed: int = 0

    async def completion(self) -> Completion:
        return self.answer

    async def chunks(self) -> AsyncIterator[Chunk]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def close(self) -> None:
        self.closed += 1


@dataclass
class FakeForwarder:
    events: list[str]
    failing: Mapping[str, Exception] = field(default_factory=dict)
    exchange: FakeExchange = field(default_factory=lambda: FakeExchange(ANSWER))
    bodies: list[Body] = field(default_factory=list)
    unbuildable: frozenset[DeploymentId] = frozenset()

    def prepare(self, body: Body, deployment: Any, *, is_stream: bool) -> Wire:
        if deployment.id in self.unbuildable:
            raise RequestError("`audio` cannot be sent there", param="audio")
        self.bodies.append(body)
        return Wire(deployment=deployment, body=b"", digest=b"")

    async def send(self, permit: Recorded[Permit], wire: Wire, **_: Any) -> Any:
        name = wire.deployment.id
        self.events.append(f"sent {name}")
        if name in self.failing:
            raise self.failing[name]
        return self.exchange


@dataclass
class FakeReviews:
    allowed: Release | None = None
    held: list[frozenset[str]] = field(default_factory=list)

    async def release(self, request: RoutingRequest) -> Release:
        assert self.allowed is not None
        return self.allowed

    async def hold(self, case: Any, hold: Hold, governed: Any) -> tuple[ReviewId, Any]:
        self.held.append(hold.queues)
        return ReviewId("rev_1"), None


@dataclass
class FakeValidator:
    wrong: Sequence[Violation] = ()
    refusal: TransireError | None = None

    async def check_request(self, request: Any) -> None:
        if self.refusal is not None:
            raise self.refusal

    async def violations(self, request: Any, answer: Any) -> Sequence[Violation]:
        return self.wrong

    async def repaired(self, request: Any, answer: Completion) -> Completion:
        return answer


@dataclass
class FakeInspector:
    """Judges answers by one rule; None judges none."""

    receive: Receive | None

    def receive_of(self, case: Any, pair: Any, governed: Any) -> Receive | None:
        return self.receive


class FakeNotes:
    """Notes a request once, as another content."""

    async def noted(self, request: RoutingRequest, error: ContractViolated) -> RoutingRequest:
        if request.noted:
            return request
        return replace(request, noted=(str(error.facts["failure"]),), content_digest=b"noted")


@dataclass
class FakeAppraiser:
    """Gives each answer, in turn, these verdicts; then none."""

    verdicts: list[tuple[str, ...]] = field(default_factory=list)

    async def appraised(self, rules: Any, request: Any, answer: Any, **_: Any) -> Any:
        return Appraisal(verdicts=self.verdicts.pop(0) if self.verdicts else ())


@dataclass
class FakeEscalations:
    """Grants so many escalations, and notes what was judged."""

    left: int = 100
    taken: int = 0
    wanted: list[bool] = field(default_factory=list)

    def judged(self, principal: Any, *, is_wanted: bool) -> None:
        self.wanted.append(is_wanted)

    def take(self, principal: Any) -> str:
        if self.left <= 0:
            return "quota"
        self.left -= 1
        self.taken += 1
        return ""

    def give_back(self, principal: Any) -> None:
        self.left += 1
        self.taken -= 1


@dataclass
class FakeHealth:
    """Notes which deployments were used, and how that ended."""

    begun: list[DeploymentId] = field(default_factory=list)
    ended: list[dict[str, Any]] = field(default_factory=list)
    taken: dict[DeploymentId, str] = field(default_factory=dict)
    claims: list[DeploymentId] = field(default_factory=list)

    def claim(self, deployment: Deployment, holder: int, tokens: int) -> str | None:
        if deployment.id not in self.taken:
            self.claims.append(deployment.id)
        return self.taken.get(deployment.id)

    def forgo(self, deployment: Deployment, holder: int, tokens: int) -> None:
        self.claims.remove(deployment.id)

    def back_in_s(self, deployments: Iterable[Deployment]) -> float | None:
        return 7.2 if list(deployments) else None

    def started(self, deployment: DeploymentId) -> None:
        self.begun.append(deployment)

    def finished(self, deployment: DeploymentId, **how: Any) -> None:
        self.ended.append({"deployment": deployment, **how})


@dataclass
class FakeObserver:
    """Notes what it is told."""

    stages: dict[str, float] = field(default_factory=dict)
    codes: list[str] = field(default_factory=list)
    attempts: list[tuple[DeploymentId, Outcome]] = field(default_factory=list)
    overheads_s: list[float] = field(default_factory=list)
    untried: int = 0
    escalations: list[tuple[str, str]] = field(default_factory=list)

    def stage(self, name: str, seconds: float) -> None:
        self.stages[name] = seconds

    def decided(self, case: Case | None, code: str) -> None:
        self.codes.append(code)

    def attempted(self, deployment: DeploymentId, outcome: Outcome) -> None:
        self.attempts.append((deployment, outcome))

    def escalated(self, principal: Any, cause: str, result: str) -> None:
        self.escalations.append((cause, result))

    def steered(self, principal: Any) -> None:
        raise AssertionError("the quota tells of steering, not the path")

    def left_untried(self) -> None:
        self.untried += 1

    def answered(self, overhead_s: float) -> None:
        self.overheads_s.append(overhead_s)


CHUNK = Chunk(choices=(ChunkChoice(index=0, content="hi"),))
LAST = Chunk(choices=(ChunkChoice(index=0, finish_reason="stop"),))


@dataclass
class FakeRetries:
    """Allows so many later attempts, and counts what was asked."""

    left: int = 100
    firsts: int = 0
    spent: int = 0

    def first(self) -> None:
        self.firsts += 1

    def again(self) -> bool:
        if self.left <= 0:
            return False
        self.left -= 1
        self.spent += 1
        return True

    def give_back(self) -> None:
        self.left += 1
        self.spent -= 1


@dataclass
class FakeTrials:
    """Draws what it is told to, and remembers what it heard."""

    trial: Trial | None = None
    heard: list[tuple[int, Outcome]] = field(default_factory=list)
    learned: list[int] = field(default_factory=list)

    def assigned(self, request: RoutingRequest, *_: Any) -> RoutingRequest:
        return replace(request, trial=self.trial)

    def counted(self, request: RoutingRequest, permit: Permit, outcome: Outcome) -> dict[str, Any]:
        self.heard.append((permit.attempt, outcome))
        return {"won": permit.attempt}

    def learn(self, told: Mapping[str, Any]) -> None:
        self.learned.append(told["won"])


@dataclass
class Path:
    """A router over fakes; `governed` is what it sees as the state of the moment."""

    clock: FakeClock
    detector: FakeDetector = field(default_factory=FakeDetector)
    scorer: FakeScorer = field(default_factory=FakeScorer)
    reviews: FakeReviews = field(default_factory=FakeReviews)
    validator: FakeValidator = field(default_factory=FakeValidator)
    notes: FakeNotes = field(default_factory=FakeNotes)
    inspector: Inspector = field(default_factory=lambda: FakeInspector(None))
    appraiser: FakeAppraiser = field(default_factory=FakeAppraiser)
    escalations: FakeEscalations = field(default_factory=FakeEscalations)
    health: FakeHealth = field(default_factory=FakeHealth)
    observer: FakeObserver = field(default_factory=FakeObserver)
    retries: FakeRetries = field(default_factory=FakeRetries)
    bundle: Bundle = COMPILED.bundle
    events: list[str] = field(default_factory=list)
    quarantine: Quarantine = field(default_factory=Quarantine)
    prompts: PromptShelf | None = None
    trials: FakeTrials = field(default_factory=FakeTrials)

    def __post_init__(self) -> None:
        self.recorder = FakeRecorder(self.events)
        self.forwarder = FakeForwarder(self.events)
        dispatch = Dispatch(
            governed=self.governed,
            recorder=self.recorder,
            forwarder=self.forwarder,
            validator=self.validator,
            inspector=self.inspector,
            appraiser=self.appraiser,
            health=self.health,
            trials=self.trials,
            observer=self.observer,
            contradicts=lambda place, *_: place == "elsewhere",
            clock=self.clock,
        )
        sessions = SessionMemory(self.clock)
        self.router = Router(
            governed=self.governed,
            health=self.health,
            recorder=self.recorder,
            reviews=self.reviews,
            pursuit=Pursuit(
                governed=self.governed,
                dispatch=dispatch,
                attempts=AttemptPlan(),
                notes=self.notes,
                retries=self.retries,
                escalations=self.escalations,
                sessions=sessions,
                observer=self.observer,
                clock=self.clock,
            ),
            validator=self.validator,
            sessions=sessions,
            trials=self.trials,
            observer=self.observer,
            clock=self.clock,
        )

    def rewire(self, **parts: Any) -> None:
        """Other collaborators, wherever the path has them."""
        dispatch, pursuit, router = (
            {name: part for name, part in parts.items() if name in {f.name for f in fields(kind)}}
            for kind in (Dispatch, Pursuit, Router)
        )
        pursuit["dispatch"] = replace(self.router.pursuit.dispatch, **dispatch)
        router["pursuit"] = replace(self.router.pursuit, **pursuit)
        self.router = replace(self.router, **router)

    def governed(self) -> Governed:
        return Governed(
            bundle=self.bundle,
            quarantine=self.quarantine,
            detector=self.detector,
            authorizer=AUTHORIZER,
            scorer=self.scorer,
            prompts=self.prompts,
        )


def request(application: str = "support-triage", **changes: Any) -> RoutingRequest:
    purpose = COMPILED.bundle.catalog.applications[ApplicationId(application)].purposes[0]
    made = RoutingRequest(
        id=DecisionId("dec_1"),
        principal=Principal(
            kind="application",
            tenant=TenantId("acme"),
            key_id=KeyId("k"),
            application=ApplicationId(application),
            purpose=Purpose(purpose),
        ),
        asked_model="auto",
        body=Body(
            fields={},
            parts=(),
            capabilities=frozenset(),
            needs=frozenset(),
            ignored=(),
            size_bytes=0,
            tokens_estimate=1,
        ),
        assertions=Assertions(),
        is_stream=False,
        wants_usage=False,
        mac=b"",
        content_digest=b"",
        deadline_s=30,
    )
    return replace(made, **changes)
