"""Redaction leaves no finding of what it replaced, and doing it again changes nothing."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.classify.detectors import Keys, detector_of, request_of, text_part

from transire.classify.placeholders import conversation_key, placeholder_namer
from transire.classify.recognizers import MESSAGE_LEVEL
from transire.classify.redact import replacements
from transire.domain.classification import Finding, Redaction
from transire.domain.ids import DataClass

DETECTOR = detector_of()
VALUES = st.sampled_from(
    [
        "bob@acme.com",
        "eve@corp.internal",
        "4111 1111 1111 1111",
        "536-90-4399",
        "+49 30 901820",
        "(212) 555-2368",
        "ghp_" + "2E4Q7RT3XYZWUVKLh5jN8pQ0sV2xZ4bD6fG1",
        "password: hunter2!x9",
        "diagnosed with diabetes",
        "STRICTLY CONFIDENTIAL",
    ]
)
FILLER = st.sampled_from(
    [" ", "\n", ", ", " the ssn is ", " call ", ": ", '"', "<", ">", " a1 ", "🙂"]
)
TEXTS = st.lists(st.one_of(VALUES, FILLER, st.text(max_size=4)), max_size=14).map("".join)

spans = st.tuples(
    st.integers(0, 30), st.integers(1, 10), st.sampled_from("ABC"), st.integers(0, 100)
)


def redacted(*texts: str) -> Redaction | None:
    async def both() -> Redaction | None:
        request = request_of(*texts)
        return await DETECTOR.redact(request, await DETECTOR.classify(request))

    return asyncio.run(both())


@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_no_finding_that_can_be_replaced_is_left(texts: list[str]) -> None:
    redaction = redacted(*texts)

    if redaction is not None:
        assert {f.entity for f in redaction.classification.findings} <= MESSAGE_LEVEL
        assert "PSEUDONYMISED" in redaction.classification.found


def test_what_can_be_replaced_is_replaced() -> None:
    redaction = redacted("call jo@example.org, card 4111 1111 1111 1111")

    assert redaction is not None
    assert "4111" not in redaction.body.parts[0].text
    assert "jo@example.org" not in redaction.body.parts[0].text


@given(TEXTS)
def test_redaction_is_idempotent(text: str) -> None:
    redaction = redacted(text)

    if redaction is not None:
        assert redacted(redaction.body.parts[0].text) is None


@given(st.text("abc ", min_size=40, max_size=60), st.lists(spans, max_size=6))
def test_what_stands_outside_every_span_stays_in_order(
    text: str, drawn: list[tuple[int, int, str, int]]
) -> None:
    part = text_part(text)
    found = [
        Finding(part=0, start=s, end=s + n, entity=e, data_class=DataClass("X"), score_pct=score)
        for s, n, e, score in drawn
    ]
    covered = {at for s, n, _, _ in drawn for at in range(s, s + n)}

    texts, _ = replacements([part], found, lambda *_: "#")

    kept = "".join(char for at, char in enumerate(text) if at not in covered)
    assert texts.get(part.pointer, text).replace("#", "") == kept


@given(st.text(), st.text(), st.text(), st.text())
def test_different_values_never_share_a_placeholder(a: str, b: str, s: str, t: str) -> None:
    one = placeholder_namer(conversation_key(Keys().digest, ("acme", s)))("E", a, 5)
    two = placeholder_namer(conversation_key(Keys().digest, ("acme", t)))("E", b, 5)

    assert (one == two) == ((a, s) == (b, t))
