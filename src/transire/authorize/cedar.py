"""The stage: every pair, evaluated without and with assertions, the stricter result kept.

INVARIANT (I5): a verdict is `stricter(base, asserted)` and then narrowed; nothing here can turn a
FORBID of the base evaluation into a PERMIT.
INVARIANT (I4): errors and `NoDecision` deny (`effects.combine`); an exception refuses the request.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from transire.authorize.effects import Evaluation, stricter
from transire.authorize.engine import CedarEngine, Evaluations, ask
from transire.authorize.facts import (
    application_of,
    asserted_facts,
    base_facts,
    check_assertions,
)
from transire.authorize.memo import Memo, to_cedar_time
from transire.bundle.compiled import CompiledBundle
from transire.bundle.entities import datetime_value, uid
from transire.domain.bundle import Bundle, Quarantine
from transire.domain.decision import (
    Authorization,
    Classification,
    Effect,
    Facts,
    Form,
    Obligation,
    Pair,
    Redaction,
    Verdict,
)
from transire.domain.deployment import Deployment, DeploymentState
from transire.domain.ids import ApplicationId, DeploymentId, TenantId
from transire.domain.request import Assertions, RoutingRequest

__all__ = ["CedarAuthorizer"]

_MEMO_SIZE: Final = 2_048


@dataclass(frozen=True, slots=True)
class _Assembled:
    verdicts: tuple[Verdict, ...]
    evaluation: bytes
    digest: str


class CedarAuthorizer:
    """Implements `domain.ports.Authorizer` for one compiled bundle."""

    def __init__(self, compiled: CompiledBundle) -> None:
        self._compiled = compiled
        self._bundle = compiled.bundle
        self._engine = CedarEngine(compiled)
        self._assembled: Memo[_Assembled] = Memo(_MEMO_SIZE)

    def authorize(
        self,
        request: RoutingRequest,
        classification: Classification,
        redaction: Redaction | None,
        *,
        quarantine: Quarantine,
        now: datetime,
    ) -> Authorization:
        """See `domain.ports.Authorizer`."""
        check_assertions(request, self._bundle)
        application = application_of(request.principal, self._bundle)
        facts: dict[Form, tuple[Facts, Facts]] = {}
        seen = [(Form.RAW, classification)]
        if redaction is not None:
            seen.append((Form.REDACTED, redaction.classification))
        for form, judged in seen:
            base = base_facts(request, judged, self._bundle, form=form, now=now)
            facts[form] = (base, asserted_facts(base, request, self._bundle))
        return self.assemble(
            application.id,
            application.tenant,
            facts,
            request.assertions,
            quarantine=quarantine,
            now=now,
        )

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
        """The authorization that given facts lead to; replay starts here (DESIGN I8)."""
        now = to_cedar_time(now)
        window = self._engine.window(now)
        key = (
            application,
            tuple(facts.items()),
            window,
            quarantine.version,
            assertions.models,
            assertions.jurisdictions,
            assertions.redaction,
        )
        known = self._assembled.get(key) if window is not None else None
        is_hit = known is not None
        if known is None:
            known = self._assemble(application, tenant, facts, assertions, quarantine, now)
            if window is not None:
                self._assembled.remember(key, known)
        return Authorization(
            verdicts=known.verdicts,
            facts=facts,
            bundle_digest=self._bundle.digest,
            quarantine_version=quarantine.version,
            evaluated_at=now,
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
            name: _verdict(Pair(deployment=name, form=form), evaluation, ())
            for name, evaluation in evaluations.items()
        }

    def allows(  # noqa: D102 - the port's docstring says it
        self,
        person: str,
        action: str,
        resource: Mapping[str, Any],
        *,
        now: datetime,
        solo: bool = False,
    ) -> bool:
        if ("User", person) not in self._compiled.entity_ids:
            return False
        return self._allows(uid("User", person), action, resource, now=now, solo=solo)

    def allows_application(
        self, application: str, action: str, resource: Mapping[str, Any], *, now: datetime
    ) -> bool:
        """Whether Cedar allows an application's own act (`explain`)."""
        if ("Application", application) not in self._compiled.entity_ids:
            return False
        return self._allows(uid("Application", application), action, resource, now=now, solo=None)

    def _allows(
        self,
        principal: Mapping[str, str],
        action: str,
        resource: Mapping[str, Any],
        *,
        now: datetime,
        solo: bool | None,
    ) -> bool:
        entities = self._compiled.entities
        if "attrs" in resource:
            row = {
                "uid": uid(resource["type"], resource["id"]),
                "attrs": resource["attrs"],
                "parents": list(resource.get("parents", ())),
            }
            try:
                entities = entities.with_added_json_str(
                    orjson.dumps([row]).decode(), self._compiled.schema
                )
            except ValueError:
                return False  # an entity that does not fit the schema allows nothing
        elif (resource["type"], resource["id"]) not in self._compiled.entity_ids:
            return False
        context: dict[str, Any] = {"now": datetime_value(now)}
        if solo is not None and action not in ("read_audit", "explain"):
            context["solo"] = solo
        request = {
            "principal": dict(principal),
            "action": uid("Action", action),
            "resource": uid(resource["type"], resource["id"]),
            "context": orjson.dumps(context).decode(),
        }
        answer = ask([request], self._compiled.policies, entities, self._compiled.schema)[0]
        return answer.is_allowed and answer.is_decided and not answer.errors

    def _assemble(
        self,
        application: ApplicationId,
        tenant: TenantId,
        facts: Mapping[Form, tuple[Facts, Facts]],
        assertions: Assertions,
        quarantine: Quarantine,
        now: datetime,
    ) -> _Assembled:
        verdicts: list[Verdict] = []
        for form, (base, asserted) in facts.items():
            first, _ = self._engine.evaluate(application, base, now)
            second = first if asserted is base else self._second(application, asserted, now)
            for name, deployment in self._bundle.catalog.deployments.items():
                limits = _limits(deployment, form, tenant, assertions, quarantine, self._bundle)
                verdicts.append(
                    _verdict(
                        Pair(deployment=name, form=form),
                        stricter(first[name], second[name]),
                        limits,
                    )
                )
        verdicts.sort(key=lambda verdict: verdict.pair)
        evaluation = orjson.dumps([_row(v) for v in verdicts], option=orjson.OPT_SORT_KEYS)
        return _Assembled(tuple(verdicts), evaluation, hashlib.sha256(evaluation).hexdigest())

    def _second(self, application: ApplicationId, facts: Facts, now: datetime) -> Evaluations:
        return self._engine.evaluate(application, facts, now)[0]


