"""What entries say of judgments: answers that a judge scored, or did not. Pure.

The rules are in audit/FORMAT.md, "Rules across entries"; those that every permit is held to are
asked elsewhere.
"""

from collections.abc import Mapping
from typing import Any, Final

from transire.domain.judge import attempt_judged, number_of
from transire.domain.judgment import JUDGMENT
from transire.errors import IntegrityError
from transire.record.attempts import Attempts

__all__ = ["JudgedAnswers"]

_STATUSES: Final = frozenset({"ok", "failed", "contract_violated", "cancelled", "unknown"})
_Answer = tuple[str, int]
"""Decision and attempt."""


class JudgedAnswers:
    """Which answers were judged, at a place in the log, and what was said of them."""

    def __init__(self) -> None:
        self._judges: dict[_Answer, str] = {}
        self._ended: dict[_Answer, int | None] = {}
        self._relied: dict[_Answer, int | None] = {}

    def permit(self, what: str, entry: Mapping[str, Any], attempts: Attempts, review: str) -> None:
        """Hear that an answer may be judged.

        Args:
            attempts: Of the decision whose answer it is.
            review: The review that released that decision; empty where none did.

        Raises:
            IntegrityError: there is no such answer, a person released it, it was judged before or
                is judged at the wrong time; or no rule let it go.
        """
        permit, judged, name = entry["permit"], entry["judged"], entry["decision_id"]
        attempt = judged["attempt"]
        answer = (name, attempt)
        if not 1 <= attempt <= attempts.count:
            raise IntegrityError(f"{what} judges an answer that there was not")
        if review:
            raise IntegrityError(f"{what} judges what a person released")
        if answer in self._judges:
            raise IntegrityError(f"{what} is a second judgment of attempt {attempt} of {name}")
        is_named = permit["attempt"] == number_of(attempt) and permit.get("cause") == JUDGMENT
        if not is_named or "cached" in permit:
            raise IntegrityError(f"{what} is a judgment and says that it is none")
        if not entry["policies"]:
            raise IntegrityError(f"{what} is a judgment that no rule permits")
        ended, point = attempts.ended(attempt), judged.get("point_ppm")
        # A cascade asks before it is known what goes out, a share after it went.
        if ended != (None if point is None else "ok"):
            raise IntegrityError(f"{what} judges an answer at another time than it says")
        if point is not None and not 0 <= point < (judged.get("share_ppm") or 0):
            raise IntegrityError(f"{what} judges an answer that was not drawn")
        self._judges[answer] = judged["judge"]

    def end(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear how a judgment ended that was permitted.

        Raises:
            IntegrityError: it cannot have ended so, something of it was released, it gives a score
                that is none, or another one than was relied on.
        """
        score, status = entry.get("score"), entry["status"]
        if status not in _STATUSES:
            raise IntegrityError(f"{what} has a status that is none")
        if entry.get("released_bytes", 0) != 0:
            raise IntegrityError(f"{what} released what a judge said")
        if (score is not None) != (status == "ok") or (score or 0) not in range(1_001):
            raise IntegrityError(f"{what} has a score and no good end, or a good end and no score")
        answer = (entry["decision_id"], attempt_judged(entry["attempt"]))
        self._ended[answer] = score
        self._compare(what, answer)

    def rely(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear an outcome: where its appraisal names a judge, the score is that judge's.

        Raises:
            IntegrityError: nobody was asked, or said something else.
        """
        appraisal = entry.get("appraisal") or {}
        judge, score = appraisal.get("judge"), appraisal.get("score")
        if judge is None:
            return
        answer = (entry["decision_id"], entry["attempt"])
        if score is not None and self._judges.get(answer) != judge:
            raise IntegrityError(f"{what} tells of a score that nobody was permitted to give")
        if answer in self._judges:
            self._relied[answer] = score
            self._compare(what, answer)

    def _compare(self, what: str, answer: _Answer) -> None:
        """What was relied on is what was said; a score that came too late may go unused."""
        if answer not in self._relied or answer not in self._ended:
            return
        relied = self._relied[answer]
        if relied is not None and relied != self._ended[answer]:
            raise IntegrityError(f"{what}: an answer has another score than its judge gave")
