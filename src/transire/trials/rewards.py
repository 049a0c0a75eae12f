"""Feedback as a bandit's reward: what a judgement earns, and reading in the log what was earned.

A reward stands in its feedback's entry, so what a bandit knows can be counted again from the log
alone, by a replica that starts, or by an auditor; no draw is remembered until somebody speaks.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from transire.domain.feedback import Feedback
from transire.domain.trial import BY_FEEDBACK, Experiment

__all__ = ["FeedbackEntries", "Learner", "Page", "RewardReader", "reward_of"]

_PAGE: Final = 500
_MOST_PAGES: Final = 40
"""Of the newest feedback, what a start reads: twenty thousand; a bandit's counts fade anyway."""


class Page(Protocol):
    """Entries with their indexes, newest first."""

    @property
    def entries(self) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """Each with its index."""


class FeedbackEntries(Protocol):
    """What is needed of the log's search columns."""

    async def tail(
        self, *, before: int | None, limit: int, tenant: str | None, kind: str | None
    ) -> Page:
        """The newest entries of a kind first, keyset-paged by index."""


class Learner(Protocol):
    """Who counts."""

    def learn(self, reward: Mapping[str, Any]) -> None:
        """Count one reward, as an entry has it."""


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


class RewardReader:
    """Tells a learner of every reward in the log, once each, in no order that matters."""

    def __init__(self, entries: FeedbackEntries, learner: Learner) -> None:
        self._entries = entries
        self._learner = learner
        self._reached = -1
        self._one_by_one = asyncio.Lock()

    async def catch_up(self) -> None:
        """Count what was written since the last time; the first time, the newest there is.

        Raises:
            LogUnavailable: it could not be read; the next time will.
        """
        async with self._one_by_one:
            before: int | None = None
            found = list[tuple[int, Mapping[str, Any]]]()
            for _ in range(_MOST_PAGES):
                page = await self._entries.tail(
                    before=before, limit=_PAGE, tenant=None, kind="feedback"
                )
                new = [row for row in page.entries if row[0] > self._reached]
                found += new
                if len(new) < _PAGE:
                    break
                before = new[-1][0]
            for _, entry in found:
                if entry.get("reward") is not None:
                    self._learner.learn(entry["reward"])
            self._reached = max([self._reached, *(index for index, _ in found)])