def _limits(
    deployment: Deployment,
    form: Form,
    tenant: TenantId,
    assertions: Assertions,
    quarantine: Quarantine,
    bundle: Bundle,
) -> tuple[str, ...]:
    """What narrows a pair besides Cedar, sorted; each only ever takes away."""
    limits = []
    if assertions.models is not None and deployment.id not in assertions.models:
        limits.append("asserted.model")
    if assertions.jurisdictions:
        within = bundle.taxonomy.common_jurisdictions(deployment.regions)
        if not within & assertions.jurisdictions:
            limits.append("asserted.jurisdiction")
    if assertions.redaction == ("require" if form is Form.RAW else "forbid"):
        limits.append("asserted.redaction")
    if quarantine.blocks(deployment, tenant):
        limits.append("quarantine")
    if deployment.state is not DeploymentState.ACTIVE:
        limits.append("state")
    return tuple(limits)


def _verdict(pair: Pair, evaluation: Evaluation, limits: tuple[str, ...]) -> Verdict:
    obligations = evaluation.obligations
    if pair.form is Form.REDACTED and evaluation.effect is Effect.PERMIT:
        obligations = tuple(sorted((*obligations, Obligation(kind="redact"))))
    return Verdict(
        pair=pair,
        effect=Effect.FORBID if limits else evaluation.effect,
        obligations=() if limits else obligations,
        policies=evaluation.policies,
        limits=limits,
        errors=evaluation.errors,
    )


def _row(verdict: Verdict) -> dict[str, Any]:
    return {
        "deployment": verdict.pair.deployment,
        "form": verdict.pair.form,
        "effect": verdict.effect,
        "policies": verdict.policies,
        "obligations": [
            {"kind": o.kind, "queue": o.queue, "policy": o.policy} for o in verdict.obligations
        ],
        "limits": verdict.limits,
        "errors": verdict.errors,
    }
