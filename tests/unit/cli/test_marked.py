"""The page of marked findings shows the text and runs nothing of it."""

from typing import Any

from transire.cli.marked import marked_page


def page(text: str, *spans: tuple[int, int]) -> str:
    findings: list[dict[str, Any]] = [
        {"start": s, "end": e, "entity": "X<1>", "class": "C", "score": 0.5, "via": None, "by": "x"}
        for s, e in spans
    ]
    return marked_page(
        text, {"findings": findings, "classes": ["C"], "failed": [], "uncovered": []}
    )


def test_findings_are_marked_where_they_stand() -> None:
    found = page("to bob now", (3, 6))

    assert "<pre>to <mark>bob<small>C: X&lt;1&gt; 0.50 x</small></mark> now</pre>" in found


def test_what_a_text_holds_is_shown_and_never_run() -> None:
    found = page("<script>alert(1)</script>\ud800", (0, 8))

    assert "<script" not in found
    assert "default-src 'none'" in found
    assert found.encode()


def test_overlapping_findings_are_one_mark_and_repeat_no_text() -> None:
    found = page("-abcdef-", (1, 5), (3, 7))

    assert "-<mark>abcdef<small>" in found
    assert found.count("cd") == found.count("<mark>") == found.count("<small>") == 1


def test_one_span_has_one_mark_and_one_row_that_name_all_who_found_it() -> None:
    bob: dict[str, Any] = {"start": 3, "end": 6, "entity": "PERSON", "class": "ID", "via": None}
    code = {**bob, "entity": "CODE", "class": "WORK", "score": 0.5, "by": "patterns"}
    findings = [{**bob, "score": 0.75, "by": "forms"}, {**bob, "score": 0.97, "by": "model"}, code]
    told = {"findings": findings, "classes": ["ID"], "failed": [], "uncovered": []}

    found = marked_page("to bob now", told)

    assert found.count("<mark>") == 1
    assert "<small>ID: PERSON 0.97 model, 0.75 forms</small>" in found
    assert "<small>WORK: CODE 0.50 patterns</small>" in found
    assert found.count("<td>PERSON</td>") == 1
    assert "<td>0.97 model, 0.75 forms</td>" in found
