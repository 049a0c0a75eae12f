"""What an escalation says of itself, against the attempts before it and how these ended. Pure.

The rules are in audit/FORMAT.md, "Escalations". They hold of entries alone; that a pick is the very
one which its record leads to takes the bundle, and is replay's to say (I8).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from transire.errors import IntegrityError
from transire.record.releases import pair_in

__all__ = ["Escalated"]

_FOLLOWED: Final = frozenset({"failed", "contract_violated", "superseded"})
"""How an attempt ended after which there may be an escalation."""
_TERMS: Final = ("quality_permille", "latency_ms", "worst_cost_micro_usd")


@dataclass(slots=True)
class Escalated:
    """The escalations of one decision."""

    _qualities: dict[int, int] = field(default_factory=dict)
    _verdicts: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Attempt → the verdicts that a later one says there were on its answer."""
    _judged: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Attempt → the verdicts that its own outcome says."""
    _over: int = 0
    _above: int = 0

    def permit(self, what: str, number: int, entry: Mapping[str, Any]) -> None:
        """Hear an attempt's permit.

        Raises:
            IntegrityError: it escalates over what was not so, or past its own bounds.
        """
        quality, latency, worst = _terms(entry)
        if quality is not None:
            self._qualities[number] = quality
        wanted = entry.get("escalation")
        if wanted is None:
            return
        over, above, bound = wanted["over"], wanted["above"], wanted.get("max_cost_micro_usd")
        if not self._over <= over < number or over < 1 or above < self._above:
            raise IntegrityError(f"{what} escalates over what was not before it, or over less")
        if above < self._qualities.get(over, above):
            raise IntegrityError(f"{what} asks for less than the answer had that it is to replace")
        is_better = quality is None or quality > above
        is_in_time = latency is None or latency <= wanted["within_ms"]
        has_terms = quality is not None
        is_paid = bound is None or not has_terms or (worst is not None and worst <= bound)
        if not (is_better and is_in_time and is_paid):
            raise IntegrityError(f"{what} escalates past its own bounds")
        self._over, self._above = over, above
        self._same(what, over, tuple(wanted["verdicts"]), self._judged.get(over))
        self._verdicts[over] = tuple(wanted["verdicts"])

    def end(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear an attempt's outcome.

        Raises:
            IntegrityError: its verdicts are others than an escalation says, or do not go with how
                it ended.
        """
        number, status = entry["attempt"], entry["status"]
        said = tuple((entry.get("appraisal") or {}).get("verdicts", ()))
        is_told = entry.get("not_escalated") is not None
        if (is_told and not said) or (status == "ok" and bool(said) != is_told):
            raise IntegrityError(f"{what} says why an answer was not escalated, or does not")
        if status == "superseded" and not said:
            raise IntegrityError(f"{what} is superseded and had no verdict")
        judged = ("contract",) if status == "contract_violated" else said
        if status != "unknown":
            self._same(what, number, self._verdicts.get(number, judged), judged)
        if status in _FOLLOWED:
            self._judged[number] = judged
        else:  # nothing comes after it that could ask; a log holds millions of these
            self._judged.clear()
            self._qualities.clear()

    @staticmethod
    def _same(what: str, over: int, told: tuple[str, ...], judged: tuple[str, ...] | None) -> None:
        if judged is not None and told != judged:
            raise IntegrityError(f"{what} tells of other verdicts on attempt {over}")


def _terms(entry: Mapping[str, Any]) -> tuple[int | None, int | None, int | None]:
    """Quality, latency and worst cost of what was picked; None where its ranking tells nothing."""
    ranked = (entry.get("ranking") or {}).get("candidates") or {}
    names = ranked.get("deployment") or []
    pairs = list(zip(names, ranked.get("form") or ["raw"] * len(names), strict=False))
    pair = pair_in(entry["permit"])
    if pair not in pairs:
        return None, None, None
    at = pairs.index(pair)
    columns = (ranked.get(name) or [] for name in _TERMS)
    quality, latency, worst = (column[at] if at < len(column) else None for column in columns)
    return quality, latency, worst
