"""What every entry of a kind says may not be left out: a silence would be consent.

The logs are those of an operator who holds the key and signs what is gone as if it had never been.
"""

import copy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration import test_judgments_in_the_log as judgments
from tests.integration import test_moderations_in_the_log as moderations
from tests.integration import test_rules_of_draws as draws
from tests.integration import test_shadows_in_the_log as shadows
from tests.integration.test_rules_across_entries import (
    ALWAYS,
    KEY,
    NOON,
    Story,
    asked,
    honest,
)
from tests.integration.whole import listing, whole
from tests.unit.record.cases import case

from transire.errors import IntegrityError, RequestError
from transire.record.fields import refusal_fields
from transire.record.required import missing_in
from transire.record.story import Story as OurStory

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "audit"))
import rules as kit_rules
import trees as kit_trees

EVALUATED = "bundle quarantine evaluated_at detector facts evaluation memo"
DECIDED = f"purpose request ranking classes reduced states signals limits redactions {EVALUATED}"
PERMIT = "attempt cause deployment content wire bundle quarantine expires_at provider"
REQUEST = "mac content asked_model bytes tokens parts stream n needs capabilities"
COLUMNS = "quality_permille latency_ms cost_micro_usd worst_cost_micro_usd"
ENDED = "failure latency_ms released_bytes finish_reasons"
KEPT: dict[tuple[Callable[[], Story], str], str] = {
    (honest, "released"): f"permit chosen {DECIDED}",
    (honest, "held"): f"review review_id chosen {DECIDED}",
    (honest, "attempt"): f"permit request_bundle ranking {EVALUATED}",
    (honest, "failed"): ENDED,
    (honest, "key"): "purpose minted_by holder scopes expires_at",
    (honest, "unused"): "by",
    (honest, "genesis"): "by",
    (honest, "activated"): "parent author by",
    (honest, "imposed"): "bundle_digest",
    (honest, "second"): "review_id tenant by queue",
    (draws.tried, "advised"): f"chosen {DECIDED}",
    (draws.tried, "helped"): "tenant app source",
    (draws.tried, "back"): "experiment metric bad attempts control_bad control_attempts",
    (shadows.honest, "copied"): f"permit experiment policies {EVALUATED}",
    (shadows.honest, "over"): ENDED,
    (judgments.honest, "judged"): f"permit judged policies {EVALUATED}",
    (judgments.honest, "over"): ENDED,
    (moderations.honest, "shown"): "permit request purpose policies bundle quarantine facts",
    (moderations.honest, "judged"): "failure latency_ms raised failed",
    (moderations.honest, "decided"): f"code {DECIDED}",
}
WITHIN: dict[tuple[Callable[[], Story], str, str], str] = {
    (honest, "released", "permit"): PERMIT,
    (honest, "attempt", "permit"): PERMIT,
    (shadows.honest, "copied", "permit"): PERMIT,
    (judgments.honest, "judged", "permit"): PERMIT,
    (moderations.honest, "shown", "permit"): PERMIT,
    (honest, "released", "request"): REQUEST,
    (honest, "held", "request"): REQUEST,
    (honest, "held", "review"): "queues expires_at",
    (moderations.honest, "shown", "request"): REQUEST,
}


