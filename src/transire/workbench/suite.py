"""One test file: its names resolved, its cells asked. A cell not listed must be denied."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from typing import Any, Final, Protocol

from transire.bundle.entities import INSTALLATION, reference
from transire.bundle.yamlread import Document
from transire.domain.authorization import Facts, Verdict
from transire.domain.bundle import Bundle
from transire.domain.guarding import Guard
from transire.domain.ids import (
    ApplicationId,
    DataClass,
    DeploymentId,
    Jurisdiction,
    PolicyId,
    Purpose,
    Stakes,
)
from transire.workbench.answers import AnswerAuthorizer, answer_difference, received
from transire.workbench.expect import determining_policies, difference, spelled
from transire.workbench.openings import OpeningAuthorizer, opening_difference
from transire.workbench.testfile import (
    ActCase,
    AnswerCase,
    CacheCase,
    Expectation,
    FactsFixture,
    JudgeCase,
    ModerationCase,
    Principal,
    RouteCase,
    ShadowCase,
    SuiteDocument,
    Target,
)

__all__ = ["Cell", "Failure", "PolicyAuthorizer", "Suite"]

_DENY: Final = Expectation(effect="deny")
"""What is expected of a cell that nobody listed."""

_Policies = tuple[PolicyId, ...]
Where = tuple[str, str, str]
"""Principal, facts and deployment of a cell, by name."""


class PolicyAuthorizer(AnswerAuthorizer, OpeningAuthorizer, Protocol):
    """What tests ask; `authorize.cedar.CedarAuthorizer` is one."""

    def verdicts(
        self, application: ApplicationId, facts: Facts, now: datetime
    ) -> Mapping[DeploymentId, Verdict]:
        """One evaluation of every deployment, nothing narrowed."""

    def allows(
        self,
        person: str,
        action: str,
        resource: Mapping[str, Any],
        *,
        now: datetime,
        solo: bool = False,
    ) -> bool:
        """Whether Cedar allows a person's act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One cell that did not come out as expected.

    Attributes:
        place: `file:line` of the test.
        about: The cell, in words.
    """

    place: str
    test: str
    about: str
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"{self.place}: {self.test}: {self.about}: expected {self.expected}, {self.actual}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One question of a test; `failure` None means it came out as expected."""

    failure: Failure | None
    policies: frozenset[PolicyId] = frozenset()


