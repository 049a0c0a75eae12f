"""Whether a copy of a request may go to a shadow, its texts to a moderator, its answer to a judge.

The actions are `shadow`, `moderate` and `judge`.

As for a route, both evaluations must allow it (I5), and an error or `NoDecision` does not (I4). A
permit counts only where its scope names the action: one that names none, or all of `dispatch`,
grants what there was when it was written. A forbid of a route binds these as well, whether it
names the action or not: what a rule keeps from a deployment, or puts before a person, is not shown
to it by the back door. That nothing grants the route is no reason against: a shadow is tried before
it may answer, and neither a moderator nor a judge answers anybody.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from transire.authorize.effects import Answer
from transire.authorize.engine import CedarEngine
from transire.authorize.memo import Memo
from transire.authorize.receiving import governed_applications
from transire.bundle.compiled import CompiledBundle
from transire.bundle.rules import actions_of
from transire.domain.authorization import Facts
from transire.domain.ids import ApplicationId, DeploymentId, PolicyId

__all__ = ["ShadowPolicy"]

_SHADOW: Final = "shadow"
_MEMO_SIZE: Final = 2_048


class ShadowPolicy:
    """Judges under one compiled bundle.

    Args:
        action: `shadow`, `moderate` or `judge`.
    """

    def __init__(
        self, compiled: CompiledBundle, engine: CedarEngine, action: str = _SHADOW
    ) -> None:
        self._engine = engine
        self._action = action
        self._named = frozenset(
            PolicyId(name)
            for name, node in compiled.tree.static_policies.items()
            if node.effect == "permit" and action in actions_of(node)
        )
        scoped = governed_applications(compiled, frozenset({action}))
        self.applications = scoped if self._named else frozenset[ApplicationId]()
        self._memo: Memo[tuple[PolicyId, ...]] = Memo(_MEMO_SIZE)

    def put(
        self,
        application: ApplicationId,
        both: Iterable[Facts],
        deployment: DeploymentId,
        now: datetime,
    ) -> tuple[PolicyId, ...]:
        """The determining policies where every evaluation permits it; none where one does not."""
        if application not in self.applications:
            return ()
        judged = self._engine.judged(now)
        distinct = tuple(dict.fromkeys(both))
        key = (deployment, *(self._engine.key(application, facts, judged) for facts in distinct))
        known = self._memo.recall(key)
        if known is not None:
            return known
        return self._memo.remember(key, self._put(application, distinct, deployment, judged))

    def _put(
        self,
        application: ApplicationId,
        both: Iterable[Facts],
        deployment: DeploymentId,
        now: datetime,
    ) -> tuple[PolicyId, ...]:
        found: set[PolicyId] = set()
        for facts in both:
            answer = self._engine.answer(application, self._action, deployment, facts, now)
            policies = set(map(PolicyId, answer.policies))
            if not answer.permits or not policies & self._named:
                return ()
            if self._is_withheld(application, deployment, facts, now):
                return ()
            found |= policies
        return tuple(sorted(found))

    def _is_withheld(
        self, application: ApplicationId, deployment: DeploymentId, facts: Facts, now: datetime
    ) -> bool:
        """Whether a rule keeps this from the deployment, or a person has to release it first."""
        route, unreviewed = (
            self._engine.answer(application, action, deployment, facts, now)
            for action in ("route", "route_unreviewed")
        )
        is_held = route.is_allowed and not unreviewed.is_allowed
        return is_held or _forbids(route) or _forbids(unreviewed)


def _forbids(answer: Answer) -> bool:
    """Whether a rule says no, or could not say; that none says yes is not one that says no."""
    if answer.errors or not answer.is_decided:
        return True
    return not answer.is_allowed and bool(answer.policies)
