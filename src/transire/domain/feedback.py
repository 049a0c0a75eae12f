"""What somebody thinks of an answer: numbers and names from closed lists, never words.

A score is about the answer that a decision led to. It changes nothing by itself: reports count it,
and a predictor may be fitted to it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from transire.domain.request import JsonValue

__all__ = ["HELPED_PERMILLE", "MAX_COMMENT_CHARS", "OPEN_FOR", "Feedback", "Reason"]

Reason: TypeAlias = Literal[
    "wrong", "incomplete", "off_topic", "unsafe", "refused", "format", "style", "too_slow", "other"
]
MAX_COMMENT_CHARS: Final = 4_000
HELPED_PERMILLE: Final = 500
"""Score from which on an answer helped, where nobody said whether it did."""
OPEN_FOR: Final = timedelta(days=90)
"""How long after a decision it may be judged; what comes later is of nobody's memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One judgement by one source.

    Attributes:
        score_permille: 0 to 1000; thumbs are 0 and 1000. None says nothing of the quality.
        success: Whether the task succeeded; None where nobody knows.
        comment: Keyed digest (hex) of words that were said, with `comment_chars`; the words
            themselves are nowhere.
    """

    score_permille: int | None = None
    success: bool | None = None
    reason: Reason | None = None
    comment: str | None = None
    comment_chars: int = 0

    @property
    def helped(self) -> bool | None:
        """Whether the answer helped; None where nobody said so."""
        if self.success is not None or self.score_permille is None:
            return self.success
        return self.score_permille >= HELPED_PERMILLE

    def to_json(self) -> dict[str, JsonValue]:
        """As an entry says it; what was not said is left out."""
        told: dict[str, JsonValue] = {
            "score_permille": self.score_permille,
            "success": self.success,
            "reason": self.reason,
        }
        if self.comment is not None:
            told |= {"comment": self.comment, "comment_chars": self.comment_chars}
        return {name: value for name, value in told.items() if value is not None}
