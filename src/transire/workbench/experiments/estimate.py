"""What was seen of each variant, with intervals, and what each would do with everybody. Pure.

Shares get Wilson's interval; means the percentile bootstrap (Efron, Ann. Statist. 7, 1979) from a
fixed seed. What a variant would do with all the traffic is estimated from what was drawn: by
inverse propensity (Horvitz and Thompson, JASA 47, 1952), and self-normalised (Swaminathan and
Joachims, NeurIPS 2015), which varies less where propensities are small. Both are for draws whose
propensity was recorded when they were made, whatever moved it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from transire.domain.trial import MILLION
from transire.workbench.experiments.tally import Observed, Seen
from transire.workbench.wilson import wilson

__all__ = ["Estimate", "Report", "VariantReport", "estimate"]

_RESAMPLES: Final = 300
_MOST: Final = 4_000
"""Values resampled; of more, every so many-th, which widens the interval and never narrows it."""
_SEED: Final = 20_261_126
_TAIL: Final = 0.025


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with the ends of its 95 % interval; None where nothing can be said."""

    value: float | None
    low: float | None
    high: float | None

    def to_json(self, digits: int = 4) -> dict[str, float | None]:
        """Rounded, for people and files."""
        named = (("value", self.value), ("low", self.low), ("high", self.high))
        return {name: None if one is None else round(one, digits) for name, one in named}


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantReport:
    """One variant; `ips` and `snips` are its success with everybody."""

    variant: str
    count: int
    success: Estimate
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
            "success": self.success.to_json(),
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
    weighted = [
        (MILLION / one.propensity_ppm if one.variant == name else 0.0, float(one.succeeded))
        for one in every
        if one.propensity_ppm > 0
    ]
    costs = [float(o.cost_micro_usd) for o in observed if o.cost_micro_usd is not None]
    return VariantReport(
        variant=name,
        count=len(observed),
        success=_share(sum(one.succeeded for one in observed), len(observed)),
        violations=_share(sum(one.violated for one in observed), len(observed)),
        latency_ms=_mean([float(one.latency_ms) for one in observed]),
        cost_micro_usd=_mean(costs),
        ips=_resampled(weighted, _ips),
        snips=_resampled(weighted, _snips),
        rolled_back=str(seen.rolled_back.get(name, {}).get("metric", "")),
    )


def _share(hits: int, count: int) -> Estimate:
    if not count:
        return Estimate(None, None, None)
    return Estimate(hits / count, *wilson(hits, count))


def _mean(values: Sequence[float]) -> Estimate:
    return _resampled([(1.0, value) for value in values], _snips)


def _ips(rows: Sequence[tuple[float, float]]) -> float:
    return sum(weight * reward for weight, reward in rows) / len(rows)


def _snips(rows: Sequence[tuple[float, float]]) -> float:
    whole = sum(weight for weight, _ in rows)
    return sum(weight * reward for weight, reward in rows) / whole if whole else 0.0


def _resampled(rows: Sequence[tuple[float, float]], statistic: Any) -> Estimate:
    """A statistic of rows with its percentile bootstrap interval."""
    if not rows or not any(weight for weight, _ in rows):
        return Estimate(None, None, None)
    value, random = statistic(rows), Random(_SEED)  # noqa: S311 - a fixed seed, and no secret
    thinned = rows[:: -(-len(rows) // _MOST)]
    drawn = sorted(statistic(random.choices(thinned, k=len(thinned))) for _ in range(_RESAMPLES))
    low, high = drawn[int(_TAIL * _RESAMPLES)], drawn[-1 - int(_TAIL * _RESAMPLES)]
    return Estimate(value, min(low, value), max(high, value))
