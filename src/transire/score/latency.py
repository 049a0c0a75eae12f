"""What attempts teach about a deployment's speed and reliability; pure, bounded, forgetful.

Exponentially weighted: the whole answer with its mean absolute deviation, from which a tail is
estimated the way TCP does it (RFC 6298 §2); success; and two lines (`line`), kept apart because
whole-call latency confuses an answer's length with a deployment's health: time to the first token
by the prompt's tokens, known of streams alone, and time of the rest by the answer's tokens. Where
no stream was seen, the second line is of the whole answer. Rules that simulation showed to matter:

- A failure is never a reward: a fast error leaves the latency where it is and lowers success.
- A penalty is bounded by the timeout: one bad minute must not poison the average.
- Knowledge ages: without traffic the sample count halves each `HALF_LIFE_S`, so that a deployment
  that was slow once falls back to its catalog value and is tried again.
"""

import math
from dataclasses import dataclass
from typing import Final

from transire.score.line import EMPTY, Line, drawn, raised

__all__ = [
    "ANSWER_RIDGE_TOKENS",
    "HALF_LIFE_S",
    "LONGEST_MS",
    "PRIOR_SAMPLES",
    "PROMPT_RIDGE_TOKENS",
    "TAIL_DEVIATIONS",
    "Averages",
    "Observed",
    "aged_samples",
    "blend",
    "learn",
    "weight_permille",
]

ALPHA: Final = 0.1
"""Weight of one sample: the last 20 or so attempts make up nine tenths of an average."""

LONGEST_MS: Final = 120_000
"""No sample counts for more: the default deadline of a whole request."""

PRIOR_SAMPLES: Final = 5
"""The catalog's own value weighs as much as five attempts, so one lucky call is no stampede."""

MOST_SAMPLES: Final = 100
"""Past this many samples the prior is forgotten to 5 %; more would only slow the ageing."""

HALF_LIFE_S: Final = 30.0
"""Idle time after which half of the knowledge is gone."""

TAIL_DEVIATIONS: Final = 2.7
"""Mean absolute deviations above the mean: p95 of an exponential, and of log-normals near it."""


PROMPT_RIDGE_TOKENS: Final = 1_000
"""Prompts that vary less than this say little about the time that reading one takes."""

ANSWER_RIDGE_TOKENS: Final = 100
"""Likewise of answers, and the time that writing a token takes."""


@dataclass(frozen=True, slots=True)
class Averages:
    """What has been learned; times in ms, `success` 0–1, `seen_at` on the monotonic clock.

    Attributes:
        first: Time to the first token by the prompt's tokens; None until a stream was seen.
        rest: What follows the first token, or the whole where it is unknown, by the answer's
            tokens.
    """

    samples: float = 0.0
    latency_ms: float = 0.0
    deviation_ms: float = 0.0
    first: Line | None = None
    rest: Line = EMPTY
    success: float = 1.0
    seen_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One deployment as the scorer sees it: integers only, so that a record replays exactly.

    Expected time of an answer of `n` tokens to a prompt of `m`: `base_us + m × us_per_prompt_token
    + n × us_per_token`; meaningless without weight.

    Attributes:
        latency_ms: Average time to the whole answer, whatever was asked.
        tail_ms: About the 95th percentile of it.
        first_base_us: Of the time to the first token, the part that no prompt's length explains;
            None where no stream was seen.
        success_permille: Share of attempts that succeeded.
        weight_permille: How much of it to believe against the catalog's value, 0–1000.
        in_flight: Attempts on the wire from this process.
        is_healthy: The breaker lets an attempt through.
        is_in_quota: No Retry-After of its own is running.
        is_outlier: It fails far more often than its fleet does, and is resting from that.
        is_paced: It refused for being asked too often, and its next turn has not come.
    """

    base_us: int = 0
    us_per_prompt_token: int = 0
    us_per_token: int = 0
    first_base_us: int | None = None
    latency_ms: int = 0
    tail_ms: int = 0
    success_permille: int = 1000
    weight_permille: int = 0
    in_flight: int = 0
    is_healthy: bool = True
    is_in_quota: bool = True
    is_outlier: bool = False
    is_paced: bool = False


def learn(
    averages: Averages,
    *,
    is_success: bool,
    latency_ms: float,
    now: float,
    first_token_ms: float | None = None,
    tokens_in: int | None = None,
    tokens_out: int | None = None,
) -> Averages:
    """The averages after one more attempt; tokens that nobody reported count as the usual many."""
    samples = aged_samples(averages, now)
    alpha = 1.0 if samples < 1 else max(ALPHA, 1 / (samples + 1))
    sample = _bounded(latency_ms)
    if not is_success:
        sample = max(sample, averages.latency_ms)
    mean = averages.latency_ms + alpha * (sample - averages.latency_ms)
    spread = abs(sample - averages.latency_ms) if samples >= 1 else sample / 2
    first, rest = averages.first, averages.rest
    if is_success:
        first, rest = _apart(averages, alpha, sample, first_token_ms, tokens_in, tokens_out)
    else:
        rest = raised(rest, sample - (0.0 if first is None else first.time_ms), alpha)
    return Averages(
        samples=min(samples + 1, MOST_SAMPLES),
        latency_ms=mean,
        deviation_ms=averages.deviation_ms + alpha * (spread - averages.deviation_ms),
        first=first,
        rest=rest,
        # One failure among few must not read as "always fails": the prior is success.
        success=averages.success + ALPHA * ((1.0 if is_success else 0.0) - averages.success),
        seen_at=now,
    )


def _apart(
    averages: Averages,
    alpha: float,
    whole_ms: float,
    first_token_ms: float | None,
    tokens_in: int | None,
    tokens_out: int | None,
) -> tuple[Line | None, Line]:
    """Both lines after one more answer."""
    first, rest = averages.first, averages.rest
    if first_token_ms is not None:
        began = min(_bounded(first_token_ms), whole_ms)
        asked = tokens_in if tokens_in is not None else (0.0 if first is None else first.tokens)
        # What is left of whole answers' times holds their first token's too: it starts anew.
        alpha_rest = 1.0 if first is None else alpha
        first = drawn(first or EMPTY, asked, began, 1.0 if first is None else alpha)
    else:
        alpha_rest = alpha
        began = 0.0 if first is None else min(first.time_ms, whole_ms)
    answered = tokens_out if tokens_out is not None else rest.tokens
    return first, drawn(rest, answered, whole_ms - began, alpha_rest)


def aged_samples(averages: Averages, now: float) -> float:
    """The sample count after idle time took its share."""
    idle = max(0.0, now - averages.seen_at)
    return averages.samples * math.pow(0.5, min(idle / HALF_LIFE_S, 60.0))


def blend(prior: int, seen: int, weight_permille: int) -> int:
    """Between the catalog's value and the observed one, by how much is known."""
    return (prior * (1000 - weight_permille) + seen * weight_permille) // 1000


def weight_permille(averages: Averages, now: float) -> int:
    """How much to believe the averages against a prior, 0–1000."""
    samples = aged_samples(averages, now)
    return int(1000 * samples / (samples + PRIOR_SAMPLES))


def _bounded(value_ms: float) -> float:
    """A hostile or broken measurement (negative, NaN, endless) becomes the worst one."""
    return value_ms if 0 <= value_ms <= LONGEST_MS else float(LONGEST_MS)
