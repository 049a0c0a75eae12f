"""What entries say of experiments: what was drawn, learned of it, and rolled back. Pure.

The rules are in audit/FORMAT.md, "What is tried".
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from transire.domain.feedback import HELPED_PERMILLE
from transire.domain.trial import BY_FEEDBACK, CONTROL, MILLION, drawn
from transire.errors import IntegrityError

__all__ = ["Tried"]

_DRAWING: Final = frozenset({"decision", "advice", "shadow.permitted"})
_MOST_EXPLORED: Final = 1_000
_METRICS: Final = frozenset({"error", "contract", "slow", "dear"})
_BROKEN: Final = "contract_violated"
_FAILED: Final = frozenset({"failed", "superseded"})
_COUNTED: Final = _FAILED | {"ok", _BROKEN}
"""How a first attempt ends that says something of its variant."""

_Arm = tuple[str, str]
_Known = tuple[str, str, str]
"""Digest and variant, and the task by which a bandit learns."""


class Tried:
    """What was drawn, rewarded and rolled back, at a place in the log."""

    def __init__(self) -> None:
        self._gone: set[_Arm] = set()
        self._named: dict[str, str] = {}
        self._fixed: dict[_Arm, int] = {}
        self._tried: Counter[_Arm] = Counter()
        self._tried_by_task: Counter[_Known] = Counter()
        self._rewards: dict[_Known, tuple[int, int]] = {}
        self._decided: dict[str, Mapping[str, Any]] = {}
        self._tasks: dict[str, str] = {}

    def hear(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear any entry.

        Raises:
            IntegrityError: it draws what its numbers do not lead to, what was rolled back, or for
                whom nothing is drawn; or it knows, counts, rewards or rolls back more than was
                tried.
        """
        kind, draw = entry["kind"], entry.get("experiment")
        if kind == "experiment.rolled_back":
            self._roll_back(what, entry)
        elif kind == "attempt":
            if draw != self._decided.get(entry["decision_id"]):
                raise IntegrityError(f"{what} is of another draw than its decision")
        elif kind == "feedback":
            if entry.get("reward") is not None:
                self._reward(what, entry, entry["reward"])
        elif kind == "outcome":
            if entry.get("counted") is not None:
                self._demand_counted(what, entry, entry["counted"])
        elif draw is not None and kind in _DRAWING:
            self._draw(what, entry, draw)

    def _draw(self, what: str, entry: Mapping[str, Any], draw: Mapping[str, Any]) -> None:
        if not (_is_whole(draw) and _is_learned(draw)):
            raise IntegrityError(f"{what} has a draw that is none")
        shares = tuple(zip(draw["variants"], draw["shares_ppm"], strict=True))
        told = (draw["variant"], draw["propensity_ppm"])
        if drawn(shares, draw["point_ppm"]) != draw["variant"] or told not in shares:
            raise IntegrityError(f"{what} tries another variant than was drawn")
        if not self._is_named(draw, shares):
            raise IntegrityError(f"{what} draws of another experiment than its digest names")
        task = (entry.get("signals") or {}).get("task") or ""
        self._demand_known(what, draw, task)
        if entry.get("review_id") or entry.get("outcome") == "review_required":
            raise IntegrityError(
                f"{what} tries something on what a person has to release, or released"
            )
        if entry["kind"] == "advice" or entry.get("permit") is None:
            return
        arm = (draw["digest"], draw["variant"])
        if arm in self._gone:
            raise IntegrityError(f"{what} tries what was rolled back")
        if entry["kind"] == "decision":
            self._tried[arm] += 1
            self._tried_by_task[(*arm, task)] += 1
            self._decided[entry["id"]] = draw
            self._tasks[entry["id"]] = task

    def _is_named(self, draw: Mapping[str, Any], shares: Sequence[tuple[str, int]]) -> bool:
        """Whether one digest is one experiment; of fixed shares, each variant's stays."""
        digest = draw["digest"]
        if self._named.setdefault(digest, draw["id"]) != draw["id"]:
            return False
        if draw.get("state") is not None:
            return True
        others = [(name, share) for name, share in shares if name != CONTROL]
        return all(self._fixed.setdefault((digest, n), share) == share for n, share in others)

    def _demand_known(self, what: str, draw: Mapping[str, Any], task: str) -> None:
        """A bandit knows at most what the log had told when it drew."""
        for name, row in zip(draw["variants"], draw.get("state") or (), strict=False):
            known = (draw["digest"], name, task)
            count = self._tried_by_task[known]
            by_feedback = draw.get("reward") == BY_FEEDBACK
            most = self._rewards.get(known, (0, 0)) if by_feedback else (count, count)
            if row[0] > most[0] or row[1] > most[1]:
                raise IntegrityError(f"{what} knows of more than was told before")

    def _reward(self, what: str, entry: Mapping[str, Any], reward: Mapping[str, Any]) -> None:
        draw = self._decided.get(entry["decision_id"]) or {}
        told = (reward["digest"], reward["variant"], BY_FEEDBACK)
        if (draw.get("digest"), draw.get("variant"), draw.get("reward")) != told:
            raise IntegrityError(f"{what} rewards what was not tried")
        success, score = entry.get("success"), entry.get("score_permille")
        helped = score is not None and score >= HELPED_PERMILLE if success is None else success
        if (success is None and score is None) or reward["won"] != int(helped):
            raise IntegrityError(f"{what} rewards otherwise than it says")
        known = (reward["digest"], reward["variant"], reward["task"])
        won, count = self._rewards.get(known, (0, 0))
        self._rewards[known] = (won + reward["won"], count + 1)

    def _demand_counted(
        self, what: str, entry: Mapping[str, Any], counted: Mapping[str, Any]
    ) -> None:
        """What an outcome counts for is what was drawn, and as it ended."""
        draw = self._decided.get(entry["decision_id"]) or {}
        is_learned = draw.get("state") is not None
        task = self._tasks.get(entry["decision_id"]) if is_learned else ""
        told = (counted["digest"], counted["variant"], counted["task"])
        is_first = entry["attempt"] == 1 and draw.get("reward") is None
        if (draw.get("digest"), draw.get("variant"), task) != told or not is_first:
            raise IntegrityError(f"{what} counts what was not tried")
        status, bad, is_unwell = entry["status"], counted["bad"], bool(draw.get("unwell"))
        is_one = status in _COUNTED and len(bad) == len(set(bad)) and _METRICS.issuperset(bad)
        is_so = ("error" in bad) == (status in _FAILED or is_unwell)
        is_so = is_so and ("contract" in bad) == (status == _BROKEN)
        if not (is_one and is_so and counted["won"] == int(status == "ok" and not is_unwell)):
            raise IntegrityError(f"{what} counts otherwise than it ended")

    def _roll_back(self, what: str, entry: Mapping[str, Any]) -> None:
        arm = (entry["digest"], entry["variant"])
        if arm in self._gone or arm[1] == CONTROL:
            raise IntegrityError(f"{what} rolls back control, or what was rolled back")
        for prefix, name in (("", arm[1]), ("control_", CONTROL)):
            bad, count = (entry.get(f"{prefix}{field}") or 0 for field in ("bad", "attempts"))
            if not 0 <= bad <= count <= self._tried[(arm[0], name)]:
                raise IntegrityError(f"{what} rolls back for more than was tried")
        self._gone.add(arm)


def _is_whole(draw: Mapping[str, Any]) -> bool:
    """Whether the shares are of these variants, add up, and hold the point."""
    names, shares = draw["variants"], draw["shares_ppm"]
    if not len(names) == len(shares) == len(set(names)) or CONTROL not in names:
        return False
    point: int = draw["point_ppm"]
    return bool(sum(shares) == MILLION > point >= 0 and min(shares) >= 0)


def _is_learned(draw: Mapping[str, Any]) -> bool:
    """A bandit's counts, a pair per variant, and the share that each keeps whatever they say."""
    state, names = draw.get("state"), draw["variants"]
    if state is None:
        return draw.get("explore_permille") is None and draw.get("reward") is None
    if len(state) != len(names) or any(len(row) != 2 for row in state):
        return False
    explore: int = draw.get("explore_permille") or 0
    floor = explore * 1_000 // len(names)
    if not 0 < explore <= _MOST_EXPLORED or min(draw["shares_ppm"]) < floor:
        return False
    return all(0 <= won <= count for won, count in state)
