"""The page of marked findings shows the text and runs nothing of it."""

from typing import Any

from transire.cli.marked import marked_page


def page(text: str, *spans: tuple[int, int]) -> str:
    findings: list[dict[str, Any]] = [
        {"start": s, "end": e, "entity": "X<1>", "class": "C", "score": 0.5, "via": None}
        for s, e in spans
    ]
    return marked_page(
        text, {"findings": findings, "classes": ["C"], "failed": [], "uncovered": []}
    )


def test_findings_are_marked_where_they_stand() -> None:
    found = page("to bob now", (3, 6))

    assert "<pre>to <mark>bob<small>X&lt;1&gt; 0.50</small></mark> now</pre>" in found


def test_what_a_text_holds_is_shown_and_never_run() -> None:
    found = page("<script>alert(1)</script>\ud800", (0, 8))

    assert "<script" not in found
    assert "default-src 'none'" in found
    assert found.encode()


def test_overlapping_findings_repeat_no_text() -> None:
    assert page("abcdef", (0, 4), (2, 6)).count("cd") == 1
