"""What policy says of every pair (moderator, raw or redacted), before a route is judged.

Guards had no say yet: the facts are the request's without theirs, so what a guard says of a request
cannot depend on what a guard said. A caller's limits narrow as they narrow routes, but for `model`:
that names who is to answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from transire.authorize.engine import CedarEngine
from transire.authorize.evaluation import Assembled, assemble_verdicts
from transire.authorize.narrowing import Limits
from transire.authorize.shadowing import ShadowPolicy
from transire.bundle.compiled import CompiledBundle
from transire.domain.authorization import Authorization, Effect, Facts, Form, Pair, Verdict
from transire.domain.bundle import Quarantine
from transire.domain.ids import ApplicationId, TenantId
from transire.domain.request import Assertions

__all__ = ["ModerationPolicy", "unguarded"]


class ModerationPolicy:
    """Judges under one compiled bundle."""

    def __init__(self, compiled: CompiledBundle, engine: CedarEngine) -> None:
        self._bundle = compiled.bundle
        self._engine = engine
        self._asking = ShadowPolicy(compiled, engine, "moderate")
        self.put = self._asking.put

    def assemble(
        self,
        application: ApplicationId,
        tenant: TenantId,
        facts: Mapping[Form, tuple[Facts, Facts]],
        assertions: Assertions,
        *,
        quarantine: Quarantine,
        now: datetime,
    ) -> Authorization:
        """See `CedarAuthorizer.assemble`, of moderators; replay starts here (I8)."""
        judged = self._engine.judged(now)
        facts = {form: (unguarded(base), unguarded(said)) for form, (base, said) in facts.items()}
        limits = Limits.of(tenant, replace(assertions, models=None), quarantine)
        known: Assembled = assemble_verdicts(self._verdicts(application, facts, limits, judged))
        return Authorization(
            verdicts=known.verdicts,
            facts=facts,
            bundle_digest=self._bundle.digest,
            quarantine_version=quarantine.version,
            evaluated_at=judged,
            evaluation=known.evaluation,
            evaluation_digest=known.digest,
        )

    def _verdicts(
        self,
        application: ApplicationId,
        facts: Mapping[Form, tuple[Facts, Facts]],
        limits: Limits,
        judged: datetime,
    ) -> Iterator[Verdict]:
        for form, both in facts.items():
            for name, moderator in self._bundle.catalog.moderators.items():
                policies = self._asking.put(application, both, name, judged)
                found = limits.on(moderator.deployment, form, self._bundle.taxonomy)
                is_permitted = bool(policies) and not found
                yield Verdict(
                    pair=Pair(deployment=name, form=form),
                    effect=Effect.PERMIT if is_permitted else Effect.FORBID,
                    policies=policies,
                    limits=found,
                )


def unguarded(facts: Facts) -> Facts:
    """The facts before any guard had a say; the same object where none had."""
    if not facts.raised_guards and not facts.failed_guards:
        return facts
    return replace(facts, raised_guards=frozenset(), failed_guards=frozenset())
