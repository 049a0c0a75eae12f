"""What one answer of one deployment would cost, take and be worth; pure, integers only.

Costs: expected = estimated input tokens and the bundle's expected output; worst case = one token
per byte of the request, or the whole context window where it holds more than text, and the full
output bound. Latency: queueing + time to the first token + tokens × time per token. The catalog's
value and what was observed, for a prompt and an answer of this size, are blended by how much is
known, stretched by the load, divided by the success rate.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from transire.domain.bundle import RoutingRules
from transire.domain.classification import Classification
from transire.domain.deployment import Deployment
from transire.domain.ids import DeploymentId
from transire.domain.ranking import Terms
from transire.domain.request import RoutingRequest
from transire.score.latency import LONGEST_MS, Observed, blend

__all__ = ["Question", "ask", "estimator", "tail_ms"]

LOWEST_SUCCESS_PERMILLE: Final = 100
"""Below one success in ten the latency is not stretched further; the breaker is the remedy."""

FULL_PERMILLE: Final = 900
"""Share of the concurrency that counts as full; what is asked beyond it waits for the unlucky."""

_STEEPNESS: Final = 8
"""With these two, simulated traffic at two thirds of a fleet's capacity costs a tenth less than
under power of two choices, with no deployment past its capacity (`transire simulate`)."""

TAIL_PRIOR: Final = 2
"""An unseen deployment's 95th percentile, as a multiple of its catalog latency: between the
steady and the brown-out tails of a simulated fleet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a request asks of a deployment, free of content.

    Attributes:
        input_tokens: Estimate, for expected cost and context.
        input_bound: Strict upper bound, for the worst case; None where only the window bounds it.
        output_bound: The caller's bound per choice, or None.
        expected_output: Tokens an answer usually takes.
        choices: `n`.
        max_cost_micro_usd, max_latency_ms: Asserted bounds, or None.
        budget_micro_usd: What is left of the tightest budget that counts this request, or None.
        min_quality_permille: The highest of all floors.
        quality_target_permille: What should be expected of the pick; never below the floor.
        gains: What a predictor expects beside the catalog's quality, or None.
    """

    needs: frozenset[str]
    input_tokens: int
    input_bound: int | None
    output_bound: int | None
    expected_output: int
    choices: int
    task: str
    max_cost_micro_usd: int | None
    max_latency_ms: int | None
    min_quality_permille: int
    budget_micro_usd: int | None = None
    quality_target_permille: int = 0
    gains: Mapping[DeploymentId, int] | None = None


def ask(
    request: RoutingRequest,
    classification: Classification,
    rules: RoutingRules,
    budget_micro_usd: int | None = None,
) -> Question:
    """Gather what the request, its signals and the bundle ask for."""
    body, asserted, signals = request.body, request.assertions, classification.signals
    tokens, size = body.tokens_estimate, body.size_bytes
    if request.prompt is not None:
        tokens, size = tokens + request.prompt.tokens, size + request.prompt.size_bytes
    floor = max(
        signals.quality_floor_permille,
        rules.task_quality_floor_permille.get(signals.task, 0),
        asserted.min_quality_permille or 0,
    )
    return Question(
        needs=body.needs | signals.needs,
        input_tokens=tokens,
        input_bound=max(size, tokens) if body.is_all_text else None,
        output_bound=body.max_output_tokens,
        expected_output=rules.expected_output_tokens,
        choices=max(1, body.n),
        task=signals.task,
        max_cost_micro_usd=asserted.max_cost_micro_usd,
        max_latency_ms=asserted.max_latency_ms,
        min_quality_permille=floor,
        budget_micro_usd=budget_micro_usd,
        quality_target_permille=max(floor, rules.task_quality_target_permille.get(signals.task, 0)),
        gains=signals.gains,
    )


def estimator(question: Question) -> Callable[[Deployment, Observed], Terms]:
    """Every term of one candidate's score, the question's own part worked out once."""
    tokens, strict, choices = question.input_tokens, question.input_bound, question.choices
    limit, task, gains = question.output_bound, question.task, question.gains
    new = tuple.__new__
    likely = question.expected_output if limit is None else min(limit, question.expected_output)

    def estimate(deployment: Deployment, observed: Observed) -> Terms:
        price, cost, worst = deployment.price, None, None
        if price is not None:
            # `Price.cost_micro_usd` and `Deployment.worst_cost_micro_usd` (a property test says
            # so), written out: the calls would cost as much as all else.
            into, out = price.input_micro_usd_per_mtok, price.output_micro_usd_per_mtok
            bound, window = deployment.max_output_tokens, deployment.context_tokens
            usual = bound if likely > bound else likely  # noqa: FURB136 - a call less
            most = bound if limit is None or limit > bound else limit
            asked = window if strict is None or strict > window else strict
            cost = -(-(tokens * into + usual * choices * out) // 1_000_000)
            worst = -(-(asked * into + most * choices * out) // 1_000_000)
        success, latency, in_flight = 1000, deployment.latency_ms, observed.in_flight
        weight, first, per_token = observed.weight_permille, None, 0
        if weight:
            success += (observed.success_permille - 1000) * weight // 1000
            per_token = observed.us_per_token
            read_us = tokens * observed.us_per_prompt_token
            seen = (observed.base_us + read_us + likely * per_token) // 1000
            latency = blend(latency, seen if 0 < seen < LONGEST_MS else _bounded(seen), weight)
            if observed.first_base_us is not None:
                first = _bounded((observed.first_base_us + read_us) // 1000)
        if in_flight:
            latency = _loaded(latency, deployment, observed)
        if success != 1000:
            # Retries multiply the wait: the expected number of attempts is 1 / success.
            latency = latency * 1000 // max(success, LOWEST_SUCCESS_PERMILLE)
        quality = deployment.quality_permille.get(task)
        if quality is None:
            quality = deployment.quality_permille.get("default", 0)
        predicted = None
        if gains is not None:
            predicted = min(1000, max(0, quality + gains.get(deployment.id, 0)))
        # Past the named tuple's own constructor, a Python function that costs as much as the rest.
        return new(
            Terms,
            (
                cost,
                worst,
                latency,
                success,
                quality,
                in_flight,
                predicted,
                first,
                per_token,
                observed.is_outlier,
                observed.is_paced,
            ),
        )

    return estimate


def _bounded(time_ms: int) -> int:
    return min(max(time_ms, 0), LONGEST_MS)


def tail_ms(deployment: Deployment, observed: Observed) -> int:
    """About the 95th percentile of the time to the whole answer, under present load."""
    prior = deployment.latency_ms * TAIL_PRIOR
    return _loaded(blend(prior, observed.tail_ms, observed.weight_permille), deployment, observed)


def _loaded(quiet_ms: int, deployment: Deployment, observed: Observed) -> int:
    """Stretch by utilisation: hardly while there is room, 2× where it is full, then ever more.

    Waiting at a station of many servers is like that: none for long, then soon without bound
    (Sakasegawa 1977 approximates it by a power of the utilisation that grows with the servers).
    """
    full = max(1, deployment.concurrency) * FULL_PERMILLE
    whole, part = full**_STEEPNESS, (1000 * observed.in_flight) ** _STEEPNESS
    return quiet_ms * (whole + part) // whole
