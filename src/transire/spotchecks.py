"""Spot checks: a drawn share of the answers, judged once they have reached their callers.

A spot check waits until its answer's outcome is in the log, and takes nothing of the request: no
time, and nothing of its account, its session or what health knows.

INVARIANT: nothing here is awaited by a request; what finds no place is not judged, and counted.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from transire.dispatch import Routed
from transire.domain.answer import Completion
from transire.domain.governed import Governed
from transire.domain.judge import JudgeRules
from transire.domain.judgment import JudgeObserver
from transire.judging import Answer, Judging
from transire.overhearing import Watched
from transire.unforeseen import as_refusal

__all__ = ["Bounds", "SpotChecks"]

_MAX_BYTES: Final = 16 * 1024 * 1024
"""Bodies of all requests whose answers wait or are judged; one that does not fit is not judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What spot checks may take.

    Attributes:
        waiting: Answers that may wait, or be judged, at once.
        settled_s: Seconds that an answer's outcome may take to reach the log.
        grace_s: Seconds that those on their way are given at a stop.
    """

    waiting: int
    settled_s: float = 30.0
    grace_s: float = 5.0


@dataclass(slots=True, kw_only=True)
class SpotChecks:
    """Judges answers afterwards.

    Args:
        governed: Returns the governed state of this moment.
    """

    governed: Callable[[], Governed]
    judging: Judging
    observer: JudgeObserver
    bounds: Bounds
    _checks: dict["asyncio.Task[None]", int] = field(default_factory=dict)
    _is_closing: bool = False

    def offer(self, routed: Routed) -> None:
        """A request was answered, and its answer is out: judge it, or not. Returns at once.

        Never raises: whoever calls has a connection to look after.
        """
        try:
            self._offer(routed)
        except Exception as raised:  # noqa: BLE001 - the answer is out; only the score is lost
            as_refusal(raised)

    def _offer(self, routed: Routed) -> None:
        case, routing = routed.case, self.governed().bundle.routing
        cascade = routing.cascades.get(case.classification.signals.task)
        is_judged = cascade is not None and cascade.judge is not None
        is_given = routed.permit.value.cause == "cache_hit" or bool(case.request.review_id)
        if not routing.judges or self._is_closing or is_judged or is_given:
            return
        found = self.judging.drawn(case)
        if found is None:
            return
        rules, point = found
        completion = _answer_of(routed)
        if completion is None:
            self.observer.scored(rules.deployment, "unfit", None)
            return
        size = case.request.body.size_bytes
        is_full = len(self._checks) >= self.bounds.waiting
        if is_full or size + sum(self._checks.values()) > _MAX_BYTES:
            self.observer.scored(rules.deployment, "busy", None)
            return
        task = asyncio.ensure_future(self._run(routed, rules, point, completion))
        self._checks[task] = size
        task.add_done_callback(lambda done: self._checks.pop(done, None))

    async def close(self) -> None:
        """Take no more, let those on their way end, break off the rest; each end is recorded."""
        self._is_closing = True
        if self._checks:
            _, late = await asyncio.wait([*self._checks], timeout=self.bounds.grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(
        self, routed: Routed, rules: JudgeRules, point: int, completion: Completion
    ) -> None:
        if self._is_closing or not await routed.account.is_settled(self.bounds.settled_s):
            self.observer.scored(rules.deployment, "log", None)
            return
        answer = Answer(
            case=routed.case,
            permit=routed.permit.value,
            completion=completion,
            point_ppm=point,
        )
        try:
            await self.judging.heard(answer, rules, within_s=rules.timeout_ms / 1_000)
        except Exception as raised:  # noqa: BLE001 - nobody else would hear of it
            as_refusal(raised)


def _answer_of(routed: Routed) -> Completion | None:
    """The whole answer: as it went out, or as it was overheard while it was relayed."""
    if routed.completion is not None:
        return routed.completion
    watch = routed.account.overheard
    return watch.whole() if isinstance(watch, Watched) else None