@dataclass(frozen=True, slots=True)
class Suite:
    """One parsed test file of a bundle.

    Attributes:
        problems: Filled by `check` with located reasons why the file cannot be run.
    """

    at: Document
    document: SuiteDocument
    bundle: Bundle
    problems: list[str] = field(default_factory=list)

    def check(self) -> list[str]:
        """Located problems: names that do not exist, rows that match nothing, or a cell twice."""
        self._fixtures()
        for index, case in enumerate(self.document.tests):
            self._route_case(("tests", index), case)
        for index, answer in enumerate(self.document.answers):
            self._matrix_names(("answers", index), answer)
            self._known(("answers", index), answer.policies, self.bundle.annotations, "policy")
        for index, shadow in enumerate(self.document.shadows):
            self._matrix_names(("shadows", index), shadow)
            self._known(("shadows", index), shadow.policies, self.bundle.annotations, "policy")
        for index, keeping in enumerate(self.document.cache):
            self._matrix_names(("cache", index), keeping)
            self._known(("cache", index), keeping.policies, self.bundle.annotations, "policy")
        for index, moderation in enumerate(self.document.moderations):
            path = ("moderations", index)
            self._party_names(path, moderation)
            self._known(path, moderation.moderators, self.bundle.catalog.moderators, "moderator")
            self._known(path, moderation.policies, self.bundle.annotations, "policy")
        for index, judging in enumerate(self.document.judges):
            self._matrix_names(("judges", index), judging)
            self._known(("judges", index), judging.policies, self.bundle.annotations, "policy")
        for index, act in enumerate(self.document.acts):
            path = ("acts", index)
            self._known(path, [*act.people, *act.allowed], self.bundle.catalog.people, "person")
            self._known(path, act.allowed, act.people, "one of the case's people")
        return self.problems

    def run(self, authorizer: PolicyAuthorizer) -> Iterator[Cell]:
        """Ask every cell, in file order. `check` has found no problem before."""
        for index, case in enumerate(self.document.tests):
            yield from self._ask(self.at.where(("tests", index)), case, authorizer)
        for index, answer in enumerate(self.document.answers):
            yield from self._answer(self.at.where(("answers", index)), answer, authorizer)
        for index, shadow in enumerate(self.document.shadows):
            yield from self._shadow(self.at.where(("shadows", index)), shadow, authorizer)
        for index, keeping in enumerate(self.document.cache):
            yield from self._keeping(self.at.where(("cache", index)), keeping, authorizer)
        for index, moderation in enumerate(self.document.moderations):
            place = self.at.where(("moderations", index))
            yield from self._moderation(place, moderation, authorizer)
        for index, judging in enumerate(self.document.judges):
            yield from self._judging(self.at.where(("judges", index)), judging, authorizer)
        for index, act in enumerate(self.document.acts):
            yield from self._act(self.at.where(("acts", index)), act, authorizer)

    def _ask(self, place: str, case: RouteCase, authorizer: PolicyAuthorizer) -> Iterator[Cell]:
        deployments = self._expand(case.deployments)
        for principal, facts in product(case.principals, case.facts):
            who = self.document.principals[principal]
            known = self._facts(who, self.document.facts[facts])
            verdicts = authorizer.verdicts(ApplicationId(who.application), known, self.document.now)
            for deployment in deployments:
                rows = self._rows(case, (principal, facts, deployment))
                expected = rows[0] if rows else _DENY
                verdict = verdicts[DeploymentId(deployment)]
                about = f"`{principal}` × `{facts}` → `{deployment}`"
                actual = difference(expected, verdict)
                failure = actual and Failure(
                    place=place,
                    test=case.name,
                    about=about,
                    expected=spelled(expected),
                    actual=actual,
                )
                yield Cell(failure=failure or None, policies=determining_policies(verdict))

    def _answer(self, place: str, case: AnswerCase, authorizer: PolicyAuthorizer) -> Iterator[Cell]:
        cells = product(case.principals, case.facts, self._expand(case.deployments))
        for principal, facts, deployment in cells:
            who = self.document.principals[principal]
            outcome, reception = received(
                authorizer,
                ApplicationId(who.application),
                self._facts(who, self.document.facts[facts]),
                DeploymentId(deployment),
                self.document.now,
            )
            failures = [
                Failure(
                    place=place,
                    test=case.name,
                    about=f"`{principal}` × `{facts}` ← `{deployment}`",
                    expected=case.received,
                    actual=actual,
                )
                for actual in answer_difference(case, outcome, reception)
            ]
            policies = frozenset(() if reception is None else reception.policies)
            yield Cell(failure=failures[0] if failures else None, policies=policies)

    def _shadow(self, place: str, case: ShadowCase, authorizer: PolicyAuthorizer) -> Iterator[Cell]:
        def put(application: ApplicationId, known: Facts, name: DeploymentId) -> _Policies:
            return authorizer.shadow(application, (known, known), name, now=self.document.now)

        targets = self._expand(case.deployments)
        return self._opened(place, case, targets, put, case.shadowed, "shadowed")

    def _keeping(self, place: str, case: CacheCase, authorizer: PolicyAuthorizer) -> Iterator[Cell]:
        def put(application: ApplicationId, known: Facts, name: DeploymentId) -> _Policies:
            return authorizer.cache(application, (known, known), name, now=self.document.now)

        targets = self._expand(case.deployments)
        return self._opened(place, case, targets, put, case.cached, "given again")

    def _moderation(
        self, place: str, case: ModerationCase, authorizer: PolicyAuthorizer
    ) -> Iterator[Cell]:
        def put(application: ApplicationId, known: Facts, name: DeploymentId) -> _Policies:
            return authorizer.moderate(application, known, name, self.document.now)

        return self._opened(place, case, case.moderators, put, case.moderated, "moderated")

    def _judging(self, place: str, case: JudgeCase, authorizer: PolicyAuthorizer) -> Iterator[Cell]:
        def put(application: ApplicationId, known: Facts, name: DeploymentId) -> _Policies:
            return authorizer.judge(application, (known, known), name, now=self.document.now)

        targets = self._expand(case.deployments)
        return self._opened(place, case, targets, put, case.judged, "judged")

    def _opened(
        self,
        place: str,
        case: ShadowCase | CacheCase | ModerationCase | JudgeCase,
        targets: Iterable[str],
        put: Callable[[ApplicationId, Facts, DeploymentId], _Policies],
        is_wanted: bool,
        wanted: str,
    ) -> Iterator[Cell]:
        for principal, facts, name in product(case.principals, case.facts, targets):
            who = self.document.principals[principal]
            known = self._facts(who, self.document.facts[facts])
            policies = put(ApplicationId(who.application), known, DeploymentId(name))
            actual = opening_difference(policies, is_wanted=is_wanted, among=case.policies)
            failure = Failure(
                place=place,
                test=case.name,
                about=f"`{principal}` × `{facts}` ⇢ `{name}`",
                expected=wanted if is_wanted else f"not {wanted}",
                actual=actual,
            )
            yield Cell(failure=failure if actual else None, policies=frozenset(policies))

    def _act(self, place: str, case: ActCase, authorizer: PolicyAuthorizer) -> Iterator[Cell]:
        resource = self._resource(case.on)
        for person, action in product(case.people, case.actions):
            expected = person in case.allowed
            is_allowed = authorizer.allows(
                person, action, resource, now=self.document.now, solo=case.solo
            )
            failure = Failure(
                place=place,
                test=case.name,
                about=f"`{person}` {action}",
                expected="allowed" if expected else "denied",
                actual="it is not",
            )
            yield Cell(failure=None if is_allowed == expected else failure)

    def _fixtures(self) -> None:
        catalog, words = self.bundle.catalog, self.bundle.taxonomy
        for name, who in self.document.principals.items():
            path = ("principals", name)
            self._known(path, [who.application], catalog.applications, "application")
            self._known(path, [who.purpose] if who.purpose else [], words.purposes, "purpose")
        for name, facts in self.document.facts.items():
            path = ("facts", name)
            classes = [*facts.data_classes, *facts.failed_classes]
            classes += [*facts.uncovered_classes, *facts.reduced_classes]
            self._known(path, classes, words.data_classes, "data class")
            guards = [*facts.raised_guards, *facts.failed_guards]
            self._known(path, guards, words.guards, "guard")
            self._known(path, facts.capabilities, words.egress_capabilities, "capability")
            self._known(path, [facts.stakes] if facts.stakes else [], words.stakes, "stakes level")
            places = [facts.subject_region] if facts.subject_region else []
            self._known(path, places, words.jurisdictions, "jurisdiction")
            self._known(path, [facts.user] if facts.user else [], catalog.people, "person")
        for name, members in self.document.deployments.items():
            self._known(("deployments", name), members, catalog.deployments, "deployment")

    def _route_case(self, path: tuple[str, int], case: RouteCase) -> None:
        before = len(self.problems)
        deployments = self._matrix_names(path, case)
        for row in case.expected:
            self._known(path, row.principals or [], case.principals, "principal of this test")
            self._known(path, row.facts or [], case.facts, "facts of this test")
            self._known(path, row.deployments or [], deployments, "deployment")
            self._known(path, row.policies, self.bundle.annotations, "policy")
            self._known(path, row.queues or [], self.bundle.catalog.queues, "queue")
        if len(self.problems) == before:
            self._matrix(path, case)

    def _matrix_names(
        self,
        path: tuple[str, int],
        case: RouteCase | AnswerCase | ShadowCase | CacheCase | JudgeCase,
    ) -> Iterable[str]:
        """Check the names that span a case's matrix; returns every name of a deployment."""
        deployments = {*self.document.deployments, *self.bundle.catalog.deployments}
        self._party_names(path, case)
        self._known(path, case.deployments, deployments, "deployment")
        return deployments

    def _party_names(
        self,
        path: tuple[str, int],
        case: RouteCase | AnswerCase | ShadowCase | CacheCase | ModerationCase | JudgeCase,
    ) -> None:
        self._known(path, case.principals, self.document.principals, "principal of this file")
        self._known(path, case.facts, self.document.facts, "facts of this file")

    def _matrix(self, path: tuple[str, int], case: RouteCase) -> None:
        cells = list(product(case.principals, case.facts, self._expand(case.deployments)))
        for cell in cells:
            if len(self._rows(case, cell)) > 1:
                self._report(path, f"two expectations are about {' × '.join(cell)}")
        for number, row in enumerate(case.expected, start=1):
            if not any(self._matches(row, cell) for cell in cells):
                self._report(path, f"expectation {number} is about no cell of the matrix")

    def _rows(self, case: RouteCase, cell: Where) -> list[Expectation]:
        return [row for row in case.expected if self._matches(row, cell)]

    def _matches(self, row: Expectation, cell: Where) -> bool:
        principal, facts, deployment = cell
        return (
            (row.principals is None or principal in row.principals)
            and (row.facts is None or facts in row.facts)
            and (row.deployments is None or deployment in self._expand(row.deployments))
        )

    def _expand(self, names: Iterable[str]) -> list[str]:
        """Deployment ids behind names of fixtures and ids, each once, in order."""
        fixtures = self.document.deployments
        return list(dict.fromkeys(d for name in names for d in fixtures.get(name, [name])))

    def _facts(self, who: Principal, facts: FactsFixture) -> Facts:
        words = self.bundle.taxonomy
        application = self.bundle.catalog.applications[ApplicationId(who.application)]
        raised = [Stakes(facts.stakes)] if facts.stakes else []
        return Facts(
            purpose=Purpose(who.purpose) if who.purpose else application.purposes[0],
            stakes=words.max_stakes(application.stakes, *raised),
            data_classes=words.class_closure(map(DataClass, facts.data_classes)),
            failed_classes=words.class_closure(map(DataClass, facts.failed_classes)),
            uncovered_classes=words.class_closure(map(DataClass, facts.uncovered_classes)),
            reduced_classes=words.class_closure(map(DataClass, facts.reduced_classes)),
            raised_guards=frozenset(map(Guard, facts.raised_guards)),
            failed_guards=frozenset(map(Guard, facts.failed_guards)),
            unscanned_parts=facts.unscanned_parts,
            capabilities=frozenset(facts.capabilities),
            redacted=facts.redacted,
            subject_region=Jurisdiction(facts.subject_region) if facts.subject_region else None,
            user=facts.user,
        )

    def _resource(self, on: Target) -> dict[str, Any]:
        if on.bundle_by is not None:
            attrs = {"author": reference("User", on.bundle_by)}
            return {"type": "PolicyBundle", "id": "tested", "attrs": attrs}
        if on.review is not None:
            return self._review(on)
        known = {
            "Application": on.application,
            "User": on.person,
            "AuditLog": on.audit_log,
            "Installation": on.installation and INSTALLATION,
        }
        return next({"type": kind, "id": name} for kind, name in known.items() if name)

    def _review(self, on: Target) -> dict[str, Any]:
        assert on.review is not None
        tenant = reference("Tenant", on.review.tenant)
        attrs: dict[str, Any] = {
            "tenant": tenant,
            "queue": on.review.queue,
            "stakes": reference("Stakes", self.bundle.taxonomy.stakes[-1]),
            "dataClasses": [],
            "keyHolders": [reference("User", p) for p in on.review.key_holders],
        }
        if on.review.requested_by is not None:
            attrs["requestedBy"] = reference("User", on.review.requested_by)
        parents = [tenant["__entity"]]
        return {"type": "ReviewItem", "id": "tested", "attrs": attrs, "parents": parents}

    def _known(
        self,
        path: tuple[str | int, ...],
        names: Sequence[str],
        known: Iterable[str],
        what: str,
    ) -> None:
        members = set(known)
        for name in names:
            if name not in members:
                self._report(path, f"no {what} is called `{name}`")

    def _report(self, path: tuple[str | int, ...], message: str) -> None:
        self.problems.append(f"{self.at.where(path)}: {message}")
