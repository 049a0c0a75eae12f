"""Thresholds, pairs and their picture, on rows small enough to count by hand."""

import xml.etree.ElementTree as ET

from transire.domain.ids import DataClass
from transire.domain.taxonomy import EntityRule
from transire.workbench.chart import chart
from transire.workbench.measure import Row, evaluate
from transire.workbench.paired import pairs
from transire.workbench.thresholds import (
    at_thresholds,
    curves,
    highest_reaching,
)

ROWS = [
    Row(((0, 4, "A"), (10, 14, "A")), ((0, 4, "A", 90), (11, 13, "A", 50), (20, 24, "A", 60))),
    Row(((0, 4, "A"), (5, 9, "<B>")), ()),
]


def test_a_curve_counts_at_every_threshold() -> None:
    [_, curve] = curves(ROWS)
    counts = [(p.hit, p.found, p.right) for p in (curve.points[pct] for pct in (0, 50, 51, 61, 91))]

    assert [(2, 3, 2), (2, 3, 2), (1, 2, 1), (1, 1, 1), (0, 0, 0)] == counts
    assert curve.points[91].precision is None


def test_the_highest_threshold_that_reaches_a_recall_is_suggested() -> None:
    [nothing, curve] = curves(ROWS)
    reached = [highest_reaching(curve, recall) for recall in (1 / 3, 0.5, 0.66)]

    assert [90, 50, 50] == [point.min_score_pct for point in reached if point]
    assert highest_reaching(curve, 0.7) is None
    assert highest_reaching(nothing, 0.1) is None


def test_a_taxonomys_score_and_count_are_kept_to() -> None:
    rules = {"A": EntityRule(data_class=DataClass("X"), min_score_pct=55, min_count=2)}

    assert at_thresholds(ROWS[0].found, rules) == (ROWS[0].found[0], ROWS[0].found[2])
    assert at_thresholds(ROWS[0].found[:2], rules) == ()


def test_pairs_tell_who_found_what() -> None:
    other = [Row(ROWS[0].wanted, ((10, 14, "A", 9),)), Row(ROWS[1].wanted, ((0, 4, "A", 9),))]
    pair = pairs(ROWS, other, (evaluate(ROWS), evaluate(other)))["A"]

    assert pair.told() == {
        "both": 1,
        "only_first": 1,
        "only_second": 1,
        "neither": 0,
        "recall_difference": 0.0,
        "p_value": 1.0,
        "false_first": 1,
        "false_second": 0,
    }


def test_an_uneven_split_has_the_exact_p() -> None:
    wanted = tuple((i, i + 1, "A") for i in range(6))
    rows = [Row(wanted, ()), Row(wanted, tuple((*span, 9) for span in wanted))]
    pair = pairs(rows[:1], rows[1:], (evaluate(rows[:1]), evaluate(rows[1:])))["A"]

    assert (pair.recall_difference, pair.p_value) == (1.0, 2 / 64)


def test_the_picture_is_well_formed_described_and_loads_nothing() -> None:
    drawn = chart(curves(ROWS), {"A": 55})
    nodes = ET.fromstring(drawn).iter()
    texts = [node.text or "" for node in nodes if node.tag.endswith("desc")]

    assert len(texts) == 2
    assert "At 55: recall 0.33, precision 0.50." in texts[1]
    assert "Not looked for." in texts[0]
    assert "&lt;B&gt;" in drawn
    assert not [word for word in ("<script", "href", "url(", "@import") if word in drawn]
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")


def test_one_span_is_called_one_span() -> None:
    drawn = chart(curves([Row(((0, 4, "A"),), ()), Row(((5, 9, "B"), (0, 4, "B")), ())]), {})

    assert ">1 span</text>" in drawn
    assert ">2 spans</text>" in drawn


def test_a_span_that_two_recognizers_found_is_one_finding() -> None:
    twice = ((0, 4, "A", 75), (0, 4, "A", 97), (20, 24, "A", 50))
    rows = [Row(((0, 4, "A"),), twice)]

    (curve,) = curves(rows)

    assert evaluate(rows)["A"].entities()["overlap"]["precision"] == 0.5
    assert [(p.found, p.right) for p in (curve.points[50], curve.points[76])] == [(2, 1), (1, 1)]
