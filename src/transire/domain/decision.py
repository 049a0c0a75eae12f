"""What each stage concludes, in path order, and nothing a later stage could forge.

Classification → Authorization → Ranking → Choice | Hold → Recorded[Permit] → Completion → Outcome.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from transire.domain.ids import (
    BundleDigest,
    DataClass,
    DeploymentId,
    Jurisdiction,
    PolicyId,
    Purpose,
    ReviewId,
    Stakes,
)
from transire.domain.request import Body, JsonValue, RoutingRequest
from transire.domain.restoring import Placeholders
from transire.errors import IntegrityError

__all__ = [
    "MOST_RECORDED",
    "Authorization",
    "Candidate",
    "Case",
    "Choice",
    "Classification",
    "Effect",
    "Facts",
    "Finding",
    "Form",
    "Hold",
    "Obligation",
    "Pair",
    "PartState",
    "Ranking",
    "Redaction",
    "Signals",
    "Terms",
    "Verdict",
]


MOST_RECORDED = 128
"""Deployments listed in one place of an entry, so that even a large fleet's entry stays within
60 KiB; what is longer is cut there and says so (`cut`), and is then not replayed."""


class PartState(StrEnum):
    """What became of one part's scan; only `clean` and `found` mean it was read."""

    CLEAN = "clean"
    FOUND = "found"
    NOT_SCANNED = "not_scanned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One detection, as a half-open character range of one part; never its text.

    Attributes:
        part: Index into `Body.parts`.
        score_pct: Detector confidence, 0–100.
        via: The decode view it was found through (`base64`), or None.
        by: The recognizer, for people's tools; `patterns` stands for the installed ones.
    """

    part: int
    start: int
    end: int
    entity: str
    data_class: DataClass
    score_pct: int
    via: str | None = None
    by: str = field(default="patterns", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What routing can use without reading content again.

    Attributes:
        language: ISO 639-1 code judged above the confidence floor; None below it, and where no
            cue asked for it.
        task: Task by cues of `routing.yaml` or the caller's tag; `default` without one.
        cues: Names of the cues that fired, for the record.
        quality_floor_permille: Floor set by cues, 0–1000.
        stakes: Stakes raised by cues, or None.
        needs: Capabilities cues ask for (`grounded`).
    """

    language: str | None = None
    task: str = "default"
    cues: tuple[str, ...] = ()
    quality_floor_permille: int = 0
    stakes: Stakes | None = None
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """What the detector could and could not say about one body.

    Attributes:
        findings: Ordered by part, then start.
        states: One per part, same order.
        found: Accepted classes before closure.
        failed: A recognizer raised, timed out, went over budget, or met an opaque blob.
        uncovered: Class → what the standing gap is in: a modality (`text`, `image`), or a modality
            and a language (`text.fr`) where other languages are read.
        reduced: Classes that were read, in part, by a weaker model than the bundle names, because
            the better one ran out of its time.
        detector_digest: Names recognizers, thresholds and versions.
        failures: Names of the recognizers that failed, for errors and metrics.
    """

    findings: tuple[Finding, ...]
    states: tuple[PartState, ...]
    found: frozenset[DataClass]
    failed: frozenset[DataClass]
    uncovered: Mapping[DataClass, frozenset[str]]
    detector_digest: str
    signals: Signals
    failures: tuple[str, ...] = ()
    reduced: frozenset[DataClass] = frozenset()

    @property
    def unscanned_parts(self) -> int:
        """How many parts nobody read."""
        return sum(s in (PartState.NOT_SCANNED, PartState.FAILED) for s in self.states)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """The same request with what was found replaced, classified again.

    Attributes:
        body: The body that would be sent.
        classification: Of that body: residual classes.
        content_digest: Keyed digest of that body's content.
        count: Values replaced.
        placeholders: What was replaced, for the way back; in memory alone.
    """

    body: Body
    classification: Classification
    content_digest: bytes
    count: int
    placeholders: Placeholders | None = field(default=None, repr=False, compare=False)


class Form(StrEnum):
    """In which form content would be sent."""

    RAW = "raw"
    REDACTED = "redacted"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pair:
    """What eligibility is about: a deployment and the form it would receive."""

    deployment: DeploymentId
    form: Form


