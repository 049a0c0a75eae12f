"""Shadows: copies of answered requests, sent where policy lets a copy go, answered to nobody.

A shadow is no attempt of its request: it comes after the answer, has a permit and an outcome of its
own kinds, and nothing of what it brings back reaches anybody. INVARIANT (I3): it goes only where
the action `shadow` permits its pair now, under the bundle the request was decided under.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from transire.domain.authorization import Pair
from transire.domain.budget import Budget, Period, Spend, period_at
from transire.domain.decision import Case
from transire.domain.ids import ApplicationId, DeploymentId, PolicyId, Stakes
from transire.domain.outward import Wire
from transire.domain.permit import Outcome, Permit, Recorded
from transire.domain.trial import CONTROL, MILLION, Trial

__all__ = [
    "SHADOW",
    "Shadow",
    "ShadowObserver",
    "ShadowRecorder",
    "ShadowRules",
    "shadow_spend",
]

SHADOW: Final = 0
"""What stands where an attempt's number would: a decision has one shadow at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowRules:
    """One experiment of the kind `shadow`.

    Attributes:
        digest: SHA-256 (hex) of all of it.
        targets: (deployment, ppm of its units that are copied there), in the file's order.
        applications, tasks: Where it applies; empty is everywhere.
        stakes: Levels at which it applies; never the taxonomy's highest.
        unit: What is copied or not: `session`, `user`, `key` or `request`.
        daily_micro_usd: What all its copies of one UTC day may cost.
    """

    id: str
    digest: str
    targets: tuple[tuple[DeploymentId, int], ...]
    daily_micro_usd: int
    applications: frozenset[ApplicationId] = frozenset()
    tasks: frozenset[str] = frozenset()
    stakes: frozenset[Stakes] = frozenset()
    unit: str = "request"
    salt: str = ""

    @property
    def shares(self) -> tuple[tuple[str, int], ...]:
        """(`control`, which copies nothing, or a deployment) and its ppm; a million in all."""
        rest = MILLION - sum(share for _, share in self.targets)
        return ((CONTROL, rest), *self.targets)

    def applies_to(self, application: ApplicationId | None) -> bool:
        """Whether requests of this application may be copied."""
        return application is not None and (
            not self.applications or application in self.applications
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """One copy that may be sent.

    Attributes:
        case: The request's, as authorized now.
        policies: The rules of `shadow` that permit it, sorted.
        draw: Why it is copied, and where to.
        daily_micro_usd: Of its experiment.
    """

    case: Case
    pair: Pair
    policies: tuple[PolicyId, ...]
    draw: Trial
    daily_micro_usd: int


def shadow_spend(shadow: Shadow, moment: datetime, micro_usd: int) -> Spend:
    """What a copy that costs at most so much reserves of its experiment's day.

    No budget of a catalog has such a name: ids have no slash.
    """
    budget = f"shadow/{shadow.draw.experiment}"
    return Spend(
        budget=budget,
        key=f"budget/{budget}/day",
        period=period_at(Period.DAY, moment),
        micro_usd=micro_usd,
        limit_micro_usd=shadow.daily_micro_usd,
    )


class ShadowRecorder(Protocol):
    """Makes a shadow's permit and its outcome durable; the only maker of both."""

    async def permit(
        self, shadow: Shadow, wire: Wire, *, budgets: Mapping[str, Budget]
    ) -> Recorded[Permit]:
        """Record that a copy may be sent, with what it reserves.

        Raises:
            StaleError: governed state moved since it was authorized.
            BudgetExceeded: a budget, or the experiment's own day, has not enough left.
            LogUnavailable: nothing was recorded, and nothing may be sent.
        """

    def ended(self, permit: Recorded[Permit], outcome: Outcome) -> None:
        """Queue how it ended; of what came back, nothing was released to anybody."""


class ShadowObserver(Protocol):
    """Measurements of shadows; never content."""

    def shadowed(self, deployment: DeploymentId, result: str, cost_micro_usd: int | None) -> None:
        """A request was drawn to be copied, and this came of it.

        Args:
            result: How the copy ended (`ok`, `failed`, `contract_violated`, `cancelled`), or why
                there was none (`denied`, `stale`, `busy`, `unfit`, `budget`, `log`).
            cost_micro_usd: What the copy cost; None is unknown, or nothing was sent.
        """
