"""Filter the permitted set, then order it; pure, deterministic, integers only.

Order of thought: capability → context → state → health → quota → budget → max cost →
max latency → quality floor, each a hard filter; then raw before redacted per deployment; then the
cheapest expected to meet the task's latency target; among near-ties in cost, what answered the
session's last turn, or else power of two choices; then the fastest of the rest, as fallbacks; then
outliers and what is out of its turn, likewise. Each filter looks at one candidate alone, so
tightening a bound only ever removes candidates.

Where a predictor expects something of each candidate, those of which it expects too little for the
task stand behind the others that are in time, the best of them first (ADR 23).

INVARIANT: a prediction is no filter: it neither removes a candidate nor lifts one over a floor.

INVARIANT (I2): what comes out is a subset of `contenders`, which come from policy alone.
INVARIANT: ties are broken by a hash of seed and candidate, never by position, so a candidate that
is filtered out, or was never permitted, cannot move the pick among the others.
Whether a candidate needs review is never looked at (ADR 3).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from transire.domain.authorization import Form, Pair, Verdict
from transire.domain.deployment import Deployment, DeploymentState
from transire.domain.ids import DeploymentId
from transire.domain.ranking import Candidate, Ranking, Terms
from transire.score.estimate import Question, estimator, tail_ms
from transire.score.latency import Observed

__all__ = ["FILTERS", "Contender", "Preference", "order", "rank"]

FILTERS: Final = (
    "capability",
    "context",
    "state",
    "health",
    "quota",
    "budget",
    "max_cost",
    "max_latency",
    "quality",
    "wire",
)
"""Names of the hard filters, in the order in which they are applied and reported.

The last, and `health` and `quota` once more, may be found when an attempt is about to be recorded
(`domain.ranking.Ranking.passing`): `wire` says that what would be sent cannot be built.
"""

(
    _CAPABILITY,
    _CONTEXT,
    _STATE,
    _HEALTH,
    _QUOTA,
    _BUDGET,
    _MAX_COST,
    _MAX_LATENCY,
    _QUALITY,
    _WIRE,
) = range(len(FILTERS))

_MASK: Final = (1 << 64) - 1

_UNKNOWN: Final = 1 << 62
"""Sorts an unknown price behind every known one: unknown is never zero."""

_ACTIVE: Final = DeploymentState.ACTIVE
_RAW: Final = Form.RAW

_Row: TypeAlias = tuple[int, int, str, Candidate]


class Contender(NamedTuple):
    """One permitted pair with what is known of its deployment.

    Attributes:
        is_in_quota: No Retry-After is running anywhere in its quota group.
    """

    verdict: Verdict
    deployment: Deployment
    observed: Observed
    is_in_quota: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """What makes one surviving candidate better than another, besides its terms.

    Attributes:
        target_ms: Latency target of the task for the whole answer.
        near_tie_permille: Costs within this share of the cheapest count as equal.
        seed: The decision's seed; only its low 64 bits matter.
        sticky: Wins among near-ties that are expected to meet the target, whatever their load.
        quality_target_permille: Predicted quality the pick should reach; None ignores predictions.
        preferred: Come before all others of the same form, in their own order.
    """

    target_ms: int
    near_tie_permille: int
    seed: int
    sticky: DeploymentId | None = None
    quality_target_permille: int | None = None
    preferred: frozenset[DeploymentId] = frozenset()


def rank(
    question: Question, contenders: Iterable[Contender], preference: Preference, digest: str
) -> Ranking:
    """Filter and order permitted pairs. O(n log n); the input's order does not matter."""
    new = tuple.__new__  # as in `estimator`
    survivors: list[Candidate] = []
    filtered: list[tuple[int, Pair]] = []
    estimate = estimator(question)
    bounds = (question.budget_micro_usd, question.max_cost_micro_usd, question.max_latency_ms)
    has_bounds = bounds != (None, None, None)
    least_quality = question.min_quality_permille
    needs, tokens, longest = question.needs, question.input_tokens, _longest(question)
    for contender in contenders:
        verdict, deployment, observed, is_in_quota = contender
        # What nearly every candidate passes is asked here, at once; which of it failed, there.
        fits = (
            observed.is_healthy
            and is_in_quota
            and observed.is_in_quota
            and deployment.state is _ACTIVE
            and longest <= deployment.max_output_tokens
            and tokens + longest <= deployment.context_tokens
            and (not needs or needs <= deployment.capabilities)
        )
        failed = None if fits else _first_unfit(question, contender)
        if failed is None:
            terms = estimate(deployment, observed)
            failed = _first_exceeded(question, contender, terms) if has_bounds else None
            if failed is None:
                if terms.quality_permille >= least_quality:
                    survivors.append(new(Candidate, (verdict, terms)))
                    continue
                failed = _QUALITY
        filtered.append((failed, verdict.pair))
    if len(filtered) > 1:
        filtered.sort(key=lambda item: (item[0], item[1].deployment, item[1].form))
    candidates, reason = order(survivors, preference)
    return Ranking(
        candidates=candidates,
        filtered=tuple((pair, FILTERS[index]) for index, pair in filtered),
        reason=reason,
        scorer_digest=digest,
        seed=preference.seed,
        target_ms=preference.target_ms,
        near_tie_permille=preference.near_tie_permille,
        budget_micro_usd=question.budget_micro_usd,
        sticky=preference.sticky,
        quality_target_permille=preference.quality_target_permille,
        preferred=preference.preferred,
    )


