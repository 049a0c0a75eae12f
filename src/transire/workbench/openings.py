"""Test cases about actions that only a permit naming them opens: copies, kept answers, judges.

They are put to the authorizer that serves; its determining policies are its yes.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from transire.domain.authorization import Facts
from transire.domain.ids import ApplicationId, DeploymentId, PolicyId

__all__ = ["OpeningAuthorizer", "opening_difference"]


class OpeningAuthorizer(Protocol):
    """What such cases ask. Each answers with the rules that permit it; empty is no."""

    def shadow(
        self,
        application: ApplicationId,
        asked: tuple[Facts, Facts],
        deployment: DeploymentId,
        *,
        now: datetime,
    ) -> tuple[PolicyId, ...]:
        """Whether a copy of a request may go there."""

    def cache(
        self,
        application: ApplicationId,
        asked: tuple[Facts, Facts],
        deployment: DeploymentId,
        *,
        now: datetime,
    ) -> tuple[PolicyId, ...]:
        """Whether an answer of this deployment may be given again."""

    def judge(
        self,
        application: ApplicationId,
        asked: tuple[Facts, Facts],
        deployment: DeploymentId,
        *,
        now: datetime,
    ) -> tuple[PolicyId, ...]:
        """Whether a conversation and its answer may go to this judge."""

    def moderate(
        self, application: ApplicationId, facts: Facts, deployment: DeploymentId, now: datetime
    ) -> tuple[PolicyId, ...]:
        """Whether texts may go to this moderator."""


def opening_difference(
    policies: Sequence[PolicyId], *, is_wanted: bool, among: Collection[str]
) -> str:
    """How what came out differs from what a case expects; empty where it does not.

    Args:
        among: Policies that must be among the determining ones.
    """
    if bool(policies) != is_wanted:
        return f"it is, by {', '.join(policies)}" if policies else "it is not"
    if missing := sorted(set(among) - set(policies)):
        return f"not by {', '.join(missing)} but {', '.join(policies) or 'default'}"
    return ""
