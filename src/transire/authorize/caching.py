"""Whether answers to an application's requests may be kept and given again: the action `cache`.

As for a route, both evaluations must allow it (I5), and an error or `NoDecision` does not (I4). A
permit counts only where its scope names `cache`: one that names no action grants everything there
was when it was written, and keeping answers was not among it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from transire.authorize.engine import CedarEngine
from transire.authorize.receiving import governed_applications
from transire.bundle.compiled import CompiledBundle
from transire.bundle.rules import actions_of
from transire.domain.authorization import Facts
from transire.domain.ids import ApplicationId, DeploymentId, PolicyId

__all__ = ["CachePolicy"]

_ACTION: Final = "cache"


class CachePolicy:
    """Judges under one compiled bundle."""

    def __init__(self, compiled: CompiledBundle, engine: CedarEngine) -> None:
        self._engine = engine
        self._named = frozenset(
            PolicyId(name)
            for name, node in compiled.tree.static_policies.items()
            if node.effect == "permit" and _ACTION in actions_of(node)
        )
        scoped = governed_applications(compiled, frozenset({_ACTION}))
        self.applications = scoped if self._named else frozenset[ApplicationId]()

    def put(
        self,
        application: ApplicationId,
        both: Iterable[Facts],
        deployment: DeploymentId,
        now: datetime,
    ) -> tuple[PolicyId, ...]:
        """The determining policies where every evaluation permits it; none where one does not."""
        found: set[PolicyId] = set()
        for facts in dict.fromkeys(both):
            answer = self._engine.answer(application, _ACTION, deployment, facts, now)
            policies = set(map(PolicyId, answer.policies))
            if not answer.permits or not policies & self._named:
                return ()
            found |= policies
        return tuple(sorted(found))
