"""Draws variants, counts how first attempts ended, and takes back what is worse than control.

What counts of a first attempt stands in its outcome's entry (`counted`), and what feedback rewards
in the feedback's: a start counts again what the log holds, and every replica what the others wrote.
What was rolled back stands in the log, too: an entry, and a key of its state that nothing unsets.
The key names the experiment's digest, so only a bundle in which the experiment is another one
starts anew. A decision's entry is conditional on the key, so no variant is recorded behind its own
roll-back.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import structlog

from transire.domain.authorization import Authorization
from transire.domain.classification import Classification
from transire.domain.governed import Governed
from transire.domain.log import Change, Condition, Item, Receipt
from transire.domain.permit import Outcome, OutcomeStatus, Permit
from transire.domain.ports import Keyed
from transire.domain.request import JsonValue, RoutingRequest
from transire.domain.trial import (
    BY_FEEDBACK,
    CONTROL,
    MILLION,
    Experiment,
    Trial,
    Variant,
    drawn,
    rollback_key,
)
from transire.errors import RequestError, TransireError
from transire.prompting import given
from transire.trials.draw import applying, available, fixed_shares, point_of, unit_of
from transire.trials.matching import matched_shares
from transire.trials.sequential import is_worse

__all__ = ["METRICS", "Entries", "Job", "TrialKeeper", "is_bad"]

_log = structlog.get_logger()
METRICS: Final = ("error", "contract", "slow", "dear")
"""What a guard may watch, in the order in which it is judged."""
_COUNTED: Final = frozenset(
    {
        OutcomeStatus.OK,
        OutcomeStatus.FAILED,
        OutcomeStatus.CONTRACT_VIOLATED,
        OutcomeStatus.SUPERSEDED,
    }
)
"""How an attempt ended that says something of its variant; a caller who left says nothing."""
_FAILED: Final = frozenset({OutcomeStatus.FAILED, OutcomeStatus.SUPERSEDED})
_REMEMBERED: Final = 1_024
"""Counts kept, of experiments of all bundles; the oldest go first."""


class Job(Protocol):
    """A queued entry."""

    @property
    def future(self) -> asyncio.Future[Receipt]:
        """Done once it is durable."""


class Entries(Protocol):
    """What the keeper needs of the log."""

    def peek(self, key: str) -> str | None:
        """The current value of a state key, from memory."""

    def enqueue(self, item: Item, *, linger: bool = False) -> Job:
        """Append without waiting."""


@dataclass(slots=True)
class _Counts:
    """First attempts of one variant (of one task, for a bandit)."""

    attempts: int = 0
    rewarded: int = 0
    bad: dict[str, int] = field(default_factory=lambda: dict.fromkeys(METRICS, 0))


class TrialKeeper:
    """Implements `domain.experiment.Trials`.

    Args:
        governed: Returns the governed state of this moment.
        boot: Names this process in its entries.
        rolled_back: Told of the experiment and the metric of what is taken back here.
    """

    def __init__(
        self,
        log: Entries,
        keyed: Keyed,
        governed: Callable[[], Governed],
        *,
        boot: str,
        rolled_back: Callable[[str, str], None],
    ) -> None:
        self._log = log
        self._boot = boot
        self._rolled_back = rolled_back
        self._keyed = keyed
        self._governed = governed
        self._counts: dict[tuple[str, str, str], _Counts] = {}
        self._taken_back: dict[str, bool] = {}

    def assigned(
        self,
        request: RoutingRequest,
        classification: Classification,
        authorization: Authorization,
        governed: Governed,
    ) -> RoutingRequest:
        """See `domain.experiment.Trials`."""
        experiment = applying(request, classification, authorization, governed)
        if experiment is None:
            return request
        permitted = {verdict.pair.deployment for verdict in authorization.permitted}
        gone = [v.name for v in experiment.variants if self._is_taken_back(experiment, v.name)]
        variants = available(experiment, permitted, gone)
        shares, state = self._shares(experiment, variants, classification.signals.task)
        unit = unit_of(experiment, request)
        point = point_of(experiment, unit, self._keyed)
        chosen = {v.name: v for v in variants}[drawn(shares, point)]
        trial = Trial(
            experiment=experiment.id,
            digest=experiment.digest,
            kind=experiment.kind,
            unit=unit.kind,
            variant=chosen.name,
            task=classification.signals.task,
            point_ppm=point,
            shares=shares,
            state=state,
            explore_permille=experiment.explore_permille if state else 0,
            reward=BY_FEEDBACK if state and experiment.reward_within_s else "",
            prefer=chosen.prefer,
            only=chosen.only,
        )
        return _as_variant(replace(request, trial=trial), chosen, governed)

    def counted(
        self, request: RoutingRequest, permit: Permit, outcome: Outcome
    ) -> dict[str, JsonValue] | None:
        """See `domain.experiment.Trials`."""
        trial = request.trial
        if trial is None or trial.reward or permit.attempt != 1 or outcome.status not in _COUNTED:
            return None
        experiment = self._active(trial.digest)
        if experiment is None or experiment.kind == "ab":  # nothing is learned of it here
            return None
        return {
            "digest": trial.digest,
            "variant": trial.variant,
            "task": trial.task if trial.kind == "bandit" else "",
            "won": int(outcome.status is OutcomeStatus.OK and not trial.is_unwell),
            "bad": [metric for metric in METRICS if is_bad(metric, trial, outcome, experiment)],
        }

    def learn(self, told: Mapping[str, Any]) -> None:
        """See `domain.experiment.Trials`."""
        self._count(told)
        experiment = self._active(told["digest"])
        if experiment is not None and experiment.kind == "canary":
            self._judge(experiment)

    def hear(self, entry: Mapping[str, Any]) -> None:
        """Count what an entry of the log tells.

        Outcomes of this boot were counted when they happened; feedback is counted here alone.
        """
        if entry["kind"] == "feedback" and entry.get("reward") is not None:
            self._count(entry["reward"])
        elif entry.get("counted") is not None and entry["boot"] != self._boot:
            self._count(entry["counted"])

    def _count(self, told: Mapping[str, Any]) -> None:
        counts = self._of(told["digest"], told["variant"], told["task"])
        counts.attempts += 1
        counts.rewarded += told["won"]
        for metric in told.get("bad", ()):
            counts.bad[metric] += 1

    def _shares(
        self, experiment: Experiment, variants: Sequence[Variant], task: str
    ) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[int, int], ...]]:
        if experiment.kind != "bandit":
            return fixed_shares(variants), ()
        counts = [self._of(experiment.digest, v.name, task) for v in variants]
        state = tuple((c.rewarded, c.attempts) for c in counts)
        shares = matched_shares(state, experiment.explore_permille)
        return tuple(zip((v.name for v in variants), shares, strict=True)), state

    def _of(self, digest: str, variant: str, task: str) -> _Counts:
        key = digest, variant, task
        if key not in self._counts and len(self._counts) >= _REMEMBERED:
            del self._counts[next(iter(self._counts))]
        return self._counts.setdefault(key, _Counts())

    def _active(self, digest: str) -> Experiment | None:
        """The experiment, if the active bundle still holds it as it was drawn from."""
        found = self._governed().bundle.experiments
        return next((e for e in found if e.digest == digest), None)

    def _judge(self, experiment: Experiment) -> None:
        """Take back each variant that is worse than control by any metric it is guarded by."""
        guard, usual = experiment.guard, self._of(experiment.digest, CONTROL, "")
        names = [v.name for v in experiment.variants if v.name != CONTROL]
        alpha = guard.alpha_ppm / MILLION / max(1, len(names) * len(guard.margins))
        for name in names:
            counts = self._of(experiment.digest, name, "")
            if min(counts.attempts, usual.attempts) < guard.min_samples:
                continue
            for metric in (m for m in METRICS if m in guard.margins):
                seen, of = (counts.bad[metric], counts.attempts), usual.bad[metric]
                margin = guard.margins[metric] / 1_000
                if is_worse(seen, (of, usual.attempts), margin=margin, alpha=alpha):
                    self._take_back(experiment, name, metric, counts, usual)
                    break

    def _is_taken_back(self, experiment: Experiment, name: str) -> bool:
        if experiment.kind != "canary" or name == CONTROL:
            return False
        key = rollback_key(experiment.digest, name)
        return key in self._taken_back or self._log.peek(key) is not None

    def _take_back(
        self, experiment: Experiment, name: str, metric: str, counts: _Counts, usual: _Counts
    ) -> None:
        """Narrow at once, here, and for everybody and for good by the entry."""
        key = rollback_key(experiment.digest, name)
        if self._taken_back.get(key) or self._log.peek(key) is not None:
            return
        self._taken_back[key] = True
        item = Item(
            kind="experiment.rolled_back",
            fields={
                "experiment": experiment.id,
                "digest": experiment.digest,
                "variant": name,
                "metric": metric,
                "bad": counts.bad[metric],
                "attempts": counts.attempts,
                "control_bad": usual.bad[metric],
                "control_attempts": usual.attempts,
                "margin_permille": experiment.guard.margins[metric],
                "alpha_ppm": experiment.guard.alpha_ppm,
            },
            conditions=(Condition(key=key, equals=None),),
            changes=(Change(key=key, value="rolled_back"),),
        )
        _log.warning("experiment.rolled_back", experiment=experiment.id, variant=name)
        self._rolled_back(experiment.id, metric)
        try:
            job = self._log.enqueue(item, linger=True)
        except TransireError:
            self._taken_back[key] = False
            return
        job.future.add_done_callback(lambda done: self._written(key, done))

    def _written(self, key: str, done: asyncio.Future[Receipt]) -> None:
        """It is in the log, by this entry or by another replica's; else the next judgement tries.

        The key stays known here in any case: nothing is drawn again that was found worse.
        """
        if done.cancelled() or done.exception() is not None:
            self._taken_back[key] = False


def is_bad(metric: str, trial: Trial, outcome: Outcome, experiment: Experiment) -> bool:
    """Whether a first attempt counts against its variant by one metric.

    One that went elsewhere because the variant's own deployments are down is an error of theirs;
    so is an answer that had a verdict of ours and was replaced by a better one.
    """
    guard = experiment.guard
    if metric == "error":
        return outcome.status in _FAILED or trial.is_unwell
    if metric == "contract":
        return outcome.status is OutcomeStatus.CONTRACT_VIOLATED
    if metric == "slow":
        return outcome.latency_ms > guard.slow_ms > 0
    cost = outcome.cost_micro_usd
    return cost is not None and cost > guard.dear_micro_usd > 0


def _as_variant(request: RoutingRequest, variant: Variant, governed: Governed) -> RoutingRequest:
    """The request with the variant's prompt.

    An exclusive prompt that this request does not fit is a variant out of reach: as without it.
    """
    shelf = governed.prompts
    if variant.prompt is None or shelf is None:
        return request
    try:
        return given(request, shelf.readings[variant.prompt])
    except RequestError:
        return replace(request, trial=None)
