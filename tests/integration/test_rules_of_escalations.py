"""What entries say of escalations: both verifiers refuse the same contradictions, and types."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration.test_rules_across_entries import (
    ESCALATION,
    Story,
    _both,
    _escalated,
    _with,
    honest,
    ours,
    theirs,
    write,
)
from tests.integration.whole import listing

Change = Callable[[Story], None]
NAMES = [*"abcdfga"]
FORMS = ["raw"] * 6 + ["redacted"]


def _ranked(name: str, **terms: Any) -> Change:
    """An attempt's ranking, with terms of what it picked: `a` is first, `b` second."""

    def change(story: Story) -> None:
        columns = {term: [value] * len(NAMES) for term, value in terms.items()}
        story[name]["ranking"] = listing(*NAMES, form=FORMS, **columns)
        for row in story[name]["permit"].get("reserved", ()):
            row["micro_usd"] = max(row["micro_usd"], terms.get("worst_cost_micro_usd") or 0)

    return change


def _unbudgeted(story: Story) -> None:
    """No budget counts this application."""
    for name in ("released", "attempt", "free"):
        story[name]["permit"].pop("reserved")
    for name in ("late", "answered"):
        story[name].pop("charged_micro_usd")


def _untold(name: str) -> Change:
    """An attempt's ranking is so long that the entry does not list what it picked."""
    names = [f"d{number}" for number in range(128)]
    return lambda story: story[name].update(ranking=listing(*names, cut=129))


def _says(**changes: Any) -> Change:
    def change(story: Story) -> None:
        story["attempt"]["escalation"] = {**ESCALATION, **changes}

    return change


def _thought(**changes: Any) -> Change:
    return lambda story: story["late"].update(appraisal={"verdicts": ["refusal"], **changes})


def _no_longer(name: str, field: str) -> Change:
    return lambda story: story[name].pop(field)


def _third(**changes: Any) -> Change:
    """The second answer had a verdict, too, and was escalated over."""

    def change(story: Story) -> None:
        third: dict[str, Any] = {**story["attempt"], "escalation": {**ESCALATION, **changes}}
        permit = {**third["permit"], "attempt": 3, "deployment": "g"}
        answered = {**story["answered"], "attempt": 3, "deployment": "g"}
        story["answered"] |= {
            "status": "superseded",
            "appraisal": {"verdicts": ["low_confidence"], "confidence": 80},
            "charged_micro_usd": None,
        }
        rest = list(story.items())
        at = list(story).index("answered") + 1
        permit["reserved"] = [{**row, "micro_usd": 0} for row in permit["reserved"]]
        added = [("third", {**third, "permit": permit}), ("last", answered)]
        story.clear()
        story.update([*rest[:at], *added, *rest[at:]])

    return change


OVER_THE_SECOND = {"verdicts": ["low_confidence"], "over": 2, "above": 700}

HONEST: dict[str, Change] = {
    "every term within its bound": _both(
        _ranked("released", quality_permille=600),
        _ranked("attempt", quality_permille=601, latency_ms=20_000, worst_cost_micro_usd=9),
        _says(max_cost_micro_usd=9),
    ),
    "an unknown price where no bound was asked for": _both(
        _unbudgeted, _ranked("attempt", quality_permille=700, worst_cost_micro_usd=None)
    ),
    "terms that are not told": _both(_untold("attempt"), _says(max_cost_micro_usd=0)),
    "an appraisal with all its numbers": _thought(confidence=0, score=1_000, failed=True),
    "a second escalation over the second answer": _third(**OVER_THE_SECOND),
    "a second escalation over the first answer again": _both(
        _third(),
        lambda story: story["answered"].update(status="failed", appraisal=None),
    ),
    "one over a broken contract": _both(
        _says(verdicts=["contract"]),
        lambda story: story["late"].update(status="contract_violated", appraisal=None),
    ),
    "one over what nobody knows the end of": _both(
        lambda story: story["late"].update(status="unknown", appraisal=None),
        lambda story: story["answered"].update(status="unknown", charged_micro_usd=None),
    ),
    "an answer that failed while it was kept": lambda story: story["late"].update(
        status="failed", failure="quarantined", not_escalated="failed"
    ),
    "nulls, which are absent": lambda story: story[
        "failed" if "failed" in story else "late"
    ].update(not_escalated=None),
}


@pytest.mark.parametrize("story", HONEST)
def test_both_accept_what_an_honest_escalation_says(tmp_path: Path, story: str) -> None:
    told = honest()
    _both(_escalated(), HONEST[story])(told)
    write(tmp_path / "data", told)

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == ""