def told(story: Story) -> list[dict[str, Any]]:
    moment, entries = NOON, []
    for number, entry in enumerate(copy.deepcopy(story).values()):
        moment = entry.pop("at", moment)
        always = {**ALWAYS, "id": f"ent_{number}", "ts": f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"}
        entry.pop("disclosed", None)
        entries.append({**always, **whole(entry, moment)})
    return entries


def said(hear: Callable[[int, dict[str, Any]], None], entries: list[dict[str, Any]]) -> str:
    try:
        for index, entry in enumerate(entries):
            hear(index, entry)
    except (IntegrityError, kit_trees.Finding) as error:
        return error.message
    return ""


def both(entries: list[dict[str, Any]]) -> tuple[str, str]:
    return said(OurStory().tell, entries), said(kit_rules.Story(KEY).read, entries)


def _omissions() -> Iterator[tuple[str, Callable[[], Story], str, str, str]]:
    for (story, name), fields in KEPT.items():
        for field in fields.split():
            yield f"{story.__module__[18:]} {name} {field}", story, name, "", field
    for (story, name, where), fields in WITHIN.items():
        for field in fields.split():
            yield f"{story.__module__[18:]} {name} {where} {field}", story, name, where, field


OMISSIONS = {one[0]: one[1:] for one in _omissions()}


@pytest.mark.parametrize("story", [honest, draws.tried, shadows.honest, judgments.honest])
def test_whole_stories_satisfy_both(story: Callable[[], Story]) -> None:
    entries = told(story())

    assert both(entries) == ("", "")


@pytest.mark.parametrize("omission", OMISSIONS)
@pytest.mark.parametrize("is_null", [False, True], ids=["gone", "null"])
def test_both_refuse_what_leaves_out_what_is_always_written(omission: str, is_null: bool) -> None:
    story, name, where, field = OMISSIONS[omission]
    entries, at = told(story()), list(story()).index(name)
    inner = entries[at][where] if where else entries[at]
    assert inner.pop(field) is not None
    if is_null:
        inner[field] = None

    refusal = f"entry {at} has no `{where or field}` of the type it must have"
    assert both(entries) == (refusal, refusal)


@pytest.mark.parametrize("column", COLUMNS.split())
@pytest.mark.parametrize("name", ["released", "attempt"])
def test_both_refuse_a_ranking_of_which_a_column_is_gone_or_short(name: str, column: str) -> None:
    at = list(honest()).index(name)
    refusal = f"entry {at} has no `ranking` of the type it must have"
    gone, short = told(honest()), told(honest())
    del gone[at]["ranking"]["candidates"][column]
    short[at]["ranking"]["candidates"][column].pop()

    assert both(gone) == both(short) == (refusal, refusal)


@pytest.mark.parametrize(
    ("listed", "cut"), [(0, 1), (0, 129), (127, 129), (128, 128), (129, 130), (129, None)]
)
def test_both_refuse_a_ranking_that_is_cut_where_an_entry_has_room(
    listed: int, cut: int | None
) -> None:
    entries, at = told(honest()), list(honest()).index("released")
    names = [f"d{number}" for number in range(listed)]
    entries[at]["ranking"] = listing(*names, **({} if cut is None else {"cut": cut}))

    refusal = f"entry {at} has no `ranking` of the type it must have"
    assert both(entries) == (refusal, refusal)


def test_a_ranking_of_more_than_an_entry_holds_may_leave_the_pick_out() -> None:
    entries, at = told(honest()), list(honest()).index("released")
    entries[at]["ranking"] = listing(*[f"d{number}" for number in range(128)], cut=129)

    assert both(entries) == ("", "")


@pytest.mark.parametrize("outcome", ["denied", "refused"])
def test_a_request_that_nobody_judged_says_nothing_of_a_judgment(outcome: str) -> None:
    story = {name: honest()[name] for name in ("genesis", "key")}
    entries = told({**story, "bare": asked("dec_9", outcome, chosen=None)})

    assert both(entries) == ("", "")
    entries[-1]["facts"] = "f0"  # of a judgment, all is said or nothing
    refusal = "entry 2 has no `bundle` of the type it must have"
    assert both(entries) == (refusal, refusal)


def test_an_end_that_a_restart_wrote_or_that_was_left_out_may_be_short() -> None:
    for changes in (
        {"status": "unknown", "failure": "restart", "charged_micro_usd": None},
        {"left_out": ["finish_reasons"]},
    ):
        entries, at = told(honest()), list(honest()).index("answered")
        entries[at] |= changes
        del entries[at]["finish_reasons"]

        assert both(entries) == ("", "")


def test_what_the_recorder_writes_of_a_refusal_is_whole() -> None:
    for of in (None, case()):
        fields, _ = refusal_fields(of, case().request, RequestError.code)

        assert missing_in({"kind": "decision", **fields}) is None


@pytest.mark.parametrize("moment", ["2030-01-01T00:00:00.000000Z", "2030-01-01T00:00:00+00:00"])
def test_both_refuse_an_entry_dated_years_after_what_follows_it(moment: str) -> None:
    entries, at = told(honest()), list(honest()).index("failed")
    entries[at]["ts"] = moment

    refusal = f"entry {at + 1} is dated more than a day before an earlier one"
    assert both(entries) == (refusal, refusal)


def test_a_clock_may_be_set_back_a_day_and_no_more() -> None:
    story = {name: honest()[name] for name in ("genesis", "key")}
    entries = told({**story, "bare": asked("dec_9", "refused", chosen=None)})
    entries[1]["ts"] = "2026-11-27T12:00:00.000000Z"
    assert both(entries) == ("", "")

    entries[1]["ts"] = "2026-11-27T12:00:00.000001Z"
    refusal = "entry 2 is dated more than a day before an earlier one"
    assert both(entries) == (refusal, refusal)
