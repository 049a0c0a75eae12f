"""What to try next inside one attempt budget. Pure.

Retries, fallbacks and contract retries share one budget. The choice is made
among the candidates given, which are permitted *now* and await no review; whoever calls this has
narrowed them, and this only narrows further.
"""

from collections.abc import Sequence
from typing import Final

from transire.domain.authorization import Pair
from transire.domain.ranking import Candidate
from transire.errors import UpstreamError

__all__ = ["AttemptPlan"]

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
    ) -> tuple[Candidate, str] | None:
        """The best candidate not tried yet, else the best that may be retried, else None."""
        if len(history) >= budget or remaining_s < _LEAST_USEFUL_S or not history:
            return None
        last = history[-1][1]
        if last is not None and last.facts.get("failure") in _TERMINAL:
            return None
        tried = {pair.deployment for pair, _ in history}
        for candidate in candidates:
            if candidate.pair.deployment not in tried:
                return candidate, "contract" if last is None else "fallback"
        for candidate in candidates:
            if _may_retry(candidate, history):
                return candidate, "contract" if last is None else "retry"
        return None


def _may_retry(candidate: Candidate, history: Sequence[tuple[Pair, UpstreamError | None]]) -> bool:
    errors = [error for pair, error in history if pair.deployment == candidate.pair.deployment]
    if len(errors) > 1:
        return False
    only = errors[0]
    return only is None or only.facts.get("failure") in _RETRIABLE_HERE
