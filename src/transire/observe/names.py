"""The names of all metrics, each with its labels and meaning; docs/reference/metrics.md lists
exactly these, and a test compares the two.
"""

from dataclasses import dataclass
from typing import Final

__all__ = [
    "ATTEMPTS",
    "ATTEMPT_SECONDS",
    "COST_MICRO_USD",
    "DENIALS_ONLY_UNSCANNED",
    "ESCALATIONS",
    "HELD_REVIEWS",
    "IN_FLIGHT",
    "LEARNED_FAILURES",
    "LEFT_UNTRIED",
    "LOG_QUEUE_DEPTH",
    "METRICS",
    "OVERHEAD_SECONDS",
    "OVERHEAD_UNCLASSIFIED_SECONDS",
    "PREDICTIONS",
    "QUALITY_DRIFT",
    "QUALITY_FOREIGN",
    "REFUSALS",
    "REQUESTS",
    "SCANS",
    "STAGE_SECONDS",
    "STEERED_ESCALATIONS",
    "TOKENS",
    "VARIANTS_ROLLED_BACK",
    "Metric",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: `kind` is `counter`, `gauge` or `histogram`.

    A counter's exposed name ends in `_total` (OpenMetrics 1.0 §5.1), which `name` leaves out.
    """

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()


REQUESTS: Final = Metric(
    name="transire_requests",
    kind="counter",
    help="Requests by how they ended: `ok`, `advice`, `cancelled` or the code of the error.",
    labels=("code",),
)
STAGE_SECONDS: Final = Metric(
    name="transire_stage_seconds",
    kind="histogram",
    help="Time one stage took: classify, moderate, authorize, score, record.",
    labels=("stage",),
)
OVERHEAD_SECONDS: Final = Metric(
    name="transire_overhead_seconds",
    kind="histogram",
    help="Time of an answered request not spent waiting upstream.",
)
OVERHEAD_UNCLASSIFIED_SECONDS: Final = Metric(
    name="transire_overhead_unclassified_seconds",
    kind="histogram",
    help="The same without classification: what governance alone adds.",
)
ATTEMPTS: Final = Metric(
    name="transire_attempts",
    kind="counter",
    help="Attempts by deployment and failure class; `none` is a success.",
    labels=("deployment", "failure"),
)
ATTEMPT_SECONDS: Final = Metric(
    name="transire_attempt_seconds",
    kind="histogram",
    help="Time from the first byte sent to the last received, of attempts with an outcome.",
)
DENIALS_ONLY_UNSCANNED: Final = Metric(
    name="transire_denials_only_unscanned",
    kind="counter",
    help="Denials where some deployment was forbidden for failed or uncovered classes alone.",
)
SCANS: Final = Metric(
    name="transire_scans",
    kind="counter",
    help="Classified requests by outcome: `clean`, `found`, `uncovered`; beside it one for each "
    "recognizer that failed and each class that a weaker model read in part (`reduced`).",
    labels=("outcome", "recognizer"),
)
GUARDS: Final = Metric(
    name="transire_guards",
    kind="counter",
    help="Guards that had something to say, by guard, `raised` or `failed`, and of what: `request` "
    "or `answer`.",
    labels=("guard", "state", "of"),
)
MODERATIONS: Final = Metric(
    name="transire_moderations",
    kind="counter",
    help="Requests that a moderator should have judged, by moderator and what came of it: `ok`, "
    "`nothing` (no text), or why its guards failed (`denied`, `too_large`, `health`, `quota`, or a "
    "class of failures).",
    labels=("moderator", "result"),
)
LEFT_UNTRIED: Final = Metric(
    name="transire_left_untried",
    kind="counter",
    help="Requests that failed although something was left to try, for want of retry budget.",
)
REFUSALS: Final = Metric(
    name="transire_refusals",
    kind="counter",
    help="Permitted pairs that a hard filter of the scorer removed, by filter.",
    labels=("filter",),
)
TOKENS: Final = Metric(
    name="transire_tokens",
    kind="counter",
    help="Tokens as the upstream reported them, by direction (`in`, `out`).",
    labels=("direction",),
)
COST_MICRO_USD: Final = Metric(
    name="transire_cost_micro_usd",
    kind="counter",
    help="Cost of answers by the catalog's prices, in micro-USD.",
)
REPAIRS: Final = Metric(
    name="transire_repaired_answers",
    kind="counter",
    help="Answers of which the JSON syntax was repaired, by deployment and rule; an answer counts "
    "once for each rule used.",
    labels=("deployment", "rule"),
)
PREDICTIONS: Final = Metric(
    name="transire_predictions",
    kind="counter",
    help="Requests with a predicted quality, by what came of it: `kept` the pick, `moved` it, or "
    "would have and was `held`, because its key had used up its share.",
    labels=("outcome",),
)
QUALITY_DRIFT: Final = Metric(
    name="transire_quality_drift_permille",
    kind="gauge",
    help="Population stability index of predicted gains against the held-out rows, in thousandths; "
    "above 250 the model should be judged and fitted anew.",
)
QUALITY_FOREIGN: Final = Metric(
    name="transire_quality_foreign_permille",
    kind="gauge",
    help="Share of recent prompts unlike those the predictor was fitted on: nothing is predicted.",
)
LEARNED_FAILURES: Final = Metric(
    name="transire_learned_failures",
    kind="gauge",
    help="Readings that a fitted model itself spoiled, since its bundle was activated.",
)
CACHE_LOOKUPS: Final = Metric(
    name="transire_cache_lookups",
    kind="counter",
    help="Requests whose answer policy permits to give again, by what was found: `hit`, `miss`, "
    "`unfit` (kept, but not for this request's contract or rules of `receive`).",
    labels=("result",),
)
CACHE_SAVED_MICRO_USD: Final = Metric(
    name="transire_cache_saved_micro_usd",
    kind="counter",
    help="What answers that were given again had cost, in micro-USD.",
)
FEEDBACK: Final = Metric(
    name="transire_feedback",
    kind="counter",
    help="Judgements of answers that were recorded, by source (`application`, `person`).",
    labels=("source",),
)
CACHE_BYTES: Final = Metric(
    name="transire_cache_bytes", kind="gauge", help="Bytes of kept answers, sealed."
)
ESCALATIONS: Final = Metric(
    name="transire_escalations",
    kind="counter",
    help="Answers with a verdict of ours (`cause`), by what came of it: `answered` by a better "
    "deployment, `failed`, or why nobody was asked (`quota`, `none_better`, …).",
    labels=("application", "cause", "result"),
)
STEERED_ESCALATIONS: Final = Metric(
    name="transire_steered_escalations",
    kind="counter",
    help="Escalations asked for by keys whose requests escalate far above what those of their "
    "application's other keys do.",
    labels=("application",),
)
JUDGMENTS: Final = Metric(
    name="transire_judgments",
    kind="counter",
    help="Answers that were to be judged, by what came of it: a score (`ok`), or why there is none "
    "(`denied`, `stakes`, `stale`, `busy`, `resting`, `unfit`, `budget`, `log`, `late`, "
    "`no_score`, `cancelled`, or another class of failures).",
    labels=("deployment", "result"),
)
JUDGMENT_COST_MICRO_USD: Final = Metric(
    name="transire_judgment_cost_micro_usd",
    kind="counter",
    help="What judgments cost, in micro-USD; not in `transire_cost_micro_usd`.",
)
VARIANTS_ROLLED_BACK: Final = Metric(
    name="transire_variants_rolled_back",
    kind="counter",
    help="Variants of canaries that this router took back, by experiment and by the metric in "
    "which they were worse than control.",
    labels=("experiment", "metric"),
)
SHADOWS: Final = Metric(
    name="transire_shadows",
    kind="counter",
    help="Requests that were drawn to be copied, by what came of it: how the copy ended (`ok`, "
    "`failed`, `contract_violated`, `cancelled`), or why there was none (`denied`, `stale`, "
    "`busy`, `unfit`, `budget`, `log`).",
    labels=("deployment", "result"),
)
SHADOW_COST_MICRO_USD: Final = Metric(
    name="transire_shadow_cost_micro_usd",
    kind="counter",
    help="What copies for shadows cost, in micro-USD; not in `transire_cost_micro_usd`.",
)
LOG_QUEUE_DEPTH: Final = Metric(
    name="transire_log_queue_depth",
    kind="gauge",
    help="Entries waiting for the log's next commit.",
)
UNWRITTEN_ENTRIES: Final = Metric(
    name="transire_unwritten_entries",
    kind="gauge",
    help="Outcomes since the start that the log could not take as they were; each has a stand-in.",
)
HELD_REVIEWS: Final = Metric(
    name="transire_held_reviews",
    kind="gauge",
    help="Open reviews: undecided, or approved and not used.",
)
IN_FLIGHT: Final = Metric(
    name="transire_in_flight", kind="gauge", help="Requests admitted and not finished."
)

METRICS: Final = (
    REQUESTS,
    STAGE_SECONDS,
    OVERHEAD_SECONDS,
    OVERHEAD_UNCLASSIFIED_SECONDS,
    ATTEMPTS,
    ATTEMPT_SECONDS,
    DENIALS_ONLY_UNSCANNED,
    SCANS,
    GUARDS,
    MODERATIONS,
    LEFT_UNTRIED,
    REFUSALS,
    TOKENS,
    COST_MICRO_USD,
    REPAIRS,
    PREDICTIONS,
    QUALITY_DRIFT,
    QUALITY_FOREIGN,
    LEARNED_FAILURES,
    CACHE_LOOKUPS,
    CACHE_SAVED_MICRO_USD,
    CACHE_BYTES,
    FEEDBACK,
    ESCALATIONS,
    STEERED_ESCALATIONS,
    JUDGMENTS,
    JUDGMENT_COST_MICRO_USD,
    VARIANTS_ROLLED_BACK,
    SHADOWS,
    SHADOW_COST_MICRO_USD,
    LOG_QUEUE_DEPTH,
    UNWRITTEN_ENTRIES,
    HELD_REVIEWS,
    IN_FLIGHT,
)
