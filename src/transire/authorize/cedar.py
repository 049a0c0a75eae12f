"""The stage: every pair, evaluated without and with assertions, the stricter result kept.

INVARIANT (I5): a verdict is `stricter(base, asserted)` and then narrowed; nothing here can turn a
FORBID of the base evaluation into a PERMIT.
INVARIANT (I4): errors and `NoDecision` deny (`effects.combine`); an exception refuses the request.
INVARIANT (I2): every deployment of the catalog has a verdict; none is permitted by being left out.
"""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from transire.authorize.acts import may_act
from transire.authorize.caching import CachePolicy
from transire.authorize.effects import stricter
from transire.authorize.engine import CedarEngine
from transire.authorize.evaluation import Assembled, assemble_verdicts, verdict_of
from transire.authorize.facts import FactReader
from transire.authorize.judging import united_facts
from transire.authorize.memo import Memo
from transire.authorize.moderating import ModerationPolicy, unguarded
from transire.authorize.narrowing import Limits
from transire.authorize.receiving import Receiver
from transire.authorize.shadowing import ShadowPolicy
from transire.bundle.compiled import CompiledBundle
from transire.domain.authorization import Authorization, Facts, Form, Pair, Verdict
from transire.domain.bundle import Quarantine
from transire.domain.classification import Classification, Redaction
from transire.domain.deployment import Application
from transire.domain.ids import ApplicationId, DeploymentId, PolicyId, TenantId
from transire.domain.receiving import Reception
from transire.domain.request import Assertions, RoutingRequest
from transire.domain.session import Session

__all__ = ["CedarAuthorizer"]

_MEMO_ROWS: Final = 50_000
"""Verdicts remembered in all, each with its row of the evaluation: about 20 MB."""
_MEMO_SIZE: Final = 2_048
_MEMO_FLOOR: Final = 16
_NO_SESSION: Final = Session(digest="")


