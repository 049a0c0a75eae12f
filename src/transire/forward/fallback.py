"""What to try next inside one attempt budget. Pure.

Retries, fallbacks, contract retries and escalations share one budget. The choice is made
among the candidates given, which are permitted *now* and await no review; whoever calls this has
narrowed them, and this only narrows further.
"""

from collections.abc import Collection, Sequence
from typing import Final

from transire.domain.authorization import Form, Pair
from transire.domain.ids import DeploymentId
from transire.domain.ranking import Candidate
from transire.errors import UpstreamError

__all__ = ["AttemptPlan", "better"]

_RETRIABLE_HERE: Final = frozenset({"connect", "timeout", "cut", "status_5xx", "stale"})
"""Failures after which the same deployment may be tried once more, if nothing else is left."""
_TERMINAL: Final = frozenset({"deadline", "quarantined"})
_LEAST_USEFUL_S: Final = 0.05


class AttemptPlan:
    """Implements `domain.ports.Attempts`."""

    def next_attempt(
        self,
        candidates: Sequence[Candidate],
        history: Sequence[tuple[Pair, UpstreamError | None]],
        *,
        budget: int,
        remaining_s: float,
        max_cost_micro_usd: int | None,
    ) -> tuple[Candidate, str] | None:
        """The best candidate not tried yet, else the best that may be retried, else None."""
        if len(history) >= budget or remaining_s < _LEAST_USEFUL_S or not history:
            return None
        last = history[-1][1]
        if last is not None and last.facts.get("failure") in _TERMINAL:
            return None
        tried = {pair.deployment for pair, _ in history}
        candidates = [c for c in candidates if _costs_at_most(c, max_cost_micro_usd)]
        for candidate in candidates:
            if candidate.pair.deployment not in tried:
                return candidate, "contract" if last is None else "fallback"
        for candidate in candidates:
            if _may_retry(candidate, history):
                return candidate, "contract" if last is None else "retry"
        return None

    def escalation(
        self,
        candidates: Sequence[Candidate],
        tried: Collection[DeploymentId],
        *,
        above_permille: int,
        left: int,
        within_ms: int,
        max_cost_micro_usd: int | None,
    ) -> Candidate | str:
        """See `domain.ports.Attempts`."""
        if left <= 0:
            return "attempts"
        above = better(candidates, tried, above_permille)
        if not above:
            return "none_better"
        in_time = [c for c in above if c.terms.latency_ms <= within_ms]
        if not in_time or within_ms < _LEAST_USEFUL_S * 1_000:
            return "deadline"
        return next((c for c in in_time if _costs_at_most(c, max_cost_micro_usd)), "max_cost")


def better(
    candidates: Sequence[Candidate], tried: Collection[DeploymentId], above_permille: int
) -> list[Candidate]:
    """Untried candidates of a higher quality, cheapest first; the same list gives the same order.

    Raw pairs stand before redacted ones (ADR 3), an unknown price behind every known one. Of two
    that cost the same the faster comes first, then the one that was ranked first.
    """
    found = [
        (candidate.pair.form is not Form.RAW, cost is None, cost or 0, latency, at)
        for at, candidate in enumerate(candidates)
        for cost, latency in [(candidate.terms.cost_micro_usd, candidate.terms.latency_ms)]
        if candidate.terms.quality_permille > above_permille
        and candidate.pair.deployment not in tried
    ]
    return [candidates[row[-1]] for row in sorted(found)]


def _costs_at_most(candidate: Candidate, bound_micro_usd: int | None) -> bool:
    worst = candidate.terms.worst_cost_micro_usd
    return bound_micro_usd is None or (worst is not None and worst <= bound_micro_usd)


def _may_retry(candidate: Candidate, history: Sequence[tuple[Pair, UpstreamError | None]]) -> bool:
    errors = [error for pair, error in history if pair.deployment == candidate.pair.deployment]
    if len(errors) > 1:
        return False
    only = errors[0]
    return only is None or only.facts.get("failure") in _RETRIABLE_HERE