def _longest(question: Question) -> int:
    """No answer that must fit is longer than this; the model's own bound may make it shorter."""
    bound = question.output_bound
    return question.expected_output if bound is None else bound


def order(
    survivors: Sequence[Candidate], preference: Preference
) -> tuple[tuple[Candidate, ...], str]:
    """Order candidates that passed the filters, best first, and say why the first one won.

    Reasons: `none`, `only_one`, `cheapest_meeting_target`, `session` (the near-tie that answered
    the last turn), `p2c` (two near-ties compared), `predicted_quality` (too little is expected of
    the cheapest in time), `best_predicted` (of everybody in time), `fastest` (nobody is expected to
    meet the target), `experiment` (its variant prefers it). Outliers, and what is asked out of its
    turn, stand behind the others of their form. Every raw pair stands before every redacted one
    (ADR 3): going redacted is an ordinary fallback, never a saving.
    """
    preferred, redacted = _raw_first(survivors)
    if not preferred:
        return (), "none"
    sound = [c for c in preferred if not (c.terms.is_outlier or c.terms.is_paced)]
    ordered, reason = _ordered(sound or preferred, preference)
    if len(survivors) == 1:
        reason = "only_one"
    if sound and len(sound) < len(preferred):
        behind = [c for c in preferred if c.terms.is_outlier or c.terms.is_paced]
        ordered += _ordered(behind, preference)[0]
    if preference.preferred:
        first = ordered[0]
        ordered.sort(key=lambda c: c.verdict.pair.deployment not in preference.preferred)
        reason = reason if ordered[0] is first else "experiment"
    if redacted:
        ordered += order(redacted, preference)[0]
    return tuple(ordered), reason


def _ordered(alike: Sequence[Candidate], preference: Preference) -> tuple[list[Candidate], str]:
    """Candidates of one form and one standing, best first; at least one."""
    meeting, others = _split(alike, preference)
    short: list[_Row] = []
    if preference.quality_target_permille is not None and meeting:
        meeting, short, reason = _weighed(meeting, preference)
    else:
        reason = _promote(meeting, preference) if meeting else "fastest"
    return [row[3] for row in (*meeting, *short, *others)], reason


def _raw_first(survivors: Sequence[Candidate]) -> tuple[Sequence[Candidate], list[Candidate]]:
    """Raw pairs and redacted ones; where no raw one survived, the redacted ones come first."""
    redacted = [c for c in survivors if c.verdict.pair.form is not _RAW]
    if not redacted or len(redacted) == len(survivors):
        return survivors, []
    return [c for c in survivors if c.verdict.pair.form is _RAW], redacted


def _split(preferred: Sequence[Candidate], preference: Preference) -> tuple[list[_Row], list[_Row]]:
    """Those expected to meet the target, cheapest first, and the rest, fastest first."""
    target = preference.target_ms
    meeting: list[_Row] = []
    others: list[_Row] = []
    for candidate in preferred:
        verdict, terms = candidate
        cost, latency = terms.cost_micro_usd, terms.latency_ms
        if cost is None:
            cost = _UNKNOWN
        if latency <= target:
            meeting.append((cost, latency, verdict.pair.deployment, candidate))
        else:
            others.append((latency, cost, verdict.pair.deployment, candidate))
    return _sorted(meeting, preference.seed), _sorted(others, preference.seed)


