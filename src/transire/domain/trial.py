"""Experiments as the bundle has them, and the draw of one request.

INVARIANT (I2): a variant names a prompt, and deployments to prefer or to keep to; they are looked
for in the permitted set, which is known before a variant is drawn. Nothing here adds to it.
INVARIANT (I8): a `Trial` holds everything its draw stood on, so that `drawn` gives the same again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from transire.domain.ids import ApplicationId, DeploymentId, Stakes

__all__ = [
    "BY_FEEDBACK",
    "CONTROL",
    "MILLION",
    "Experiment",
    "Guard",
    "Trial",
    "Variant",
    "drawn",
    "rollback_key",
]

CONTROL: Final = "control"
"""The variant that every experiment has: what is done without the others."""
BY_FEEDBACK: Final = "feedback"
"""What rewards a bandit's variant: that somebody said the answer helped. Else it is its success."""
MILLION: Final = 1_000_000
"""Shares, points and propensities are in parts per million."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One arm.

    Attributes:
        prompt: Instead of the bound one (`support@4`); None leaves that.
        prefer: Come first in the ranking where they survive its filters.
        only: Nothing else is ranked while one of them survives the filters and was not asked yet;
            only their failure leads elsewhere.
    """

    name: str
    share_permille: int
    prompt: str | None = None
    prefer: frozenset[DeploymentId] = frozenset()
    only: frozenset[DeploymentId] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """When a canary rolls itself back: its rate of bad first attempts against control's.

    Attributes:
        min_samples: Of each of the two, before anything is concluded.
        alpha_ppm: Chance, over all time and all metrics, to roll back what is not worse.
        margins: Metric (`error`, `contract`, `slow`, `dear`) → permille it may be worse.
        slow_ms, dear_micro_usd: From where on an attempt counts as slow or dear.
    """

    min_samples: int = 30
    alpha_ppm: int = 50_000
    margins: Mapping[str, int] = field(default_factory=dict)
    slow_ms: int = 0
    dear_micro_usd: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One experiment.

    Attributes:
        digest: SHA-256 (hex) of all of it, the texts of its prompts included: what was learned of
            another digest says nothing here.
        kind: `ab`, `canary` (rolls back by its guard) or `bandit` (shares follow what pays).
        applications, tasks: Where it applies; empty is everywhere.
        stakes: Levels at which it applies.
        unit: What keeps its variant: `session`, `user`, `key` or `request`.
        explore_permille: Of a bandit: shared equally among its variants, whatever was learned.
        reward_within_s: Of a bandit that feedback rewards: how old a decision may be when it is
            judged; 0 where the first attempt's own end is the reward.
    """

    id: str
    digest: str
    kind: str
    variants: tuple[Variant, ...]
    applications: frozenset[ApplicationId] = frozenset()
    tasks: frozenset[str] = frozenset()
    stakes: frozenset[Stakes] = frozenset()
    unit: str = "session"
    salt: str = ""
    guard: Guard = field(default_factory=Guard)
    explore_permille: int = 100
    reward_within_s: int = 0

    def applies_to(self, application: ApplicationId | None) -> bool:
        """Whether requests of this application may take part."""
        return application is not None and (
            not self.applications or application in self.applications
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The draw of one request.

    Attributes:
        point_ppm: Where the unit's keyed hash falls, below a million.
        shares: (variant, ppm) of the variants that could be drawn, in the experiment's order; the
            ppm add up to a million, and a variant's is its propensity.
        task: As it was judged: a bandit learns by task.
        state: Per variant, (rewarded, attempts) that a bandit's shares came from; else empty.
        reward: `feedback`, where that is what `state` counts; else empty.
        prefer, only: The drawn variant's.
        is_unwell: None of these could be picked, and health is what closed one of them: the first
            attempt goes where control's would, and says of the variant that it fails.
    """

    experiment: str
    digest: str
    kind: str
    unit: str
    variant: str
    task: str
    point_ppm: int
    shares: tuple[tuple[str, int], ...]
    state: tuple[tuple[int, int], ...] = ()
    explore_permille: int = 0
    reward: str = ""
    prefer: frozenset[DeploymentId] = frozenset()
    only: frozenset[DeploymentId] = frozenset()
    is_unwell: bool = False

    @property
    def propensity_ppm(self) -> int:
        """The chance with which this variant was drawn."""
        return dict(self.shares)[self.variant]

    def to_json(self) -> dict[str, Any]:
        """The draw as an entry holds it."""
        told: dict[str, Any] = {
            "id": self.experiment,
            "digest": self.digest,
            "variant": self.variant,
            "unit": self.unit,
            "point_ppm": self.point_ppm,
            "propensity_ppm": self.propensity_ppm,
            "variants": [name for name, _ in self.shares],
            "shares_ppm": [share for _, share in self.shares],
        }
        if self.state:
            told["state"] = [list(row) for row in self.state]
            told["explore_permille"] = self.explore_permille
        if self.reward:
            told["reward"] = self.reward
        if self.is_unwell:
            told["unwell"] = True
        return told


def drawn(shares: Sequence[tuple[str, int]], point_ppm: int) -> str:
    """The variant in whose share the point falls; shares add up to a million."""
    reached = 0
    for name, share in shares:
        reached += share
        if point_ppm < reached:
            return name
    raise ValueError("the shares do not reach the point")


def rollback_key(digest: str, variant: str) -> str:
    """The state key that is set once a variant was rolled back; nothing unsets it."""
    return f"experiment/{digest}/{variant}"
