"""A ranking as a record holds it, and the same ranking derived again from that record (I8).

The record carries the seed, the preference and each survivor's terms; from these alone
`ranking_from_inputs` computes the order anew. It never trusts the order that was written down:
`agrees` compares.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from transire.domain.decision import Candidate, Effect, Form, Pair, Ranking, Terms, Verdict
from transire.domain.ids import DeploymentId
from transire.domain.request import JsonValue
from transire.errors import IntegrityError
from transire.score.rank import FILTERS, Preference, order

__all__ = ["agrees", "ranking_from_inputs", "ranking_to_json"]


def ranking_to_json(ranking: Ranking, preference: Preference) -> dict[str, JsonValue]:
    """The ranking with everything that decided it; names and integers only, best first."""
    return {
        "seed": ranking.seed,
        "target_ms": preference.target_ms,
        "near_tie_permille": preference.near_tie_permille,
        "reason": ranking.reason,
        "scorer_digest": ranking.scorer_digest,
        "candidates": [
            {**_pair_to_json(candidate.pair), "terms": asdict(candidate.terms)}
            for candidate in ranking.candidates
        ],
        "filtered": [{**_pair_to_json(pair), "by": by} for pair, by in ranking.filtered],
    }


def ranking_from_inputs(recorded: Mapping[str, Any]) -> Ranking:
    """Derive the ranking again from recorded terms, preference and seed.

    Raises:
        IntegrityError: the record does not hold a ranking.
    """
    try:
        preference = Preference(
            target_ms=recorded["target_ms"],
            near_tie_permille=recorded["near_tie_permille"],
            seed=recorded["seed"],
        )
        survivors = [_candidate(item) for item in recorded["candidates"]]
        filtered = tuple((_pair(item), str(item["by"])) for item in recorded["filtered"])
        digest = str(recorded["scorer_digest"])
        candidates, reason = order(survivors, preference)
    except (KeyError, TypeError, ValueError):
        raise IntegrityError("the recorded ranking is malformed") from None
    if any(by not in FILTERS for _, by in filtered):
        raise IntegrityError("the recorded ranking names an unknown filter")
    return Ranking(
        candidates=candidates,
        filtered=filtered,
        reason=reason,
        scorer_digest=digest,
        seed=preference.seed,
    )


def agrees(recorded: Mapping[str, Any]) -> bool:
    """Whether the recorded order and reason are the ones its inputs give."""
    again = ranking_from_inputs(recorded)
    written = [_pair(item) for item in recorded["candidates"]]
    return written == [c.pair for c in again.candidates] and recorded["reason"] == again.reason


def _pair_to_json(pair: Pair) -> dict[str, JsonValue]:
    return {"deployment": pair.deployment, "form": pair.form.value}


def _pair(item: Mapping[str, Any]) -> Pair:
    return Pair(deployment=DeploymentId(item["deployment"]), form=Form(item["form"]))


def _candidate(item: Mapping[str, Any]) -> Candidate:
    # Everything ranked was permitted; obligations are no term, so replay needs none of them.
    return Candidate(
        verdict=Verdict(pair=_pair(item), effect=Effect.PERMIT), terms=Terms(**item["terms"])
    )
