"""Metrics of one process, in a registry of their own; the façade over prometheus_client.

Labels hold ids, codes and classes, never a caller's words, and each label keeps at most
`MAX_LABEL_VALUES` values: the rest are counted as `other`, so that nobody can fill the memory.
"""

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from transire.domain.authorization import Effect
from transire.domain.decision import Case
from transire.domain.ids import DeploymentId
from transire.domain.learned import Fence
from transire.domain.permit import Outcome
from transire.domain.request import Principal
from transire.observe import names
from transire.observe.names import Metric
from transire.observe.timings import Counts, Timings

__all__ = ["MAX_LABEL_VALUES", "Metrics", "is_only_unscanned"]

MAX_LABEL_VALUES: Final = 200
OTHER: Final = "other"

_SECONDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 120.0),
)
"""From a memo hit (about 0.1 ms) to the default deadline of a request."""

_UNSCANNED_POLICIES: Final = frozenset(
    {
        "limits.credential-failed",
        "limits.scan-failed",
        "limits.uncovered-residency",
        "limits.uncovered-contract",
    }
)
"""The forbids of the protected pack that speak of what was not scanned (`rules/limits/`)."""

_DRIFTED_PERMILLE: Final = 250
"""Above it populations are usually said to differ (Siddiqi, Credit Risk Scorecards, 2006)."""
_log = structlog.get_logger()

_classify_s: ContextVar[float] = ContextVar("classify_s", default=0.0)


