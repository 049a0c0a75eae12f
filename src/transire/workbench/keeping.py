"""Test cases about the cache: which answers may be given again, by the authorizer that serves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from transire.domain.authorization import Facts
from transire.domain.ids import ApplicationId, DeploymentId, PolicyId
from transire.workbench.testfile import CacheCase

__all__ = ["CacheAuthorizer", "cache_difference"]


class CacheAuthorizer(Protocol):
    """What cases about the cache ask."""

    def cache(
        self,
        application: ApplicationId,
        asked: tuple[Facts, Facts],
        deployment: DeploymentId,
        *,
        now: datetime,
    ) -> tuple[PolicyId, ...]:
        """The rules that permit it; empty is no."""


def cache_difference(case: CacheCase, policies: Sequence[PolicyId]) -> str:
    """How what came out differs from what the case expects; empty where it does not."""
    if bool(policies) != case.cached:
        return f"it is, by {', '.join(policies)}" if policies else "it is not"
    if missing := sorted(set(case.policies) - set(policies)):
        return f"not by {', '.join(missing)} but {', '.join(policies) or 'default'}"
    return ""
