"""What is tried on a part of the traffic: draws, what was learned of them, and what was taken back.

FORMAT.md, "What is tried", says the rules. Nothing here reads a file; `rules.py` hands over entries
in order.
"""

from collections import Counter
from typing import Any

from trees import Entry, demand

CONTROL = "control"
MILLION = 1_000_000
HELPED = 500
"""Permille from which on a score says that an answer helped."""
METRICS = {"error", "contract", "slow", "dear"}


class Draws:
    """What was drawn, rewarded and rolled back so far."""

    def __init__(self) -> None:
        self.gone: set[tuple[str, str]] = set()
        self.named: dict[str, str] = {}
        self.shares: dict[tuple[str, str], int] = {}
        self.tried: Counter[tuple[str, ...]] = Counter()
        self.rewards: dict[tuple[str, ...], tuple[int, int]] = {}
        self.decided: dict[str, Entry] = {}
        self.tasks: dict[str, str] = {}

    def read(self, what: str, kind: str, entry: Entry) -> None:
        draw = entry.get("experiment")
        if kind == "experiment.rolled_back":
            self._roll_back(what, entry)
        elif kind == "attempt":
            is_same = draw == self.decided.get(entry["decision_id"])
            demand(is_same, f"{what} is of another draw than its decision")
        elif kind == "feedback" and entry.get("reward") is not None:
            self._reward(what, entry, entry["reward"])
        elif kind == "outcome" and entry.get("counted") is not None:
            self._counted(what, entry, entry["counted"])
        elif kind in ("decision", "advice", "shadow.permitted") and draw is not None:
            self._draw(what, kind, entry, draw)

    def _draw(self, what: str, kind: str, entry: Entry, draw: Entry) -> None:
        names, shares, point = draw["variants"], draw["shares_ppm"], draw["point_ppm"]
        is_whole = len(names) == len(shares) == len(set(names)) and sum(shares) == MILLION
        is_whole = is_whole and min(shares) >= 0 and 0 <= point < MILLION and CONTROL in names
        demand(is_whole and _is_learned(draw), f"{what} has a draw that is none")
        at = next(i for i in range(len(shares)) if point < sum(shares[: i + 1]))
        is_drawn = (names[at], shares[at]) == (draw["variant"], draw["propensity_ppm"])
        demand(is_drawn, f"{what} tries another variant than was drawn")
        arm, is_fixed = (draw["digest"], draw["variant"]), draw.get("state") is None
        is_known = self.named.setdefault(draw["digest"], draw["id"]) == draw["id"]
        for name, share in zip(names, shares, strict=True) if is_fixed else ():
            if name != CONTROL:
                before = self.shares.setdefault((draw["digest"], name), share)
                is_known = is_known and before == share
        demand(is_known, f"{what} draws of another experiment than its digest names")
        task = (entry.get("signals") or {}).get("task") or ""
        self._learned(what, draw, task)
        is_free = not entry.get("review_id") and entry.get("outcome") != "review_required"
        demand(is_free, f"{what} tries something on what a person has to release, or released")
        if kind == "advice" or entry.get("permit") is None:
            return
        demand(arm not in self.gone, f"{what} tries what was rolled back")
        if kind == "decision":
            self.tried.update([arm, (*arm, task)])
            self.decided[entry["id"]], self.tasks[entry["id"]] = draw, task

    def _learned(self, what: str, draw: Entry, task: str) -> None:
        """A bandit knows at most what the log had told when it drew."""
        by_feedback = draw.get("reward") == "feedback"
        for name, (won, count) in zip(draw["variants"], draw.get("state") or [], strict=False):
            arm = (draw["digest"], name, task)
            most = self.rewards.get(arm, (0, 0)) if by_feedback else (self.tried[arm],) * 2
            demand(
                won <= most[0] and count <= most[1], f"{what} knows of more than was told before"
            )

    def _reward(self, what: str, entry: Entry, reward: Entry) -> None:
        draw = self.decided.get(entry["decision_id"]) or {}
        drawn = [draw.get(field) for field in ("digest", "variant", "reward")]
        is_one = drawn == [reward["digest"], reward["variant"], "feedback"]
        demand(is_one, f"{what} rewards what was not tried")
        success, score = entry.get("success"), entry.get("score_permille")
        helped = success if success is not None else score is not None and score >= HELPED
        is_told = (success, score) != (None, None) and reward["won"] == int(helped)
        demand(is_told, f"{what} rewards otherwise than it says")
        arm = (reward["digest"], reward["variant"], reward["task"])
        won, count = self.rewards.get(arm, (0, 0))
        self.rewards[arm] = (won + reward["won"], count + 1)

    def _counted(self, what: str, entry: Entry, counted: Entry) -> None:
        name, status, bad = entry["decision_id"], entry["status"], counted["bad"]
        draw = self.decided.get(name) or {}
        drawn = [draw.get("digest"), draw.get("variant"), ""]
        if draw.get("state") is not None:
            drawn[2] = self.tasks[name]
        is_tried = drawn == [counted[field] for field in ("digest", "variant", "task")]
        is_tried = is_tried and entry["attempt"] == 1 and draw.get("reward") is None
        demand(is_tried, f"{what} counts what was not tried")
        is_well = not draw.get("unwell")
        failed = status in ("failed", "superseded")
        is_so = failed or status in ("ok", "contract_violated")
        is_so = is_so and len(set(bad)) == len(bad) and set(bad) <= METRICS
        is_so = is_so and ("error" in bad) == (failed or not is_well)
        is_so = is_so and ("contract" in bad) == (status == "contract_violated")
        is_so = is_so and counted["won"] == int(status == "ok" and is_well)
        demand(is_so, f"{what} counts otherwise than it ended")

    def _roll_back(self, what: str, entry: Entry) -> None:
        arm = (entry["digest"], entry["variant"])
        is_first = arm not in self.gone and arm[1] != CONTROL
        demand(is_first, f"{what} rolls back control, or what was rolled back")
        for bad, count, name in (
            ("bad", "attempts", arm[1]),
            ("control_bad", "control_attempts", CONTROL),
        ):
            of = entry.get(count) or 0
            is_seen = 0 <= (entry.get(bad) or 0) <= of <= self.tried[(arm[0], name)]
            demand(is_seen, f"{what} rolls back for more than was tried")
        self.gone.add(arm)


def _is_learned(draw: Entry) -> bool:
    """A bandit's counts, one pair per variant, and the share that each keeps whatever they say."""
    state: Any = draw.get("state")
    if state is None:
        return draw.get("explore_permille") is None and draw.get("reward") is None
    explore, names = draw.get("explore_permille") or 0, draw["variants"]
    is_whole = len(state) == len(names) and all(len(row) == 2 for row in state)
    is_whole = is_whole and all(0 <= won <= count for won, count in state)
    least = explore * 1_000 // len(names)
    return is_whole and 0 < explore <= 1_000 and min(draw["shares_ppm"]) >= least