def _sorted(rows: list[_Row], seed: int) -> list[_Row]:
    """By the two numbers, then by lot; lots are drawn only where two rows are alike in both."""
    # INVARIANT: names are unique here, so candidates themselves are never compared.
    rows.sort()
    start, end, mixed = 0, len(rows), _mix(seed)
    while start < end:
        first, second, _, _ = rows[start]
        stop = start + 1
        while stop < end and rows[stop][0] == first and rows[stop][1] == second:
            stop += 1
        if stop - start > 1:
            # Stable, and by name already: that decides where two lots are one.
            rows[start:stop] = sorted(rows[start:stop], key=lambda row: _lot(row[2], mixed))
        start = stop
    return rows


def _weighed(meeting: list[_Row], preference: Preference) -> tuple[list[_Row], list[_Row], str]:
    """Of those in time: whoever is expected to be good enough, the others, and why the first won.

    What an upstream cannot help (a slow minute) moves nobody here: latency is judged before.
    """
    target = preference.quality_target_permille or 0
    enough = [row for row in meeting if _predicted(row) >= target]
    short = [row for row in meeting if _predicted(row) < target]
    # Stable: those of which as much is expected stay as `_sorted` left them.
    short.sort(key=lambda row: -_predicted(row))
    if not enough:
        moved = short[0] is not meeting[0]
        return [], short, "best_predicted" if moved else "cheapest_meeting_target"
    was_cheapest = enough[0] is meeting[0]
    reason = _promote(enough, preference)
    return enough, short, reason if was_cheapest else "predicted_quality"


def _predicted(row: _Row) -> int:
    terms = row[3].terms
    return terms.quality_permille if terms.predicted_permille is None else terms.predicted_permille


def _promote(meeting: list[_Row], preference: Preference) -> str:
    """Move the winner among near-ties to the front: the session's own, or power of two choices.

    The latter is on expected latency. The two are those with the lowest lots, which is a uniform
    draw over seeds; comparing two and not all keeps replicas that share nothing from herding.
    """
    limit = meeting[0][0] * (1000 + preference.near_tie_permille) // 1000
    ties = [row for row in meeting if row[0] <= limit]
    if len(ties) == 1:
        return "cheapest_meeting_target"
    mixed = _mix(preference.seed)
    drawn = sorted([(_lot(row[2], mixed), row[1], row) for row in ties])[:2]
    winner, reason = min(drawn, key=lambda two: (two[1], two[0]))[2], "p2c"
    for row in ties:
        if row[2] == preference.sticky:
            winner, reason = row, "session"
    meeting.remove(winner)
    meeting.insert(0, winner)
    return reason


def _first_unfit(question: Question, contender: Contender) -> int | None:
    """Index into `FILTERS` of the first filter that fails before any term is known, or None."""
    _, deployment, observed, is_in_quota = contender
    if not question.needs <= deployment.capabilities:
        return _CAPABILITY
    bound, limit = question.output_bound, deployment.max_output_tokens
    # Without a bound of the caller's, as much as an answer usually takes must fit.
    output = min(question.expected_output, limit) if bound is None else bound
    if output > limit or question.input_tokens + output > deployment.context_tokens:
        return _CONTEXT
    if deployment.state is not _ACTIVE:
        return _STATE
    if not observed.is_healthy:
        return _HEALTH
    return None if observed.is_in_quota and is_in_quota else _QUOTA


def _first_exceeded(question: Question, contender: Contender, terms: Terms) -> int | None:
    """Index into `FILTERS` of the first of the budgets' and caller's bounds passed, or None."""
    worst, latency = terms.worst_cost_micro_usd, question.max_latency_ms
    for which, most in (
        (_BUDGET, question.budget_micro_usd),
        (_MAX_COST, question.max_cost_micro_usd),
    ):
        if most is not None and (worst is None or worst > most):
            return which
    if latency is not None and tail_ms(contender.deployment, contender.observed) > latency:
        return _MAX_LATENCY
    return None


@lru_cache(maxsize=4096)
def _name_hash(deployment: str) -> int:
    return int.from_bytes(hashlib.blake2b(deployment.encode(), digest_size=8).digest(), "big")


def _lot(deployment: str, mixed: int) -> int:
    """A candidate's lot: a hash of seed and name, so that no position in a list can move it.

    Args:
        mixed: `_mix` of the seed.
    """
    return _mix(_name_hash(deployment) ^ mixed)


def _mix(number: int) -> int:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a bijection on 64 bits."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)
