"""What is counted of one group of traffic, and the numbers an operator reads off it."""

import random
from collections import Counter
from typing import Any, Final, NamedTuple

from transire.workbench.report.sample import Sample
from transire.workbench.report.trace import Attempted, Decided, Ended, Graded, Scored
from transire.workbench.wilson import wilson

__all__ = ["CAUSES", "Between", "Tally"]

CAUSES: Final = ("retry", "fallback", "contract", "escalation", "cache_hit")
"""Why there was a further attempt, or one that asked no deployment."""


class Between(NamedTuple):
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


class Tally:
    """One group: a task, a deployment, or everything.

    Attributes:
        decisions: Outcome → decisions.
        releases: Of the permitted ones, those a person had to release.
        forbidden: Of a deployment: decisions in which policy permitted no form of it.
        causes: Cause → attempts.
        statuses: Status → attempts that ended so.
        repaired: Of those that were ok, answers of which the syntax was repaired.
        cost_micro_usd: Of the attempts whose cost the record knows.
        costed: How many those are.
        tokens_in: As far as upstreams reported them; likewise `tokens_out`.
        metered: Attempts whose tokens were reported.
        judged: Answers that a cascade judged beyond their contract.
        disliked: Of these, those with a verdict of ours; `verdicts` are theirs, by name.
        escalated_for: Verdict → escalations that were made because of it.
        not_escalated: Why answers with a verdict went out → how many.
        superseded_micro_usd: Of the cost, what answers took of which nothing was released.
        scores: How often somebody said how good an answer was; `score_permille` is their sum.
        graded: How often a judge of the bundle scored an answer; `grade_permille` is their sum.
        ungraded: How often one was asked and gave no score.
        judging_micro_usd: What both cost; in no other number here.
        rated: Answers that somebody judged; `helped` are those whose first judgement says so.
    """

    def __init__(self, draw: random.Random) -> None:
        self.decisions: Counter[str] = Counter()
        self.releases = 0
        self.forbidden = 0
        self.causes: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.repaired = 0
        self.cost_micro_usd = 0
        self.costed = 0
        self.tokens_in = 0
        self.tokens_out = 0
        self.metered = 0
        self.judged = 0
        self.disliked = 0
        self.verdicts: Counter[str] = Counter()
        self.escalated_for: Counter[str] = Counter()
        self.not_escalated: Counter[str] = Counter()
        self.superseded_micro_usd = 0
        self.scores = 0
        self.score_permille = 0
        self.graded = 0
        self.grade_permille = 0
        self.ungraded = 0
        self.judging_micro_usd = 0
        self.rated = 0
        self.helped = 0
        self.latency = Sample(draw)
        self.first_byte = Sample(draw)

    def decide(self, event: Decided) -> None:
        """Count a decision."""
        self.decisions[event.outcome] += 1
        self.releases += event.is_release

    def attempt(self, event: Attempted) -> None:
        """Count a permit."""
        self.causes[event.cause] += 1
        self.escalated_for.update(event.verdicts)

    def end(self, event: Ended) -> None:
        """Count an outcome; times are those of answers that were ok, as the others say nothing."""
        self.statuses[event.status] += 1
        self.repaired += event.is_repaired and event.status == "ok"
        if event.verdicts is not None:
            self.judged += 1
            self.disliked += bool(event.verdicts)
            self.verdicts.update(event.verdicts)
        if event.not_escalated:
            self.not_escalated[event.not_escalated] += 1
        if event.status == "superseded":
            self.superseded_micro_usd += event.cost_micro_usd or 0
        if event.cost_micro_usd is not None:
            self.cost_micro_usd += event.cost_micro_usd
            self.costed += 1
        if event.tokens_in is not None and event.tokens_out is not None:
            self.tokens_in += event.tokens_in
            self.tokens_out += event.tokens_out
            self.metered += 1
        if event.status == "ok" and event.latency_ms is not None:
            self.latency.add(event.latency_ms)
        if event.status == "ok" and event.first_byte_ms is not None:
            self.first_byte.add(event.first_byte_ms)

    def score(self, event: Scored) -> None:
        """Count what was said of an answer."""
        self.scores += 1
        self.score_permille += event.score_permille
        if event.helped is not None:
            self.rated += 1
            self.helped += event.helped

    def grade(self, event: Graded) -> None:
        """Count what a judge said of an answer, or that it said nothing."""
        self.judging_micro_usd += event.cost_micro_usd or 0
        if event.score_permille is None:
            self.ungraded += 1
        else:
            self.graded += 1
            self.grade_permille += event.score_permille

    @property
    def mean_grade(self) -> float | None:
        """Mean of the scores that judges gave, 0–1; None where none gave one."""
        return self.grade_permille / (1_000 * self.graded) if self.graded else None

    @property
    def helped_share(self) -> Between | None:
        """Share of the judged answers that helped, with its 95 % interval; None without any."""
        if not self.rated:
            return None
        return Between(self.helped / self.rated, *wilson(self.helped, self.rated))

    @property
    def cost_per_helped_micro_usd(self) -> Between | None:
        """Everything spent, per task that succeeded by feedback; None where none did.

        Few answers are judged: as many of all answers are taken to have helped as of those.
        """
        share, each = self.helped_share, self.cost_per_success_micro_usd
        if share is None or each is None or not self.helped:
            return None
        return Between(each / share.value, each / share.high, each / share.low)

    @property
    def accuracy(self) -> float | None:
        """Mean of the scores given, 0–1; None where nobody gave one."""
        return self.score_permille / (1_000 * self.scores) if self.scores else None

    @property
    def attempts(self) -> int:
        """Permits, the first ones included."""
        return self.causes.total()

    @property
    def ok(self) -> int:
        """Answers that were whole and kept their contract; a decision has at most one."""
        return self.statuses["ok"]

    @property
    def uncosted(self) -> int:
        """Attempts of unknown cost: no price, no usage, or no outcome yet."""
        return self.attempts - self.costed

    @property
    def cost_per_success_micro_usd(self) -> float | None:
        """Everything spent, failed attempts too, per answer that was ok.

        None without such an answer or without any known cost; a lower bound where `uncosted`.
        """
        return self.cost_micro_usd / self.ok if self.ok and self.costed else None

    def rate(self, cause: str) -> float | None:
        """Share of the attempts that were made for this cause; None where there was none."""
        return self.causes[cause] / self.attempts if self.attempts else None

    @property
    def repair_rate(self) -> float | None:
        """Share of the good answers that were good only once repaired; None without any."""
        return self.repaired / self.ok if self.ok else None

    @property
    def verdict_rate(self) -> float | None:
        """Share of the judged answers that had a verdict; None where none was judged."""
        return self.disliked / self.judged if self.judged else None

    @property
    def review_rate(self) -> float | None:
        """Holds per request; a release is the same request again and not counted twice."""
        requests = self.decisions.total() - self.releases
        return self.decisions["review_required"] / requests if requests > 0 else None

    def to_json(self) -> dict[str, Any]:
        """Every number, null where unknown."""
        p50, p95, p99 = self.latency.quantiles(0.5, 0.95, 0.99)
        first = self.first_byte.quantiles(0.5, 0.95, 0.99)
        return {
            "decisions": self.decisions.total(),
            "permitted": self.decisions["permitted"],
            "denied": self.decisions["denied"],
            "held": self.decisions["review_required"],
            "refused": self.decisions["refused"],
            "released": self.releases,
            "review_rate": _rounded(self.review_rate),
            "attempts": self.attempts,
            "ok": self.ok,
            "repaired": self.repaired,
            "repair_rate": _rounded(self.repair_rate),
            "judged": self.judged,
            "verdict_rate": _rounded(self.verdict_rate),
            "verdicts": dict(sorted(self.verdicts.items())),
            "escalated_for": dict(sorted(self.escalated_for.items())),
            "not_escalated": dict(sorted(self.not_escalated.items())),
            "superseded_micro_usd": self.superseded_micro_usd,
            "scores": self.scores,
            "accuracy": _rounded(self.accuracy),
            "graded": self.graded,
            "ungraded": self.ungraded,
            "mean_grade": _rounded(self.mean_grade),
            "judging_micro_usd": self.judging_micro_usd,
            "rated": self.rated,
            "helped": self.helped,
            "helped_share": _told(self.helped_share),
            "cost_per_helped_micro_usd": _told(self.cost_per_helped_micro_usd),
            "contract_violated": self.statuses["contract_violated"],
            "statuses": dict(sorted(self.statuses.items())),
            "open": self.attempts - self.statuses.total(),
            "causes": dict(sorted(self.causes.items())),
            **{f"{cause}_rate": _rounded(self.rate(cause)) for cause in CAUSES},
            "latency_ms": {"p50": p50, "p95": p95, "p99": p99, "exact": self.latency.is_exact},
            "first_byte_ms": dict(zip(("p50", "p95", "p99"), first, strict=True)),
            "cost_micro_usd": self.cost_micro_usd if self.costed else None,
            "cost_unknown_attempts": self.uncosted,
            "cost_per_success_micro_usd": _rounded(self.cost_per_success_micro_usd),
            "cost_is_complete": self.uncosted == 0,
            "tokens_in": self.tokens_in if self.metered else None,
            "tokens_out": self.tokens_out if self.metered else None,
            "tokens_unknown_attempts": self.attempts - self.metered,
        }


def _told(between: Between | None) -> dict[str, float] | None:
    if between is None:
        return None
    return {name: round(value, 4) for name, value in between._asdict().items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
