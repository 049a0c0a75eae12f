"""The permitted set in order, with every term that decided it: the third type of the path."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from transire.domain.authorization import Authorization, Form, Pair, Verdict
from transire.domain.ids import DeploymentId
from transire.domain.request import JsonValue

__all__ = ["MOST_RECORDED", "Candidate", "Ranking", "Terms"]

MOST_RECORDED = 128
"""Deployments listed in one place of an entry, so that even a large fleet's entry stays within
60 KiB; what is longer is cut there and says so (`cut`), and is then not replayed."""


class Terms(NamedTuple):
    """Every term of one candidate's score, integers only, in the order in which they are recorded.

    A tuple, like `Candidate`, because twenty of each are made for every request.

    Attributes:
        cost_micro_usd: Expected cost; None where the price is unknown.
        worst_cost_micro_usd: Input plus the full output bound.
        latency_ms: Expected time to the whole answer of the usual length under present load.
        success_permille: Observed success rate.
        quality_permille: The catalog's quality for the task.
        in_flight: Requests on the wire from this process when scored.
        predicted_permille: Quality expected for this prompt; None where nothing was predicted.
        first_token_ms: Observed time to the first token, for a prompt of this size; None where no
            stream was seen. Part of the latency.
        us_per_token: Observed microseconds per token of an answer; part of the latency.
        is_outlier: It fails far more often than its fleet does: ranked behind all others.
        is_paced: It refused for being asked too often, and its turn has not come: likewise.
    """

    cost_micro_usd: int | None
    worst_cost_micro_usd: int | None
    latency_ms: int
    success_permille: int
    quality_permille: int
    in_flight: int
    predicted_permille: int | None = None
    first_token_ms: int | None = None
    us_per_token: int = 0
    is_outlier: bool = False
    is_paced: bool = False


_USUAL: Final = Terms._field_defaults


class Candidate(NamedTuple):
    """One permitted pair with its terms."""

    verdict: Verdict
    terms: Terms

    @property
    def pair(self) -> Pair:
        """The pair ranked."""
        return self.verdict.pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The permitted set ordered by score, best first.

    Attributes:
        candidates: Those that passed every hard filter; may be empty.
        filtered: (pair, filter name) of permitted pairs a hard filter removed, in filter order.
        reason: Why the first one won (`cheapest_meeting_target`, `session`, `p2c`, …).
        scorer_digest: Names the scorer's configuration, for replay.
        seed: The decision's seed.
        target_ms: The task's latency target.
        near_tie_permille: Costs within this share of the cheapest counted as equal.
        budget_micro_usd: What was left of the tightest budget; None where none counts this.
        sticky: What answered the session's last turn: first among near-ties; None without one.
        quality_target_permille: Predicted quality that the pick should reach; None where no
            prediction counted.
        preferred: What an experiment's variant puts first, of each form.
    """

    candidates: tuple[Candidate, ...]
    filtered: tuple[tuple[Pair, str], ...]
    reason: str
    scorer_digest: str
    seed: int
    target_ms: int
    near_tie_permille: int
    budget_micro_usd: int | None = None
    sticky: DeploymentId | None = None
    quality_target_permille: int | None = None

    def passing(self, passed: Mapping[Pair, str], among: Authorization) -> "Ranking":
        """The ranking with permitted pairs named as filtered that it was made without.

        Args:
            passed: Pair → the filter that it failed only when it was about to be attempted.
        """
        if not passed:
            return self
        permitted = sorted(
            (v.pair for v in among.permitted if v.pair in passed),
            key=lambda pair: (pair.deployment, pair.form),
        )
        return replace(self, filtered=(*self.filtered, *((p, passed[p]) for p in permitted)))

    preferred: frozenset[DeploymentId] = frozenset()

    def to_json(self) -> dict[str, JsonValue]:
        """The ranking as an entry holds it, with everything that decided it; best first.

        Candidates are columns, one list per term: an entry then names each term once and not
        twenty times. `form` stands there only where some pair is redacted, and a term that has a
        default only where some candidate's is another.
        """
        ranked, dropped = self.candidates[:MOST_RECORDED], self.filtered[:MOST_RECORDED]
        candidates = _columns([c.verdict.pair for c in ranked], len(self.candidates))
        terms = zip(*(c.terms for c in ranked), strict=True)
        for name, term in zip(Terms._fields, terms):  # noqa: B905 - no candidates, no columns
            if name not in _USUAL or term.count(_USUAL[name]) < len(term):
                candidates[name] = list(term)
        filtered = _columns([pair for pair, _ in dropped], len(self.filtered))
        filtered["filter"] = [name for _, name in dropped]
        left, wanted = self.budget_micro_usd, self.quality_target_permille
        return {
            **({} if left is None else {"budget_micro_usd": left}),
            **({} if self.sticky is None else {"sticky": self.sticky}),
            **({} if wanted is None else {"quality_target_permille": wanted}),
            **({"preferred": sorted(self.preferred)} if self.preferred else {}),
            "scorer": self.scorer_digest,
            "seed": self.seed,
            "target_ms": self.target_ms,
            "near_tie_permille": self.near_tie_permille,
            "reason": self.reason,
            "candidates": candidates,
            "filtered": filtered,
        }


def _columns(pairs: list[Pair], count: int) -> dict[str, JsonValue]:
    """Names and forms of pairs, of `count` in all."""
    columns: dict[str, JsonValue] = {"deployment": [pair.deployment for pair in pairs]}
    forms = [pair.form for pair in pairs]
    if forms.count(Form.RAW) < len(forms):
        columns["form"] = [form.value for form in forms]
    if len(pairs) < count:
        columns["cut"] = count
    return columns
