"""What was seen of each variant, with intervals, and what each would do with everybody. Pure.

What a variant would do with all the traffic is estimated from what was drawn: by inverse propensity
(Horvitz and Thompson, JASA 47, 1952), and self-normalised (Swaminathan and Joachims, NeurIPS 2015),
which varies less where propensities are small. Both are for draws whose propensity was recorded
when they were made, whatever moved it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transire.domain.trial import MILLION
from transire.workbench.experiments.intervals import (
    Estimate,
    Row,
    mean,
    share,
    weighted_share,
    whole,
)
from transire.workbench.experiments.tally import Observed, Seen

__all__ = ["Report", "VariantReport", "estimate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantReport:
    """One variant; `ips` and `snips` are its success with everybody.

    Attributes:
        units: How many sessions, users, keys or requests kept it.
        failed_first: Share of decisions whose first attempt failed, whatever mended it.
    """

    variant: str
    count: int
    units: int
    success: Estimate
    failed_first: Estimate
    violations: Estimate
    latency_ms: Estimate
    cost_micro_usd: Estimate
    ips: Estimate
    snips: Estimate
    rolled_back: str

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "variant": self.variant,
            "decisions": self.count,
            "units": self.units,
            "success": self.success.to_json(),
            "first_attempt_failed": self.failed_first.to_json(),
            "contract_violations": self.violations.to_json(),
            "latency_ms": self.latency_ms.to_json(0),
            "cost_micro_usd": self.cost_micro_usd.to_json(1),
            "success_if_everybody": {"ips": self.ips.to_json(), "snips": self.snips.to_json()},
            "rolled_back_by": self.rolled_back or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One experiment."""

    experiment: str
    digest: str
    variants: tuple[VariantReport, ...]

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        told = [variant.to_json() for variant in self.variants]
        return {"experiment": self.experiment, "digest": self.digest, "variants": told}


def estimate(seen: Seen) -> Report:
    """Everything that is said of one experiment; the same entries give the same numbers."""
    every = seen.observed
    names = [*seen.arms, *(name for name in seen.rolled_back if name not in seen.arms)]
    return Report(
        experiment=seen.id,
        digest=seen.digest,
        variants=tuple(_variant(name, seen, every) for name in sorted(names, key=_control_first)),
    )


def _control_first(name: str) -> tuple[bool, str]:
    return name != "control", name


def _variant(name: str, seen: Seen, every: Sequence[Observed]) -> VariantReport:
    observed = seen.arms[name].observed if name in seen.arms else []
    weighted = [(one.unit, _weighed(name, one)) for one in every if one.propensity_ppm > 0]
    return VariantReport(
        variant=name,
        count=len(observed),
        units=len({one.unit for one in observed}),
        success=share((one.unit, one.succeeded) for one in observed),
        failed_first=share((one.unit, one.failed_first) for one in observed),
        violations=share((one.unit, one.violated) for one in observed),
        latency_ms=mean((one.unit, float(one.latency_ms)) for one in observed),
        cost_micro_usd=mean(
            (one.unit, float(one.cost_micro_usd))
            for one in observed
            if one.cost_micro_usd is not None
        ),
        ips=whole(weighted),
        snips=weighted_share(weighted),
        rolled_back=str(seen.rolled_back.get(name, {}).get("metric", "")),
    )


def _weighed(name: str, one: Observed) -> Row:
    weight = MILLION / one.propensity_ppm if one.variant == name else 0.0
    return Row(weight, weight * one.succeeded)
