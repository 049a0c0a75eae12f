"""Whether a caller may receive an answer: `receive`, asked with the answer's own classes.

The facts are the request's own (purpose, stakes, user, capabilities) with the answer's classes in
place of the request's. As for a route, both evaluations must allow it (I5), and an error or
`NoDecision` does not (I4).
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from cedarpy import pst

from transire.authorize.effects import Answer
from transire.authorize.engine import CedarEngine
from transire.authorize.facts import FactReader
from transire.bundle.compiled import CompiledBundle
from transire.bundle.rules import actions_of
from transire.domain.authorization import Facts, Form
from transire.domain.classification import Classification
from transire.domain.ids import ApplicationId, DataClass, DeploymentId, PolicyId
from transire.domain.receiving import Reception
from transire.domain.request import RoutingRequest

__all__ = ["Receiver", "governed_applications"]

_ACTIONS: Final = frozenset({"receive", "receive_redacted"})
_NONE: Final = frozenset[DataClass]()


class Receiver:
    """Judges answers under one compiled bundle."""

    def __init__(self, compiled: CompiledBundle, reader: FactReader, engine: CedarEngine) -> None:
        self._reader = reader
        self._engine = engine
        self.applications = governed_applications(compiled, _ACTIONS)

    def judge(
        self,
        request: RoutingRequest,
        asked: tuple[Facts, Facts],
        deployment: DeploymentId,
        answer: Classification,
        *,
        is_redacted: bool,
        now: datetime,
    ) -> Reception:
        """See `domain.governed.Authorizer.receive`."""
        application = self._reader.application(request.principal).id
        form = Form.REDACTED if is_redacted else Form.RAW
        seen = self._reader.base(request, answer, form=form, now=now)
        both = list(dict.fromkeys(_of_answer(facts, seen) for facts in asked))
        return self.put(
            application, both, deployment, now, located=_located(answer), is_redacted=is_redacted
        )

    def put(
        self,
        application: ApplicationId,
        both: list[Facts],
        deployment: DeploymentId,
        now: datetime,
        *,
        located: frozenset[DataClass] = _NONE,
        is_redacted: bool = False,
    ) -> Reception:
        """What given facts lead to.

        Args:
            both: Facts of every evaluation; all of them must be allowed.
            located: Classes with findings, whose values could be replaced.
        """
        answers = self._ask(application, "receive", both, deployment, now)
        policies = _policies(answers)
        errors = tuple(sorted({error for answer in answers for error in answer.errors}))
        if all(answer.permits for answer in answers):
            return Reception(is_permitted=True, policies=policies)
        remedies = self._ask(application, "receive_redacted", both, deployment, now)
        if is_redacted or not all(remedy.permits for remedy in remedies):
            return Reception(is_permitted=False, policies=policies, errors=errors)
        return Reception(
            is_permitted=False,
            policies=policies,
            errors=errors,
            may_redact=True,
            alone=frozenset(
                name
                for name in located
                if not self._permits_alone(name, application, both, deployment, now)
            ),
        )

    def _permits_alone(
        self,
        name: DataClass,
        application: ApplicationId,
        both: Iterable[Facts],
        deployment: DeploymentId,
        now: datetime,
    ) -> bool:
        alone = [self._only(name, facts) for facts in both]
        asked = self._ask(application, "receive", alone, deployment, now)
        return all(answer.permits for answer in asked)

    def _only(self, name: DataClass, facts: Facts) -> Facts:
        """The same facts, were this the one class in the answer, and no guard's business."""
        return replace(
            facts,
            data_classes=self._reader.closed(frozenset({name})),
            failed_classes=_NONE,
            uncovered_classes=_NONE,
            reduced_classes=_NONE,
            raised_guards=frozenset(),
            failed_guards=frozenset(),
            unscanned_parts=0,
        )

    def _ask(
        self,
        application: ApplicationId,
        action: str,
        both: Iterable[Facts],
        deployment: DeploymentId,
        now: datetime,
    ) -> list[Answer]:
        return [self._engine.answer(application, action, deployment, f, now) for f in both]


def governed_applications(
    compiled: CompiledBundle, actions: frozenset[str]
) -> frozenset[ApplicationId]:
    """Applications that the scope of some rule of these actions admits.

    Conditions are not looked at: what they read is known once an answer is there.
    """
    above = {
        (row["uid"]["type"], row["uid"]["id"]): [(p["type"], p["id"]) for p in row["parents"]]
        for row in compiled.entity_rows
    }
    scopes = [
        node.principal
        for node in compiled.tree.static_policies.values()
        if actions_of(node) & actions
    ]
    return frozenset(
        name
        for name in compiled.bundle.catalog.applications
        if any(_admits(scope, ("Application", name), above) for scope in scopes)
    )


def _admits(
    scope: Any, principal: tuple[str, str], above: dict[tuple[str, str], list[tuple[str, str]]]
) -> bool:
    """Whether a scope may hold for a principal; one that we do not know holds for all."""
    if not isinstance(scope, pst.ScopeEq | pst.ScopeIn | pst.ScopeIsIn):
        return True
    entity: Any = scope.entity  # no slot: templates are refused
    named = (str(entity.type), str(entity.id))
    if isinstance(scope, pst.ScopeEq):
        return named == principal
    reached, waiting = set[tuple[str, str]](), [principal]
    while waiting:
        one = waiting.pop()
        if one not in reached:
            reached.add(one)
            waiting += above.get(one, ())
    return named in reached


def _of_answer(facts: Facts, seen: Facts) -> Facts:
    """The request's facts, with what was seen in the answer in place of its own classes."""
    return replace(
        facts,
        data_classes=seen.data_classes,
        failed_classes=seen.failed_classes,
        uncovered_classes=seen.uncovered_classes,
        reduced_classes=seen.reduced_classes,
        unscanned_parts=seen.unscanned_parts,
        raised_guards=seen.raised_guards,
        failed_guards=seen.failed_guards,
        acceptances=seen.acceptances,
        redacted=seen.redacted,
    )


def _located(answer: Classification) -> frozenset[DataClass]:
    return frozenset(finding.data_class for finding in answer.findings)


def _policies(answers: Iterable[Answer]) -> tuple[PolicyId, ...]:
    """The determining policies of those that forbid, or of all where none does."""
    answers = list(answers)
    forbidding = [answer for answer in answers if not answer.permits]
    deciding = [a for a in forbidding if not a.is_allowed] if forbidding else answers
    return tuple(sorted({PolicyId(p) for answer in deciding for p in answer.policies}))
