"""A judge scores an answer, once, to nobody's ears: FORMAT.md says how.

Nothing here reads a file; `rules.py` hands over permits, ends and outcomes, in order.
"""

from trees import Entry, demand

STATUSES = ("ok", "failed", "contract_violated", "cancelled", "unknown")
NUMBERED_FROM = -1000  # the judgment of attempt k is -1000 - k


class Judgments:
    """Which answers were judged, how their attempts ended, and what scores were relied on."""

    def __init__(self) -> None:
        self.judges: dict[tuple[str, int], str] = {}
        self.scores: dict[tuple[str, int], int | None] = {}
        self.relied: dict[tuple[str, int], int | None] = {}
        self.ended: dict[tuple[str, int], str] = {}

    def permit(self, what: str, entry: Entry, decision: Entry) -> None:
        permit, judged, name = entry["permit"], entry["judged"], entry["decision_id"]
        attempt, point = judged["attempt"], judged.get("point_ppm")
        is_there = 1 <= attempt <= decision["attempts"]
        demand(is_there, f"{what} judges an answer that there was not")
        demand(not decision["review_id"], f"{what} judges what a person released")
        is_new = (name, attempt) not in self.judges
        demand(is_new, f"{what} is a second judgment of attempt {attempt} of {name}")
        is_one = (permit["attempt"], permit.get("cause")) == (NUMBERED_FROM - attempt, "judgment")
        demand(is_one and "cached" not in permit, f"{what} is a judgment and says that it is none")
        demand(entry["policies"], f"{what} is a judgment that no rule permits")
        was = self.ended.get((name, attempt))
        is_timely = was is None if point is None else was == "ok"
        demand(is_timely, f"{what} judges an answer at another time than it says")
        is_drawn = point is None or 0 <= point < (judged.get("share_ppm") or 0)
        demand(is_drawn, f"{what} judges an answer that was not drawn")
        is_same = permit["bundle"] == decision.get("bundle")
        demand(is_same, f"{what} is of another bundle than what it judges")
        for field in ("bundle", "quarantine"):
            is_same = entry.get(field, permit.get(field)) == permit.get(field)
            demand(is_same, f"{what} has another {field} than its permit")
        self.judges[(name, attempt)] = judged["judge"]

    def end(self, what: str, entry: Entry) -> None:
        status, score = entry["status"], entry.get("score")
        demand(status in STATUSES, f"{what} has a status that is none")
        is_silent = entry.get("released_bytes", 0) == 0
        demand(is_silent, f"{what} released what a judge said")
        is_scored = score is not None and 0 <= score <= 1_000
        is_right = is_scored if status == "ok" else score is None
        demand(is_right, f"{what} has a score and no good end, or a good end and no score")
        answer = (entry["decision_id"], NUMBERED_FROM - entry["attempt"])
        self.scores[answer] = score
        self._compare(what, answer)

    def outcome(self, what: str, entry: Entry) -> None:
        answer, appraisal = (entry["decision_id"], entry["attempt"]), entry.get("appraisal") or {}
        self.ended[answer] = entry["status"]
        judge, score = appraisal.get("judge"), appraisal.get("score")
        if judge is None:
            return
        is_given = score is None or self.judges.get(answer) == judge
        demand(is_given, f"{what} tells of a score that nobody was permitted to give")
        if answer in self.judges:
            self.relied[answer] = score
            self._compare(what, answer)

    def _compare(self, what: str, answer: tuple[str, int]) -> None:
        if answer not in self.relied or answer not in self.scores:
            return
        relied = self.relied[answer]
        is_same = relied is None or relied == self.scores[answer]
        demand(is_same, f"{what}: an answer has another score than its judge gave")
