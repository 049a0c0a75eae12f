"""Feedback as a bandit's reward: what a judgement earns. Pure.

A reward stands in its feedback's entry, so what a bandit knows can be counted again from the log
alone, by a replica that starts, or by an auditor; no draw is remembered until somebody speaks.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from transire.domain.feedback import Feedback
from transire.domain.trial import BY_FEEDBACK, Experiment

__all__ = ["reward_of"]


def reward_of(
    experiments: Sequence[Experiment],
    decision: Mapping[str, Any],
    feedback: Feedback,
    now: datetime,
) -> dict[str, str | int] | None:
    """What a decision's first judgement earns the variant that it drew; None where nothing.

    Nothing is earned of what another deployment answered because the variant's own were down, nor
    later than the experiment says, nor for one that is not tried any more.

    Args:
        experiments: Of the bundle that is active now.
        decision: Its entry, of a permitted decision.
    """
    draw, helped = decision.get("experiment") or {}, feedback.helped
    if draw.get("reward") != BY_FEEDBACK or draw.get("unwell") or helped is None:
        return None
    found = next((one for one in experiments if one.digest == draw["digest"]), None)
    age_s = (now - datetime.fromisoformat(decision["ts"])).total_seconds()
    if found is None or age_s > found.reward_within_s:
        return None
    task = (decision.get("signals") or {}).get("task") or ""
    named = {"digest": found.digest, "variant": str(draw["variant"]), "task": str(task)}
    return {**named, "won": int(helped)}
