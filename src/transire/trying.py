"""Ranking with an experiment, or without one. Pure but for the port that draws.

INVARIANT (I2): the permitted set is known before anything is drawn, and is the same whatever is.
Nobody takes part whose pick waits for a person: then it is ranked as if there were no experiment.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from transire.domain.authorization import Authorization, Pair
from transire.domain.classification import Classification
from transire.domain.experiment import Trials
from transire.domain.governed import Governed
from transire.domain.ranking import Ranking
from transire.domain.request import RoutingRequest
from transire.domain.trial import Trial
from transire.picks import seed_of

__all__ = ["ranked"]

_HEALTH: Final = "health"
"""The filter that says of a deployment that it fails."""


def ranked(
    request: RoutingRequest,
    classification: Classification,
    authorization: Authorization,
    governed: Governed,
    trials: Trials,
    passed: Mapping[Pair, str],
) -> tuple[RoutingRequest, Ranking]:
    """The request as it is tried, and its ranking.

    Args:
        passed: Pair → the filter that it failed only when it was about to be attempted.
    """

    def rank(asked: RoutingRequest) -> Ranking:
        return governed.scorer.rank(
            asked, classification, authorization, exclude=frozenset(passed), seed=seed_of(asked)
        ).passing(passed, authorization)

    if governed.bundle.experiments:
        tried = trials.assigned(request, classification, authorization, governed)
        if tried.trial is not None:
            ranking = rank(tried)
            if ranking.candidates and not ranking.candidates[0].verdict.queues:
                return _seen(tried, tried.trial, ranking), ranking
    return request, rank(request)


def _seen(request: RoutingRequest, trial: Trial, ranking: Ranking) -> RoutingRequest:
    """The request, its trial knowing whether the variant's own deployments are down.

    Otherwise the breaker would speak for them: requests go elsewhere, fare well there, and a
    variant whose deployment is dead looks as good as control.
    """
    own = trial.prefer | trial.only
    if not own or ranking.candidates[0].pair.deployment in own:
        return request
    if not any(pair.deployment in own and by == _HEALTH for pair, by in ranking.filtered):
        return request
    return replace(request, trial=replace(trial, is_unwell=True))