class CedarAuthorizer:
    """Implements `domain.governed.Authorizer` for one compiled bundle."""

    def __init__(self, compiled: CompiledBundle) -> None:
        self._compiled = compiled
        self._bundle = compiled.bundle
        self._reader = FactReader(compiled.bundle)
        self._engine = CedarEngine(compiled)
        self._receiver = Receiver(compiled, self._reader, self._engine)
        self._caching = CachePolicy(compiled, self._engine)
        self._shadowing = ShadowPolicy(compiled, self._engine)
        self._judging = ShadowPolicy(compiled, self._engine, "judge")
        self._moderating = ModerationPolicy(compiled, self._engine)
        self._pairs = {
            form: [Pair(deployment=name, form=form) for name in self._deployments] for form in Form
        }
        rows = len(Form) * len(self._deployments)
        size = min(_MEMO_SIZE, max(_MEMO_ROWS // max(rows, 1), _MEMO_FLOOR))
        self._assembled: Memo[Assembled] = Memo(size)
        self._acts: Memo[bool] = Memo(_MEMO_SIZE)

    def authorize(
        self,
        request: RoutingRequest,
        classification: Classification,
        redaction: Redaction | None,
        *,
        quarantine: Quarantine,
        now: datetime,
    ) -> Authorization:
        """See `domain.governed.Authorizer`."""
        application, facts = self._facts(request, classification, redaction, now)
        return self.assemble(
            application.id,
            application.tenant,
            facts,
            request.assertions,
            quarantine=quarantine,
            now=now,
        )

    def moderation(  # noqa: D102 - the port's docstring says it
        self,
        request: RoutingRequest,
        classification: Classification,
        redaction: Redaction | None,
        *,
        quarantine: Quarantine,
        now: datetime,
    ) -> Authorization:
        application, facts = self._facts(request, classification, redaction, now)
        return self.assemble_moderation(
            application.id,
            application.tenant,
            facts,
            request.assertions,
            quarantine=quarantine,
            now=now,
        )

    def assemble_moderation(
        self,
        application: ApplicationId,
        tenant: TenantId,
        facts: Mapping[Form, tuple[Facts, Facts]],
        assertions: Assertions,
        *,
        quarantine: Quarantine,
        now: datetime,
    ) -> Authorization:
        """What given facts lead to, of moderators; as `assemble`."""
        put = self._moderating.assemble
        return put(application, tenant, facts, assertions, quarantine=quarantine, now=now)

    def _facts(
        self,
        request: RoutingRequest,
        classification: Classification,
        redaction: Redaction | None,
        now: datetime,
    ) -> tuple[Application, Mapping[Form, tuple[Facts, Facts]]]:
        """Who asks, and (base, asserted) facts by form."""
        reader, assertions = self._reader, request.assertions
        application = reader.application(request.principal)
        reader.check(assertions, application)
        base = reader.base(request, classification, form=Form.RAW, now=now)
        session = request.session or _NO_SESSION
        facts = {Form.RAW: (base, reader.asserted(base, assertions, session.raw))}
        # Redaction is a right of the catalog's; a redacted form that nobody allowed is not judged.
        if redaction is not None and application.redaction:
            residual = reader.base(request, redaction.classification, form=Form.REDACTED, now=now)
            residual = reader.redacted(residual, classification, base)
            facts[Form.REDACTED] = (
                residual,
                reader.asserted(residual, assertions, session.redacted),
            )
        return application, facts

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
        """The authorization that given facts lead to; replay starts here (I8).

        Args:
            facts: (base, asserted) by form, of this request or as its entry recorded them.
            assertions: Read for what only narrows: models, jurisdictions, redaction.
            now: For a replay, the recorded `evaluated_at`.
        """
        judged = self._engine.judged(now)
        limits = Limits.of(tenant, assertions, quarantine)
        key = self._key(application, facts, limits, judged)
        known = self._assembled.recall(key)
        is_hit = known is not None
        if known is None:
            known, is_hit = self._assemble(application, facts, limits, judged)
            self._assembled.remember(key, known)
        return Authorization(
            verdicts=known.verdicts,
            facts=facts,
            bundle_digest=self._bundle.digest,
            quarantine_version=quarantine.version,
            evaluated_at=judged,
            evaluation=known.evaluation,
            evaluation_digest=known.digest,
            is_memo_hit=is_hit,
        )

    def verdicts(
        self, application: ApplicationId, facts: Facts, now: datetime
    ) -> Mapping[DeploymentId, Verdict]:
        """One evaluation of every deployment, for policy tests; nothing narrowed."""
        evaluations, _ = self._engine.evaluate(application, facts, now)
        form = Form.REDACTED if facts.redacted else Form.RAW
        return {
            p.deployment: verdict_of(p, evaluations[p.deployment], ()) for p in self._pairs[form]
        }

    def judges_answers(self, application: ApplicationId | None) -> bool:
        """See `domain.governed.Authorizer`."""
        return application in self._receiver.applications

    def receive(  # noqa: D102 - the port's docstring says it
        self,
        request: RoutingRequest,
        asked: tuple[Facts, Facts],
        deployment: DeploymentId,
        answer: Classification,
        *,
        is_redacted: bool,
        now: datetime,
    ) -> Reception:
        return self._receiver.judge(
            request, asked, deployment, answer, is_redacted=is_redacted, now=now
        )

    def reception(
        self, application: ApplicationId, facts: Facts, deployment: DeploymentId, now: datetime
    ) -> Reception:
        """What one set of facts leads to, for policy tests."""
        put = self._receiver.put
        return put(application, [facts], deployment, now, is_redacted=facts.redacted)

    def caches(self, application: ApplicationId) -> bool:
        """See `domain.governed.Authorizer`."""
        return application in self._caching.applications

    def cache(
        self,
        application: ApplicationId,
        asked: tuple[Facts, Facts],
        deployment: DeploymentId,
        *,
        now: datetime,
    ) -> tuple[PolicyId, ...]:
        """See `domain.governed.Authorizer`."""
        return self._caching.put(application, asked, deployment, now)

    def shadow(
        self,
        application: ApplicationId,
        asked: tuple[Facts, Facts],
        deployment: DeploymentId,
        *,
        now: datetime,
    ) -> tuple[PolicyId, ...]:
        """See `domain.governed.Authorizer`."""
        return self._shadowing.put(application, asked, deployment, now)

    def judge(
        self,
        application: ApplicationId,
        asked: tuple[Facts, Facts],
        deployment: DeploymentId,
        *,
        now: datetime,
    ) -> tuple[PolicyId, ...]:
        """See `domain.governed.Authorizer`."""
        return self._judging.put(application, asked, deployment, now)

    def judging(  # noqa: D102 - the port's docstring says it
        self,
        request: RoutingRequest,
        classification: Classification,
        redaction: Redaction | None,
        *,
        beside: Mapping[Form, tuple[Facts, Facts]],
        quarantine: Quarantine,
        now: datetime,
    ) -> Authorization:
        application, facts = self._facts(request, classification, redaction, now)
        return self.assemble(
            application.id,
            application.tenant,
            united_facts(facts, beside, self._bundle.taxonomy),
            replace(request.assertions, models=None),
            quarantine=quarantine,
            now=now,
        )

    def moderate(
        self, application: ApplicationId, facts: Facts, deployment: DeploymentId, now: datetime
    ) -> tuple[PolicyId, ...]:
        """The rules that let texts with these facts go to a moderator, for policy tests."""
        return self._moderating.put(application, [unguarded(facts)], deployment, now)

    def allows(  # noqa: D102 - the port's docstring says it
        self,
        person: str,
        action: str,
        resource: Mapping[str, Any],
        *,
        now: datetime,
        solo: bool = False,
    ) -> bool:
        return may_act(self._compiled, ("User", person), action, resource, now=now, solo=solo)

    def allows_application(
        self, application: str, action: str, resource: Mapping[str, Any], *, now: datetime
    ) -> bool:
        """Whether Cedar allows an application's own act (`explain`) on an entity of the registry.

        Remembered: rules, registry and the moment's place among the bundle's instants are all
        that such an answer depends on.
        """
        kind, name = resource["type"], resource["id"]
        judged = self._engine.judged(now)
        key = (application, action, kind, name, self._engine.window(judged))
        known = self._acts.recall(key)
        if known is None:
            known = may_act(
                self._compiled,
                ("Application", application),
                action,
                {"type": kind, "id": name},
                now=judged,
            )
            self._acts.remember(key, known)
        return known

    @property
    def _deployments(self) -> Mapping[DeploymentId, Any]:
        return self._bundle.catalog.deployments

    def _key(
        self,
        application: ApplicationId,
        facts: Mapping[Form, tuple[Facts, Facts]],
        limits: Limits,
        judged: datetime,
    ) -> Hashable:
        """Sufficient: each evaluation's own key, and everything beside Cedar that narrows."""
        ask_key = self._engine.key
        key: list[Hashable] = [limits]
        for form, (base, asserted) in facts.items():
            first = ask_key(application, base, judged)
            second = first if asserted is base else ask_key(application, asserted, judged)
            key += (form, first, second)
        return tuple(key)

    def _assemble(
        self,
        application: ApplicationId,
        facts: Mapping[Form, tuple[Facts, Facts]],
        limits: Limits,
        judged: datetime,
    ) -> tuple[Assembled, bool]:
        """The verdicts, and whether Cedar had nothing to be asked."""
        verdicts: list[Verdict] = []
        is_hit = True
        for form, (base, asserted) in facts.items():
            first, is_first_known = self._engine.evaluate(application, base, judged)
            second, is_second_known = self._engine.evaluate(application, asserted, judged)
            is_hit = is_hit and is_first_known and is_second_known
            for pair in self._pairs[form]:
                name = pair.deployment
                found = limits.on(self._deployments[name], form, self._bundle.taxonomy)
                verdicts.append(verdict_of(pair, stricter(first[name], second[name]), found))
        return assemble_verdicts(verdicts), is_hit
