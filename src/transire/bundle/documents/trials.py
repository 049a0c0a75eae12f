"""The shape of `experiments.yaml`, with units in names; unknown keys are errors."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from transire.bundle.documents.words import Document, Id, Permille, PromptRef

__all__ = [
    "ExperimentDocument",
    "ExperimentsDocument",
    "GuardDocument",
    "RewardDocument",
    "ShadowDocument",
    "VariantDocument",
]

Ppm = Annotated[int, Field(ge=1, le=1_000_000)]


class VariantDocument(Document):
    """One variant: another prompt, deployments to prefer, or the only ones to use."""

    share_permille: Permille
    prompt: PromptRef | None = None
    prefer: list[Id] = []
    only: list[Id] = []


class GuardDocument(Document):
    """How much worse than control a canary may be, by metric, before it is rolled back.

    A metric without a margin is not watched. Latency is the share of answers slower than `slow_ms`,
    cost the share dearer than `dear_micro_usd`.
    """

    min_samples: Annotated[int, Field(ge=5, le=1_000_000)] = 30
    alpha_permille: Annotated[int, Field(ge=1, le=200)] = 50
    error_permille: Permille | None = 20
    contract_permille: Permille | None = 20
    slow_ms: Annotated[int, Field(ge=1)] | None = None
    slow_permille: Permille = 50
    dear_micro_usd: Annotated[int, Field(ge=1)] | None = None
    dear_permille: Permille = 50


class RewardDocument(Document):
    """What rewards a bandit's variant: that the first to judge its answer says that it helped."""

    by: Literal["feedback"]
    within_hours: Annotated[int, Field(ge=1, le=2_160)] = 168
    """From the decision on; 90 days, after which nobody may judge, at most."""


class ExperimentDocument(Document):
    """One experiment; `applications` and `tasks` left out are all of them."""

    kind: Literal["ab", "canary", "bandit"]
    applications: list[Id] = []
    tasks: list[Id] = []
    stakes: list[Id] | None = None
    """Levels at which it applies; left out, all but the highest."""
    unit: Literal["session", "user", "key", "request"] = "session"
    salt: Annotated[str, StringConstraints(max_length=64)] = ""
    """Another salt assigns anew, and starts anew what was rolled back."""
    variants: Annotated[dict[Id, VariantDocument], Field(min_length=2, max_length=8)]
    guard: GuardDocument | None = None
    explore_permille: Annotated[int, Field(ge=10, le=1_000)] = 100
    reward: RewardDocument | None = None
    """Left out, it is the success of the first attempt."""


class ShadowDocument(Document):
    """Copies of answered requests; `applications` and `tasks` left out are all of them."""

    targets: Annotated[dict[Id, Ppm], Field(min_length=1, max_length=8)]
    """Deployment → parts per million of the units whose requests are copied there."""
    daily_micro_usd: Annotated[int, Field(ge=1)]
    """What all copies of one UTC day may cost; beyond it nothing is copied."""
    applications: list[Id] = []
    tasks: list[Id] = []
    stakes: list[Id] | None = None
    """Levels at which it applies, never the highest; left out, all the others."""
    unit: Literal["session", "user", "key", "request"] = "request"
    salt: Annotated[str, StringConstraints(max_length=64)] = ""


class ExperimentsDocument(Document):
    """`experiments.yaml`."""

    experiments: dict[Id, ExperimentDocument] = {}
    shadows: dict[Id, ShadowDocument] = {}
