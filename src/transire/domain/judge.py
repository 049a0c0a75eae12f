"""A judge as the bundle has it, and what it may say: one number, or nothing.

INVARIANT: what is said of an answer is exactly one JSON object with one integer. Whatever else a
judge says, prose and a number in prose included, is no score.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from transire.domain.ids import ApplicationId, DeploymentId, Stakes

__all__ = ["BEST", "JUDGMENTS", "JudgeRules", "attempt_judged", "number_of", "score_in"]

JUDGMENTS: Final = -1_000
"""The judgment of attempt k has the number -1000 - k: no attempt, no shadow (0) and no moderation
(-1, -2, …) has such a one, and an answer has one judgment at most."""
BEST: Final = 10
"""The best score that a judge is asked for; the worst is 0."""
_MAX_CHARS: Final = 1_000
"""Of what a judge says; a longer text is no score, whatever stands in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRules:
    """One of `judges` in `routing.yaml`.

    Attributes:
        digest: SHA-256 (hex) of all of it.
        deployment: Who judges.
        criteria: What a good answer is, in the bundle's words; part of what the judge is told.
        daily_micro_usd: What all its judgments of one UTC day may cost.
        share_ppm: Parts per million of the answered requests that are judged after their answer.
        applications, tasks: Whose answers that share is of; empty is everywhere.
        stakes: Levels at which anything is judged, a cascade's answers included.
        timeout_ms: What one judgment may take, from when it is permitted.
        max_output_tokens: What its answer may be at most.
    """

    id: str
    digest: str
    deployment: DeploymentId
    criteria: str
    daily_micro_usd: int
    share_ppm: int = 0
    applications: frozenset[ApplicationId] = frozenset()
    tasks: frozenset[str] = frozenset()
    stakes: frozenset[Stakes] = frozenset()
    timeout_ms: int = 5_000
    max_output_tokens: int = 64
    salt: str = ""

    def samples(self, application: ApplicationId | None, task: str) -> bool:
        """Whether some share of these requests is judged after their answer."""
        return (
            self.share_ppm > 0
            and application is not None
            and (not self.applications or application in self.applications)
            and (not self.tasks or task in self.tasks)
        )


def number_of(attempt: int) -> int:
    """The number of the judgment of an attempt's answer."""
    return JUDGMENTS - attempt


def attempt_judged(number: int) -> int:
    """The attempt whose answer a judgment of this number is about."""
    return JUDGMENTS - number


def score_in(text: str, best: int) -> int | None:
    """The score in permille that a judge gave; None for anything but `{"score": 0…best}`.

    Args:
        text: All that it said; spaces around the object are no more than that.
    """
    if len(text) > _MAX_CHARS:
        return None
    try:
        told = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    score = told.get("score") if isinstance(told, dict) and told.keys() == {"score"} else None
    # A truth is an integer of Python's, and none of JSON's.
    if type(score) is not int or not 0 <= score <= best:
        return None
    return round(score * 1_000 / best)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object that names nothing twice: of two scores, none is the one that was given."""
    told = dict(pairs)
    if len(told) != len(pairs):
        raise ValueError("a member stands twice")
    return told