class Metrics:
    """Implements the observers of `domain`: of the path, its cache, shadows, moderators and judges.

    The gauges (`cache_bytes`, `in_flight`, `held_reviews`, `log_queue_depth`, `unwritten_entries`)
    are set by whoever knows them.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._values: dict[tuple[str, str], set[str]] = {}
        self._requests = self._counter(names.REQUESTS)
        self._stages = self._timings(names.STAGE_SECONDS)
        self._overhead = self._timings(names.OVERHEAD_SECONDS)
        self._unclassified = self._timings(names.OVERHEAD_UNCLASSIFIED_SECONDS)
        self._attempts = self._counter(names.ATTEMPTS)
        self._attempt_seconds = self._timings(names.ATTEMPT_SECONDS)
        self._unscanned = self._counter(names.DENIALS_ONLY_UNSCANNED)
        self._scans = self._counter(names.SCANS)
        self._guards = self._counter(names.GUARDS)
        self._moderations = self._counter(names.MODERATIONS)
        self._refusals = self._counter(names.REFUSALS)
        self._left_untried = self._counter(names.LEFT_UNTRIED)
        self._tokens = self._counter(names.TOKENS)
        self._cost = self._counter(names.COST_MICRO_USD)
        self._repairs = self._counter(names.REPAIRS)
        self._predictions = self._counter(names.PREDICTIONS)
        self._drift = self._gauge(names.QUALITY_DRIFT)
        self._foreign = self._gauge(names.QUALITY_FOREIGN)
        self._learned_failures = self._gauge(names.LEARNED_FAILURES)
        self._has_drifted = False
        self._cache_lookups = self._counter(names.CACHE_LOOKUPS)
        self._cache_saved = self._counter(names.CACHE_SAVED_MICRO_USD)
        self._feedback = self._counter(names.FEEDBACK)
        self.cache_bytes = self._gauge(names.CACHE_BYTES)
        self._escalations = self._counter(names.ESCALATIONS)
        self._steered = self._counter(names.STEERED_ESCALATIONS)
        self._judgments = self._counter(names.JUDGMENTS)
        self._judgment_cost = self._counter(names.JUDGMENT_COST_MICRO_USD)
        self._rolled_back = self._counter(names.VARIANTS_ROLLED_BACK)
        self._shadows = self._counter(names.SHADOWS)
        self._shadow_cost = self._counter(names.SHADOW_COST_MICRO_USD)
        self.log_queue_depth = self._gauge(names.LOG_QUEUE_DEPTH)
        self.unwritten_entries = self._gauge(names.UNWRITTEN_ENTRIES)
        self.held_reviews = self._gauge(names.HELD_REVIEWS)
        self.in_flight = self._gauge(names.IN_FLIGHT)

    def stage(self, name: str, seconds: float) -> None:
        """One stage took this long."""
        if name == "classify":
            # Remembered for this request alone: each request runs in a context of its own.
            _classify_s.set(_classify_s.get() + max(0.0, seconds))
        if not self._stages.knows(name):
            name = self._known(names.STAGE_SECONDS, name)
        self._stages.observe(max(0.0, seconds), name)

    def decided(self, case: Case | None, code: str) -> None:
        """A request ended with this code (`ok` or an error's code)."""
        self._requests.add(1, self._known(names.REQUESTS, code))
        if case is None:
            return
        self._count_scans(case)
        if case.classification.signals.gains is not None:
            self._predictions.add(1, _came_of(case))
        for _, by in case.ranking.filtered:
            self._refusals.add(1, self._known(names.REFUSALS, by))
        if code == "policy_denied" and is_only_unscanned(case):
            self._unscanned.add(1)

    def attempted(self, deployment: DeploymentId, outcome: Outcome) -> None:
        """One attempt ended, with its own time, tokens and cost; what is unknown adds nothing."""
        failure = "contradicts_catalog" if outcome.facts.get("contradicts") else outcome.failure
        self._attempts.add(
            1,
            self._known(names.ATTEMPTS, deployment),
            self._known(names.ATTEMPTS, failure or "none", "failure"),
        )
        self._attempt_seconds.observe(max(0, outcome.latency_ms) / 1000)
        self._tokens.add(max(0, outcome.tokens_in or 0), "in")
        self._tokens.add(max(0, outcome.tokens_out or 0), "out")
        self._cost.add(max(0, outcome.cost_micro_usd or 0))
        received = outcome.facts.get("received")
        if isinstance(received, Mapping):
            said = (received.get("raised_guards"), received.get("failed_guards"))
            self._count_guards("answer", *(_names(s) for s in said))
        for rule in outcome.repaired:
            known = self._known(names.REPAIRS, deployment)
            self._repairs.add(1, known, self._known(names.REPAIRS, rule, "rule"))

    def escalated(self, principal: Principal, cause: str, result: str) -> None:
        """An answer had a verdict, and this came of it."""
        application = self._known(names.ESCALATIONS, principal.application or "")
        self._escalations.add(1, application, cause, result)

    def steered(self, principal: Principal) -> None:
        """A key that escalates far above its application's others asked for one more."""
        application = principal.application or ""
        self._steered.add(1, self._known(names.STEERED_ESCALATIONS, application))

    def scored(self, deployment: DeploymentId, result: str, cost_micro_usd: int | None) -> None:
        """An answer was to be judged, and this came of it."""
        known = self._known(names.JUDGMENTS, deployment)
        self._judgments.add(1, known, self._known(names.JUDGMENTS, result, "result"))
        self._judgment_cost.add(max(0, cost_micro_usd or 0))

    def rolled_back(self, experiment: str, metric: str) -> None:
        """A canary's variant was worse than control, and was taken back."""
        known = self._known(names.VARIANTS_ROLLED_BACK, experiment)
        self._rolled_back.add(1, known, metric)

    def shadowed(self, deployment: DeploymentId, result: str, cost_micro_usd: int | None) -> None:
        """A request was drawn to be copied, and this came of it."""
        known = self._known(names.SHADOWS, deployment)
        self._shadows.add(1, known, self._known(names.SHADOWS, result, "result"))
        self._shadow_cost.add(max(0, cost_micro_usd or 0))

    def left_untried(self) -> None:
        """A request failed although something was left to try."""
        self._left_untried.add(1)

    def judged(self, source: str) -> None:
        """Somebody judged an answer."""
        self._feedback.add(1, source)

    def looked_up(self, result: str) -> None:
        """A request looked for its kept answer."""
        self._cache_lookups.add(1, result)

    def saved(self, micro_usd: int) -> None:
        """An answer was given again that had cost this much."""
        self._cache_saved.add(max(0, micro_usd))

    def answered(self, overhead_s: float) -> None:
        """A request was answered; overhead is all time not spent waiting upstream."""
        overhead = max(0.0, overhead_s)
        self._overhead.observe(overhead)
        self._unclassified.observe(max(0.0, overhead - _classify_s.get()))

    def learned(self, fence: Fence | None) -> None:
        """How the bundle's fitted models do by now; a drift is said once, and again once mended."""
        drift = None if fence is None else fence.learned.drift_permille
        foreign = None if fence is None else fence.learned.foreign_permille
        self._drift.set(drift or 0)
        self._foreign.set(foreign or 0)
        self._learned_failures.set(0 if fence is None else fence.failures)
        has_drifted = max(drift or 0, foreign or 0) > _DRIFTED_PERMILLE
        if has_drifted and not self._has_drifted:
            _log.warning("quality.drifted", drift_permille=drift, foreign_permille=foreign)
        self._has_drifted = has_drifted

    def render(self) -> bytes:
        """Everything in the Prometheus text format 0.0.4."""
        return generate_latest(self._registry)

    def moderated(self, moderator: DeploymentId, result: str) -> None:
        """See `domain.moderation.ModerationObserver`."""
        self._moderations.add(1, self._known(names.MODERATIONS, moderator), result)

    def _count_scans(self, case: Case) -> None:
        found = case.classification
        if found.raised_guards or found.failed_guards:
            self._count_guards("request", found.raised_guards, found.failed_guards)
        for recognizer in found.failures:
            known = self._known(names.SCANS, recognizer, "recognizer")
            self._scans.add(1, "failed", known)
        for data_class in found.reduced:
            self._scans.add(1, "reduced", self._known(names.SCANS, data_class, "recognizer"))
        if not found.failures:
            outcome = "found" if found.found else "uncovered" if found.uncovered else "clean"
            self._scans.add(1, outcome, "")

    def _count_guards(self, of: str, raised: Iterable[str], failed: Iterable[str]) -> None:
        for state, guards in (("raised", raised), ("failed", failed)):
            for guard in guards:
                self._guards.add(1, self._known(names.GUARDS, guard, "guard"), state, of)

    def _known(self, metric: Metric, value: str, label: str = "") -> str:
        """The value, or `other` once the label has as many as it may."""
        values = self._values.setdefault((metric.name, label), set())
        if value in values:
            return value
        if len(values) >= MAX_LABEL_VALUES:
            return OTHER
        values.add(value)
        return value

    def _counter(self, metric: Metric) -> Counts:
        counts = Counts(metric)
        self._registry.register(counts)
        return counts

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.help, metric.labels, registry=self._registry)

    def _timings(self, metric: Metric) -> Timings:
        timings = Timings(metric, _SECONDS)
        self._registry.register(timings)
        return timings


def _came_of(case: Case) -> str:
    """What a prediction did to the pick."""
    if case.ranking.quality_target_permille is None:
        return "held"
    return "moved" if case.ranking.reason in _PREDICTED else "kept"


_PREDICTED: Final = ("predicted_quality", "best_predicted")


def is_only_unscanned(case: Case) -> bool:
    """Whether some pair was forbidden for failed or uncovered classes and for nothing else.

    Then the denial is the detector's, not the content's: had it covered or finished the scan,
    that pair would have met no forbid.
    """
    return any(
        verdict.effect is Effect.FORBID
        and verdict.policies
        and _UNSCANNED_POLICIES.issuperset(verdict.policies)
        and not verdict.limits
        and not verdict.errors
        for verdict in case.authorization.verdicts
    )


def _names(value: object) -> list[str]:
    """The names a record's list holds; empty where there is none."""
    return [str(name) for name in value] if isinstance(value, list | tuple) else []
