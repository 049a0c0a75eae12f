"""What was replaced comes back as it was, wherever a stream is cut, and nothing else changes."""

import asyncio
import itertools
import re

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.classify.detectors import detector_of, request_of

from transire.classify.recurrences import Recurrences
from transire.classify.restore import Original, TextRestorer
from transire.domain.answer import AnswerChoice, Chunk, ChunkChoice, Completion
from transire.domain.classification import Redaction
from transire.domain.ids import DataClass

DETECTOR = detector_of()
VALUES = st.sampled_from(
    ["bob@acme.com", "eve@corp.internal", "4111 1111 1111 1111", "536-90-4399", "+49 30 901820"]
)
WORDS = st.sampled_from(["Dear", "the", "card", "(", ")", "and", "**", "–", "\n", "1.", "Hello,"])
BENIGN = st.lists(st.one_of(VALUES, WORDS), max_size=14).map(" ".join)
NAME = "<PERSON_bcdfghjklm>"
KNOWN = {NAME: Original("Anna", "PERSON", DataClass("IDENTITY"))}
SIGNS = st.text(alphabet="`~<>\"'=()[]!/.:\\ \n\tax-", max_size=12)
TEXTS = st.lists(
    st.one_of(
        st.just(NAME),
        st.just(NAME[:9]),
        st.sampled_from(["```\n", "https://e.example/", "](", "<a href=", "<code>", "</code>"]),
        SIGNS,
        st.text(max_size=5),
    ),
    max_size=12,
).map("".join)


def redacted(text: str) -> Redaction | None:
    async def both() -> Redaction | None:
        request = request_of(text)
        return await DETECTOR.redact(request, await DETECTOR.classify(request))

    return asyncio.run(both())


def echoed(redaction: Redaction, *cuts: int) -> str:
    """The redacted text as a model's answer, in pieces, restored."""
    assert redaction.placeholders is not None
    restorer = redaction.placeholders.restorer(arguments=False, is_json=False)
    text = redaction.body.parts[0].text
    borders = [0, *sorted(min(c, len(text)) for c in cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(borders)]
    chunks = [Chunk(choices=(ChunkChoice(index=0, content=piece),)) for piece in pieces]
    chunks.append(Chunk(choices=(ChunkChoice(index=0, finish_reason="stop"),)))
    return "".join(c.choices[0].content or "" for c in map(restorer.chunk, chunks))


@given(BENIGN, st.lists(st.integers(0, 200), max_size=6))
def test_restoring_what_was_redacted_changes_nothing(text: str, cuts: list[int]) -> None:
    redaction = redacted(text)

    if redaction is not None:
        assert echoed(redaction, *cuts) == text


@given(BENIGN)
def test_restoring_a_whole_answer_is_restoring_its_stream(text: str) -> None:
    redaction = redacted(text)

    if redaction is not None and redaction.placeholders is not None:
        answer = AnswerChoice(
            index=0,
            content=redaction.body.parts[0].text,
            refusal=None,
            tool_calls=(),
            finish_reason="stop",
        )
        whole = Completion(choices=(answer,), usage=None, model="", created=0)
        made = redaction.placeholders.restorer(arguments=False, is_json=False).whole(whole)
        assert made.choices[0].content == echoed(redaction) == text


def restored(text: str, *cuts: int) -> tuple[list[str], str]:
    restorer = TextRestorer(KNOWN, lambda _, __: None)
    borders = [0, *cuts, len(text)]
    pieces = [restorer.feed(text[a:b]) for a, b in itertools.pairwise(borders)]
    return pieces, "".join(pieces) + restorer.close()


@given(TEXTS)
def test_no_cut_changes_what_is_restored(text: str) -> None:
    _, whole = restored(text)

    assert {restored(text, cut)[1] for cut in range(len(text) + 1)} == {whole}
    assert restored(text, *range(1, len(text)))[1] == whole


@given(TEXTS)
def test_only_placeholders_change_and_only_into_their_values(text: str) -> None:
    _, whole = restored(text)

    pattern = re.escape(text).replace(re.escape(NAME), f"(?:{re.escape(NAME)}|Anna)")
    assert re.fullmatch(pattern, whole)


@given(TEXTS, st.integers(0, 200))
def test_what_was_released_is_a_beginning_of_the_whole(text: str, cut: int) -> None:
    pieces, whole = restored(text, min(cut, len(text)))

    assert whole.startswith("".join(pieces))
    assert whole.startswith(pieces[0])


@given(st.text(), st.text(min_size=2, max_size=9), st.text())
def test_no_value_that_is_more_than_a_word_is_left(before: str, value: str, after: str) -> None:
    value = f"{value}@"
    finder = Recurrences([(value, False)])

    text, _ = finder.replaced(before + value + after + value, lambda *_: "\0")

    assert value not in text