class Effect(StrEnum):
    """The two effects; there is no third."""

    PERMIT = "permit"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Obligation:
    """What must also be done if permitted.

    Attributes:
        kind: `review` or `redact`; with the latter `irreversible` (nothing is put back into an
            answer) or `irreversible_arguments` (nothing into its tool calls' arguments).
        queue: The review queue, for `review`.
        policy: The determining policy that asked for it; empty for a default deny.
    """

    kind: str
    queue: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything Cedar sees about one request in one form, ids only (the memo key).

    Attributes:
        data_classes: Upward-closed. With `redacted`, the residual classes.
        failed_classes: As judged, upward-closed.
        uncovered_classes: After acceptances, upward-closed.
        reduced_classes: Read in part by a weaker model; upward-closed.
        acceptances: Ids of acceptances that were applied; for the record, not for Cedar.
    """

    purpose: Purpose
    stakes: Stakes
    data_classes: frozenset[DataClass]
    failed_classes: frozenset[DataClass]
    uncovered_classes: frozenset[DataClass]
    unscanned_parts: int
    capabilities: frozenset[str]
    redacted: bool
    subject_region: Jurisdiction | None = None
    user: str | None = None
    acceptances: tuple[str, ...] = ()
    reduced_classes: frozenset[DataClass] = frozenset()

    def to_json(self) -> dict[str, JsonValue]:
        """The facts as an entry holds them; names and integers only."""
        return {
            "purpose": self.purpose,
            "stakes": self.stakes,
            "data_classes": sorted(self.data_classes),
            "failed_classes": sorted(self.failed_classes),
            "uncovered_classes": sorted(self.uncovered_classes),
            "reduced_classes": sorted(self.reduced_classes),
            "unscanned_parts": self.unscanned_parts,
            "capabilities": sorted(self.capabilities),
            "redacted": self.redacted,
            "subject_region": self.subject_region,
            "user": self.user,
            "acceptances": list(self.acceptances),
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Facts":
        """Read `to_json` back, for replay; entries from before a field was added lack it."""
        sets = ("data_classes", "failed_classes", "uncovered_classes", "capabilities")
        later = ("reduced_classes",)
        return cls(
            **{
                **fields,
                **{name: frozenset(fields[name]) for name in sets},
                **{name: frozenset(fields.get(name, ())) for name in later},
                "acceptances": tuple(fields["acceptances"]),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The stricter of the two evaluations of one pair.

    Attributes:
        obligations: United over both evaluations, sorted.
        policies: Determining policies, sorted; empty with FORBID means default deny.
        limits: What narrowed besides Cedar: `quarantine`, `state`, `asserted.model`, ….
        errors: Ids of policies that failed to evaluate; non-empty always means FORBID.
    """

    pair: Pair
    effect: Effect
    obligations: tuple[Obligation, ...] = ()
    policies: tuple[PolicyId, ...] = ()
    limits: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def queues(self) -> frozenset[str]:
        """Review queues that must all release before this pair may be used."""
        return frozenset(o.queue for o in self.obligations if o.kind == "review")

    @property
    def is_reversible(self) -> bool:
        """Whether an answer to the redacted form may get its values back."""
        return self._redacts and not self._must("irreversible")

    @property
    def restores_arguments(self) -> bool:
        """Whether its tool calls' arguments may get them too."""
        return self.is_reversible and not self._must("irreversible_arguments")

    @property
    def _redacts(self) -> bool:
        return self.effect is Effect.PERMIT and self._must("redact")

    def _must(self, kind: str) -> bool:
        return any(obligation.kind == kind for obligation in self.obligations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What policy says about every pair; the scorer gets `permitted` and nothing else.

    Attributes:
        verdicts: Every deployment of the catalog in each form that was put to Cedar, sorted.
        facts: (`base`, `asserted`) per form, as recorded for replay.
        evaluation: The canonical bytes of all verdicts, stored once by `evaluation_digest`; of a
            narrowed set, of those that narrowed it last, so that each is recorded whole (I8).
        is_memo_hit: The answer came from the memo (the record says so).
        request_bundle: Where this set was narrowed, what the request itself was decided under.
    """

    verdicts: tuple[Verdict, ...]
    facts: Mapping[Form, tuple[Facts, Facts]]
    bundle_digest: BundleDigest
    quarantine_version: int
    evaluated_at: datetime
    evaluation: bytes
    evaluation_digest: str
    is_memo_hit: bool = False
    request_bundle: BundleDigest | None = None

    @property
    def permitted(self) -> tuple[Verdict, ...]:
        """The permitted set. INVARIANT: nothing outside it reaches scorer or forwarder (I2)."""
        permit = Effect.PERMIT
        return tuple([v for v in self.verdicts if v.effect is permit])

    def verdict(self, pair: Pair) -> Verdict | None:
        """The verdict on one pair, or None if it was not put to Cedar."""
        name, form = pair.deployment, pair.form
        return next(
            (v for v in self.verdicts if v.pair.deployment == name and v.pair.form is form), None
        )

    def narrowed_by(self, now: "Authorization") -> "Authorization":
        """This set ∩ what is permitted now, obligations united (I3).

        A pair that the other evaluation does not know is forbidden.
        """
        if now is self:
            return self
        others = {v.pair: v for v in now.verdicts}
        return replace(
            now,
            verdicts=tuple(_stricter(v, others.get(v.pair)) for v in self.verdicts),
            request_bundle=self.request_bundle or self.bundle_digest,
        )


class Terms(NamedTuple):
    """Every term of one candidate's score, integers only, in the order in which they are recorded.

    A tuple, like `Candidate`, because twenty of each are made for every request.

    Attributes:
        cost_micro_usd: Expected cost; None where the price is unknown.
        worst_cost_micro_usd: Input plus the full output bound.
        latency_ms: Expected time to the whole answer under present load.
        success_permille: Observed success rate.
        quality_permille: Static or predicted quality for the task.
        in_flight: Requests on the wire from this process when scored.
    """

    cost_micro_usd: int | None
    worst_cost_micro_usd: int | None
    latency_ms: int
    success_permille: int
    quality_permille: int
    in_flight: int


class Candidate(NamedTuple):
    """One permitted pair with its terms."""

    verdict: Verdict
    terms: Terms

    @property
    def pair(self) -> Pair:
        """The pair ranked."""
        return self.verdict.pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The permitted set ordered by score, best first.

    Attributes:
        candidates: Those that passed every hard filter; may be empty.
        filtered: (pair, filter name) of permitted pairs a hard filter removed, in filter order.
        reason: Why the first one won (`cheapest_meeting_target`, `session`, `p2c`, …).
        scorer_digest: Names the scorer's configuration, for replay.
        seed: The decision's seed.
        target_ms: The task's latency target.
        near_tie_permille: Costs within this share of the cheapest counted as equal.
        budget_micro_usd: What was left of the tightest budget; None where none counts this.
        sticky: What answered the session's last turn: first among near-ties; None without one.
    """

    candidates: tuple[Candidate, ...]
    filtered: tuple[tuple[Pair, str], ...]
    reason: str
    scorer_digest: str
    seed: int
    target_ms: int
    near_tie_permille: int
    budget_micro_usd: int | None = None
    sticky: DeploymentId | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """The ranking as an entry holds it, with everything that decided it; best first.

        Candidates are columns, one list per term: an entry then names each term once and not
        twenty times. `form` stands there only where some pair is redacted.
        """
        ranked, dropped = self.candidates[:MOST_RECORDED], self.filtered[:MOST_RECORDED]
        candidates = _columns([c.verdict.pair for c in ranked], len(self.candidates))
        terms = zip(*(c.terms for c in ranked), strict=True)
        candidates.update((name, list(term)) for name, term in zip(Terms._fields, terms))  # noqa: B905 - no candidates, no columns
        filtered = _columns([pair for pair, _ in dropped], len(self.filtered))
        filtered["filter"] = [name for _, name in dropped]
        left = self.budget_micro_usd
        return {
            **({} if left is None else {"budget_micro_usd": left}),
            **({} if self.sticky is None else {"sticky": self.sticky}),
            "scorer": self.scorer_digest,
            "seed": self.seed,
            "target_ms": self.target_ms,
            "near_tie_permille": self.near_tie_permille,
            "reason": self.reason,
            "candidates": candidates,
            "filtered": filtered,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known of one request after scoring: everything its entry will say.

    Attributes:
        redaction: None where redaction was not tried or changed nothing.
        reclassified: What was said anew before a later attempt, by a newer detector or of a noted
            request; its facts narrowed.
    """

    request: RoutingRequest
    classification: Classification
    redaction: Redaction | None
    authorization: Authorization
    ranking: Ranking
    reclassified: Classification | None = None

    def body(self, form: Form) -> tuple[Body, bytes]:
        """The body a pair of this form would receive, with its content digest."""
        if form is Form.RAW:
            return self.request.body, self.request.content_digest
        if self.redaction is None:
            raise IntegrityError("a redacted pair was permitted without a redacted body")
        return self.redaction.body, self.redaction.content_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The pick, free to go once recorded.

    Attributes:
        released_by: The review that released it, or None where no review was needed.
    """

    candidate: Candidate
    released_by: ReviewId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The pick needs a human; nothing may route around it (ADR 3)."""

    candidate: Candidate
    queues: frozenset[str]


def _columns(pairs: list[Pair], count: int) -> dict[str, JsonValue]:
    """Names and forms of pairs, of `count` in all."""
    columns: dict[str, JsonValue] = {"deployment": [pair.deployment for pair in pairs]}
    if any(pair.form is not Form.RAW for pair in pairs):
        columns["form"] = [pair.form.value for pair in pairs]
    if len(pairs) < count:
        columns["cut"] = count
    return columns


def _stricter(first: Verdict, second: Verdict | None) -> Verdict:
    if second is None:
        return replace(first, effect=Effect.FORBID, limits=(*first.limits, "not_permitted_now"))
    if Effect.FORBID in (first.effect, second.effect):
        forbidding = first if first.effect is Effect.FORBID else second
        return replace(forbidding, pair=first.pair)
    return replace(
        first,
        obligations=tuple(sorted({*first.obligations, *second.obligations})),
        policies=tuple(sorted({*first.policies, *second.policies})),
    )
