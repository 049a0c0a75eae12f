"""Test cases about answers: what an application may receive, put to the authorizer that serves."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from transire.domain.authorization import Facts
from transire.domain.ids import ApplicationId, DeploymentId, PolicyId
from transire.domain.receiving import Reception
from transire.workbench.testfile import AnswerCase, Outcome

__all__ = ["AnswerAuthorizer", "answer_difference", "received"]


class AnswerAuthorizer(Protocol):
    """What cases about answers ask."""

    def judges_answers(self, application: ApplicationId | None) -> bool:
        """Whether this application's answers are read at all."""

    def reception(
        self, application: ApplicationId, facts: Facts, deployment: DeploymentId, now: datetime
    ) -> Reception:
        """One evaluation of one deployment's answer."""


def received(
    authorizer: AnswerAuthorizer,
    application: ApplicationId,
    facts: Facts,
    deployment: DeploymentId,
    now: datetime,
) -> tuple[Outcome, Reception | None]:
    """What becomes of an answer with these facts, and by what."""
    if not authorizer.judges_answers(application):
        return "unread", None
    reception = authorizer.reception(application, facts, deployment, now)
    if reception.is_permitted:
        return "whole", reception
    return ("redacted" if reception.may_redact else "withheld"), reception


def answer_difference(
    case: AnswerCase, outcome: Outcome, reception: Reception | None
) -> Iterator[str]:
    """How the outcome differs from what the case expects; nothing where it does not."""
    if reception is not None and reception.errors:
        yield f"policies failed to evaluate: {', '.join(reception.errors)}"
        return
    policies = frozenset[PolicyId]() if reception is None else frozenset(reception.policies)
    told = ", ".join(sorted(policies)) or "default"
    if outcome != case.received:
        yield f"it is {outcome} by {told}"
    elif missing := sorted(set(case.policies) - policies):
        yield f"not by {', '.join(missing)} but {told}"