LIES: dict[str, tuple[str, Change]] = {
    "it is over itself": ("attempt", _says(over=2)),
    "it is over no attempt": ("attempt", _says(over=0)),
    "it goes to no higher quality": ("attempt", _ranked("attempt", quality_permille=600)),
    "it asks for less than the answer had": (
        "attempt",
        _both(_ranked("released", quality_permille=650), _ranked("attempt", quality_permille=700)),
    ),
    "it goes to what was too slow": (
        "attempt",
        _ranked("attempt", quality_permille=700, latency_ms=20_001),
    ),
    "it goes to what was too dear": (
        "attempt",
        _both(
            _ranked("attempt", quality_permille=700, worst_cost_micro_usd=10),
            _says(max_cost_micro_usd=9),
        ),
    ),
    "it goes to what has no price, within a bound": (
        "attempt",
        _both(
            _ranked("attempt", quality_permille=700, worst_cost_micro_usd=None),
            _says(max_cost_micro_usd=9),
        ),
    ),
    "the answer had another verdict": ("late", _thought(verdicts=["low_confidence"])),
    "the answer had a verdict more": ("late", _thought(verdicts=["refusal", "evaluator"])),
    "the answer had none": (
        "late",
        lambda story: story["late"].update(status="failed", appraisal=None),
    ),
    "the answer broke its contract, and it names a refusal": (
        "late",
        lambda story: story["late"].update(status="contract_violated", appraisal=None),
    ),
    "a superseded answer without a verdict": ("late", _thought(verdicts=[])),
    "a superseded answer that nobody judged": ("late", _no_longer("late", "appraisal")),
    "an answer with a verdict that says not why it went out": (
        "answered",
        lambda story: story["answered"].update(appraisal={"verdicts": ["refusal"]}),
    ),
    "an answer without a verdict that says why it was not escalated": (
        "answered",
        lambda story: story["answered"].update(not_escalated="quota"),
    ),
    "a second one over less than the first": (
        "third",
        _third(**{**OVER_THE_SECOND, "above": 599}),
    ),
    "a second one over other verdicts than the second answer's": (
        "third",
        _third(**{**OVER_THE_SECOND, "verdicts": ["evaluator"]}),
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_both_refuse_an_escalation_that_contradicts_itself_or_others(
    tmp_path: Path, lie: str
) -> None:
    where, change = LIES[lie]
    told = honest()
    _both(_escalated(), change)(told)
    write(tmp_path / "data", told)

    assert theirs(tmp_path / "data") == ours(tmp_path / "data")
    assert ours(tmp_path / "data").startswith(f"entry {list(told).index(where)} ")


NEVER: dict[str, list[Any]] = {
    "verdicts": [None, "refusal", [], [1], [None], ["refusal", "refusal"], {}],
    "over": [None, "1", True, -1, [1]],
    "above": [None, "600", False, -1],
    "within_ms": [None, "1", -1, {}],
    "max_cost_micro_usd": ["9", True, -1, [9]],
}
NEVER_THOUGHT: dict[str, list[Any]] = {
    "verdicts": [None, "refusal", [2], ["refusal", "refusal"]],
    "confidence": ["1", True, -1, 1_001],
    "score": ["1", True, -1, 1_001],
    "failed": ["yes", 1, []],
}
ODD = [
    (where, name, value)
    for where, never in (("attempt", NEVER), ("late", NEVER_THOUGHT))
    for name, values in never.items()
    for value in values
]


@pytest.mark.parametrize("place", range(len(ODD)))
def test_both_refuse_another_type_by_name(tmp_path: Path, place: int) -> None:
    where, field, value = ODD[place]
    told = honest()
    _escalated()(told)
    whole = "escalation" if where == "attempt" else "appraisal"
    told[where][whole] = {**told[where][whole], field: value}
    write(tmp_path / "data", told)
    at = list(told).index(where)

    refusal = f"entry {at} has no `{whole}` of the type it must have"
    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == refusal


@pytest.mark.parametrize(
    ("where", "field", "value"),
    [
        ("attempt", "escalation", "refusal"),
        ("attempt", "escalation", ["refusal"]),
        ("late", "appraisal", ["refusal"]),
        ("late", "appraisal", True),
        ("late", "not_escalated", 1),
        ("late", "not_escalated", ["quota"]),
        ("late", "released_bytes", "0"),
        ("late", "released_bytes", False),
    ],
)
def test_both_refuse_another_type_of_the_whole(
    tmp_path: Path, where: str, field: str, value: Any
) -> None:
    told = honest()
    _both(_escalated(), _with(where, **{field: value}))(told)
    write(tmp_path / "data", told)
    at = list(told).index(where)

    refusal = f"entry {at} has no `{field}` of the type it must have"
    assert ours(tmp_path / "data") == theirs(tmp_path / "data") == refusal


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("quality_permille", ["700"]),
        ("quality_permille", [None]),
        ("quality_permille", 700),
        ("latency_ms", [True]),
        ("worst_cost_micro_usd", ["9"]),
        ("worst_cost_micro_usd", [False]),
    ],
)
def test_both_refuse_terms_of_another_type(tmp_path: Path, column: str, value: Any) -> None:
    told = honest()
    told["released"]["ranking"] = listing("a", **{column: value})
    write(tmp_path / "data", told)

    assert ours(tmp_path / "data") == theirs(tmp_path / "data") != ""
