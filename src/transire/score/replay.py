"""The ranking that a record's own terms lead to, derived again (I8).

A decision's entry carries the seed, the preference and each survivor's terms
(`Ranking.to_json`); from these alone `ranking_from_record` computes the order anew. It never
trusts the order that was written down: `agrees` compares.
"""

from collections.abc import Mapping
from typing import Any

from transire.domain.authorization import Effect, Form, Pair, Verdict
from transire.domain.ids import DeploymentId
from transire.domain.ranking import Candidate, Ranking, Terms
from transire.errors import IntegrityError
from transire.score.rank import FILTERS, Preference, order

__all__ = ["agrees", "is_whole", "ranking_from_record"]


def ranking_from_record(recorded: Mapping[str, Any]) -> Ranking:
    """Derive the ranking again from recorded terms, preference and seed.

    Raises:
        IntegrityError: the record does not hold a ranking.
    """
    try:
        preference = Preference(
            target_ms=recorded["target_ms"],
            near_tie_permille=recorded["near_tie_permille"],
            seed=recorded["seed"],
            sticky=recorded.get("sticky"),
            quality_target_permille=recorded.get("quality_target_permille"),
            preferred=frozenset(map(DeploymentId, recorded.get("preferred", ()))),
        )
        survivors = _survivors(recorded["candidates"])
        dropped = recorded["filtered"]
        filtered = tuple(zip(_pairs(dropped), map(str, dropped["filter"]), strict=True))
        digest = str(recorded["scorer"])
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
        target_ms=preference.target_ms,
        near_tie_permille=preference.near_tie_permille,
        budget_micro_usd=recorded.get("budget_micro_usd"),
        sticky=preference.sticky,
        quality_target_permille=preference.quality_target_permille,
        preferred=preference.preferred,
    )


def is_whole(recorded: Mapping[str, Any]) -> bool:
    """Whether the entry holds every candidate: a ranking that was cut is never guessed at."""
    return "cut" not in recorded["candidates"]


def agrees(recorded: Mapping[str, Any]) -> bool:
    """Whether the recorded order and reason are the ones its inputs give.

    Raises:
        IntegrityError: the record does not hold a ranking.
    """
    again = ranking_from_record(recorded)
    written = _pairs(recorded["candidates"])
    return written == [c.pair for c in again.candidates] and recorded["reason"] == again.reason


def _survivors(columns: Mapping[str, Any]) -> list[Candidate]:
    pairs = _pairs(columns)
    terms = zip(*(_column(columns, name, len(pairs)) for name in Terms._fields), strict=True)
    # Everything ranked was permitted; obligations are no term, so replay needs none of them.
    return [
        Candidate(Verdict(pair=pair, effect=Effect.PERMIT), Terms(*row))
        for pair, row in zip(pairs, terms, strict=True)
    ]


def _column(columns: Mapping[str, Any], name: str, count: int) -> list[Any]:
    """One term of every candidate; what has a default is left out where nobody has another."""
    if not count:
        return []
    if name not in columns and name in Terms._field_defaults:
        return [Terms._field_defaults[name]] * count
    return list(columns[name])


def _pairs(columns: Mapping[str, Any]) -> list[Pair]:
    names = columns["deployment"]
    forms = columns.get("form", [Form.RAW.value] * len(names))
    return [
        Pair(deployment=DeploymentId(name), form=Form(form))
        for name, form in zip(names, forms, strict=True)
    ]
