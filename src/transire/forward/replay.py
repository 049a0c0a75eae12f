"""The pick that a record leads to, made again for each attempt (I8). Pure.

What an attempt followed from stands in the entries of its decision: the ranking of its moment, what
was asked before, how each of these ended, and of an escalation the quality to pass and what was
left of time and cost. Time as such is no fact of an entry: that a request stopped is not judged.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from transire.domain.authorization import Form, Pair
from transire.domain.bundle import RoutingRules
from transire.domain.ids import DeploymentId
from transire.domain.permit import Outcome, OutcomeStatus
from transire.domain.ranking import Candidate
from transire.errors import IntegrityError, UpstreamError
from transire.forward.fallback import AttemptPlan

__all__ = ["Asked", "pick_agrees"]

_BROKEN: Final = "contract_violated"
_GOES_ON: Final = frozenset({"failed", _BROKEN})
"""How an attempt ended after which an ordinary one may follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One attempt as the picks after it need it.

    Attributes:
        entry: With its permit.
        candidates: Its ranking, ordered again, with what was then asked of each.
        free: Those of them that awaited nobody: no review was asked for, or one had released them.
        outcome: Its own entry; None where it is missing, or says that nobody knows (`unknown`).
    """

    entry: Mapping[str, Any]
    candidates: Sequence[Candidate]
    free: Sequence[Candidate]
    outcome: Mapping[str, Any] | None

    @property
    def pair(self) -> Pair:
        """What was asked."""
        permit = self.entry["permit"]
        form = Form(permit.get("form", Form.RAW.value))
        return Pair(deployment=DeploymentId(permit["deployment"]), form=form)

    @property
    def picked(self) -> Candidate:
        """What was asked, with its terms.

        Raises:
            IntegrityError: it was not ranked.
        """
        for candidate in self.candidates:
            if candidate.pair == self.pair:
                return candidate
        raise IntegrityError("an attempt's pick is not in its ranking")

    def verdicts(self, on: frozenset[str]) -> tuple[str, ...]:
        """Our verdicts on its answer, of those that escalate; its outcome is known."""
        assert self.outcome is not None
        if self.outcome["status"] == _BROKEN:
            return ("contract",) if "contract" in on else ()
        return tuple((self.outcome.get("appraisal") or {}).get("verdicts", ()))


def pick_agrees(
    asked: Sequence[Asked], routing: RoutingRules, task: str, max_cost_micro_usd: int | None
) -> bool | None:
    """Whether the last attempt went where its record leads.

    Args:
        asked: Every attempt of the decision up to it, in order.
        routing: Of the bundle that the request was decided under.
        max_cost_micro_usd: The caller's bound on the request's cost.

    Returns:
        None where the entries do not hold what the pick followed from: the end of an attempt
        before it is not known.

    Raises:
        IntegrityError: a pick is not in its ranking, or an escalation is malformed.
    """
    last, earlier = asked[-1], asked[:-1]
    free, is_released = last.free, bool(last.entry.get("review_id"))
    if not earlier:
        # A review is spent only where the best of all waits for one.
        is_held = bool(last.candidates) and bool(last.candidates[0].verdict.queues)
        return bool(free) and is_held == is_released and free[0].pair == last.pair
    if len(asked) > routing.max_attempts:
        return False
    try:
        if "escalation" in last.entry:
            return (
                not is_released
                and _leads_to(last, earlier, free)
                and all(
                    _escalates(last.entry["escalation"], earlier, routing, task, max_cost_micro_usd)
                )
            )
        return _follows(last, earlier, free, routing.max_attempts, max_cost_micro_usd)
    except (KeyError, TypeError, IndexError, AttributeError):
        raise IntegrityError("the recorded attempt is malformed") from None


def _follows(
    last: Asked,
    earlier: Sequence[Asked],
    free: Sequence[Candidate],
    budget: int,
    max_cost_micro_usd: int | None,
) -> bool | None:
    """A retry or fallback: what the attempts' plan says after all that was tried."""
    if any(one.outcome is None for one in earlier):
        return None
    if any(one.outcome is not None and one.outcome["status"] not in _GOES_ON for one in earlier):
        return False
    following = AttemptPlan().next_attempt(
        free,
        [(one.pair, _error(one.outcome)) for one in earlier if one.outcome is not None],
        budget=budget,
        remaining_s=float("inf"),
        max_cost_micro_usd=_unspent(max_cost_micro_usd, earlier),
    )
    if following is None:
        return False
    return (following[0].pair, following[1]) == (last.pair, last.entry["permit"]["cause"])


def _unspent(bound_micro_usd: int | None, earlier: Sequence[Asked]) -> int | None:
    """What attempts that have all ended left of the caller's bound, as `Account` counts it."""
    if bound_micro_usd is None:
        return None
    spent = 0
    for one in earlier:
        assert one.outcome is not None  # looked at before
        charged = _outcome(one.outcome).charged_micro_usd
        worst = one.picked.terms.worst_cost_micro_usd or 0
        spent += worst if charged is None else charged
    return max(bound_micro_usd - spent, 0)


def _outcome(entry: Mapping[str, Any]) -> Outcome:
    """As much of it as says what it is charged."""
    return Outcome(
        status=OutcomeStatus(entry["status"]),
        failure=entry.get("failure", ""),
        http_status=entry.get("http_status"),
        tokens_out=entry.get("tokens_out"),
        cost_micro_usd=entry.get("cost_micro_usd"),
    )


def _error(outcome: Mapping[str, Any]) -> UpstreamError | None:
    if outcome["status"] == _BROKEN:
        return None
    return UpstreamError("it failed", facts={"failure": outcome.get("failure", "")})


def _leads_to(last: Asked, earlier: Sequence[Asked], free: Sequence[Candidate]) -> bool:
    """Whether what an escalation says of itself leads to its pick."""
    wanted = last.entry["escalation"]
    found = AttemptPlan().escalation(
        free,
        {one.pair.deployment for one in earlier},
        above_permille=wanted["above"],
        left=1,
        within_ms=wanted["within_ms"],
        max_cost_micro_usd=wanted.get("max_cost_micro_usd"),
    )
    return isinstance(found, Candidate) and found.pair == last.pair


def _escalates(
    wanted: Mapping[str, Any],
    earlier: Sequence[Asked],
    routing: RoutingRules,
    task: str,
    max_cost_micro_usd: int | None,
) -> Iterator[bool]:
    """Whether what an escalation says of itself follows from the bundle and the attempts before.

    Where the end of one of these is not known, the quality to pass has a lower bound alone.
    """
    rules = routing.cascades.get(task)
    yield rules is not None and bool(wanted["verdicts"])
    on = frozenset[str]() if rules is None else rules.on
    yield on.issuperset(wanted["verdicts"])
    yield 0 < wanted["over"] <= len(earlier)
    over = earlier[max(wanted["over"], 1) - 1]
    yield wanted["above"] >= over.picked.terms.quality_permille
    left = None
    if max_cost_micro_usd is not None:
        spent = sum(one.picked.terms.worst_cost_micro_usd or 0 for one in earlier)
        left = max(max_cost_micro_usd - spent, 0)
    yield wanted.get("max_cost_micro_usd") == left
    if over.outcome is not None:
        yield tuple(wanted["verdicts"]) == over.verdicts(on)
    if all(one.outcome is not None for one in earlier):
        disliked = [(at, one) for at, one in enumerate(earlier, start=1) if one.verdicts(on)]
        qualities = [one.picked.terms.quality_permille for _, one in disliked]
        yield bool(disliked) and disliked[-1][0] == wanted["over"]
        yield wanted["above"] == max(qualities, default=-1)
