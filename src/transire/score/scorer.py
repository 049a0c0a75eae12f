"""The scorer of one bundle: gathers facts and observations, then calls the pure `rank`."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from transire.domain.authorization import Authorization, Pair, Verdict
from transire.domain.bundle import Bundle, RoutingRules
from transire.domain.classification import Classification
from transire.domain.deployment import Deployment
from transire.domain.ids import DeploymentId
from transire.domain.ranking import Ranking
from transire.domain.request import Body, Principal, RoutingRequest
from transire.score.estimate import Question, ask
from transire.score.health import FleetHealth
from transire.score.quality.share import DearerShare
from transire.score.rank import Contender, Preference, order, rank

__all__ = ["ALGORITHM", "DEFAULT_TARGET_MS", "BundleScorer", "preference_of"]

ALGORITHM: Final = "cheapest-meeting-target/6"
"""Grows with every change that could rank recorded inputs differently (I8)."""

_MOVED: Final = ("predicted_quality", "best_predicted")
"""Reasons why something else than the cheapest in time was picked for what it is expected to do."""

_MOST_KNOWN: Final = 256
"""Permitted sets remembered; fewer than the policy stage does."""

DEFAULT_TARGET_MS: Final = 10_000
"""Target of a task for which `routing.yaml` names none, not even under `default`."""


def _all(_: Principal) -> None:
    """No budget counts anybody's requests."""


class BundleScorer:
    """Implements `domain.governed.Scorer`. Reads memory only: health, its clock, and `left`.

    Args:
        left: Micro-USD that are left of the tightest budget that counts somebody's requests; None
            where none does.
    """

    def __init__(
        self, bundle: Bundle, health: FleetHealth, left: Callable[[Principal], int | None] = _all
    ) -> None:
        self._deployments = bundle.catalog.deployments
        self._rules = bundle.routing
        self._health = health
        self._left = left
        self._metered = frozenset(d.id for d in self._deployments.values() if d.is_metered)
        self._digest = _digest(self._rules)
        self._dearer = DearerShare(self._rules.dearer_permille)
        self._known: dict[str, tuple[tuple[Verdict, ...], list[tuple[Verdict, Deployment]]]] = {}

    @property
    def digest(self) -> str:
        """Names algorithm, constants and the bundle's routing rules (hex)."""
        return self._digest

    def rank(
        self,
        request: RoutingRequest,
        classification: Classification,
        permitted: Authorization,
        *,
        exclude: frozenset[Pair],
        seed: int,
    ) -> Ranking:
        """Filter and order `permitted.permitted` minus `exclude`."""
        question = ask(request, classification, self._rules, self._left(request.principal))
        preference = preference_of(
            self._rules,
            classification.signals.task,
            seed,
            None if request.session is None else request.session.deployment,
        )
        contenders = self._contenders(request.body, permitted, exclude, seed)
        trial = request.trial
        if trial is None or not (trial.only or trial.prefer):
            return self._scored(request, question, contenders, preference)
        preference = replace(preference, preferred=trial.prefer)
        if trial.only:  # unless none of them survives the filters
            kept = [c for c in contenders if c.deployment.id in trial.only]
            ranking = self._scored(request, question, kept, preference)
            if ranking.candidates:
                return ranking
        return self._scored(request, question, contenders, preference)

    def _scored(
        self,
        request: RoutingRequest,
        question: Question,
        contenders: Sequence[Contender],
        preference: Preference,
    ) -> Ranking:
        if question.gains is None:
            return rank(question, contenders, preference, self._digest)
        return self._predicted(request, question, contenders, preference)

    def _predicted(
        self,
        request: RoutingRequest,
        question: Question,
        contenders: Sequence[Contender],
        preference: Preference,
    ) -> Ranking:
        """The ranking in which predictions count, as long as the key may be moved by them."""
        wanting = replace(preference, quality_target_permille=question.quality_target_permille)
        ranking = rank(question, contenders, wanting, self._digest)
        moves = ranking.reason in _MOVED
        may = self._dearer.asked(request.principal.key_id, request.id, moves=moves)
        if may or not moves:
            return ranking
        candidates, reason = order(ranking.candidates, preference)
        return replace(ranking, candidates=candidates, reason=reason, quality_target_permille=None)

    def _contenders(
        self, body: Body, permitted: Authorization, exclude: frozenset[Pair], seed: int
    ) -> list[Contender]:
        now = self._health.monotonic()
        resting, metered = self._resting_groups(now), self._metered
        tokens = body.usual_tokens(self._rules.expected_output_tokens) if metered else 0
        new = tuple.__new__  # as in `estimate.estimator`
        contenders: list[Contender] = []
        for verdict, deployment in self._paired(permitted):
            if exclude and verdict.pair in exclude:
                continue
            observed = self._health.seen(deployment.id, now, seed)
            in_quota = not resting or deployment.quota_group not in resting
            if metered and in_quota and deployment.id in metered:
                in_quota = self._health.has_room(deployment, now, tokens)
            contenders.append(new(Contender, (verdict, deployment, observed, in_quota)))
        return contenders

    def _paired(self, permitted: Authorization) -> list[tuple[Verdict, Deployment]]:
        """The permitted set with its deployments; the policy stage remembers it, and so do we.

        A verdict on a deployment this catalog does not hold (an older bundle's) is dropped.
        """
        verdicts, digest = permitted.verdicts, permitted.evaluation_digest
        known = self._known.get(digest)
        if known is not None and known[0] is verdicts:  # a narrowed set has another's digest
            return known[1]
        deployments = self._deployments
        pairs = [(v, deployments.get(v.pair.deployment)) for v in permitted.permitted]
        paired = [(v, deployment) for v, deployment in pairs if deployment is not None]
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[digest] = verdicts, paired
        return paired

    def _resting_groups(self, now: float) -> frozenset[str]:
        """Quota groups in which some deployment was told to wait: all of the group waits."""
        return frozenset(
            self._deployments[deployment].quota_group
            for deployment in self._health.resting(now)
            if deployment in self._deployments
        )


def preference_of(
    rules: RoutingRules, task: str, seed: int, sticky: DeploymentId | None = None
) -> Preference:
    """The preference that the bundle's rules give one task, and a session one deployment."""
    targets = rules.latency_target_ms
    target = targets.get(task, targets.get("default", DEFAULT_TARGET_MS))
    return Preference(
        target_ms=target, near_tie_permille=rules.near_tie_permille, seed=seed, sticky=sticky
    )


def _digest(rules: RoutingRules) -> str:
    model = rules.quality_model
    configuration = {
        "algorithm": ALGORITHM,
        "default_target_ms": DEFAULT_TARGET_MS,
        "expected_output_tokens": rules.expected_output_tokens,
        "near_tie_permille": rules.near_tie_permille,
        "latency_target_ms": dict(rules.latency_target_ms),
        "task_quality_floor_permille": dict(rules.task_quality_floor_permille),
        "task_quality_target_permille": dict(rules.task_quality_target_permille),
        "quality_model": None if model is None else model.sha256,
        "dearer_permille": rules.dearer_permille,
    }
    canonical = json.dumps(configuration, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(canonical).hexdigest()
