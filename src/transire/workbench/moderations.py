"""Test cases about moderation: where texts may go, put to the authorizer that serves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from transire.domain.authorization import Facts
from transire.domain.ids import ApplicationId, DeploymentId, PolicyId
from transire.workbench.testfile import ModerationCase

__all__ = ["ModerationAuthorizer", "moderation_difference"]


class ModerationAuthorizer(Protocol):
    """What cases about moderation ask."""

    def moderate(
        self, application: ApplicationId, facts: Facts, deployment: DeploymentId, now: datetime
    ) -> tuple[PolicyId, ...]:
        """The rules that permit it; empty is no."""


def moderation_difference(case: ModerationCase, policies: Sequence[PolicyId]) -> str:
    """How what came out differs from what the case expects; empty where it does not."""
    if bool(policies) != case.moderated:
        return f"it is, by {', '.join(policies)}" if policies else "it is not"
    if missing := sorted(set(case.policies) - set(policies)):
        return f"not by {', '.join(missing)} but {', '.join(policies) or 'default'}"
    return ""
