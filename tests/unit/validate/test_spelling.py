"""Log probabilities of judged answers: the same text once more, or nothing."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.validate.received import CLEAN, KEY, answer_of, received_of, said
from tests.unit.validate.test_leakage import NO_KEYS, PERMIT

from transire.domain.answer import AnswerChoice
from transire.validate.spelling import only_judged


def tokens(*texts: str, **more: Any) -> dict[str, Any]:
    return {"content": [token(text, **more) for text in texts], "refusal": None}


def token(text: str, **more: Any) -> dict[str, Any]:
    plain = {"token": text, "logprob": -0.1, "bytes": list(text.encode()), "top_logprobs": []}
    return {**plain, **more}


def with_logprobs(text: str, logprobs: Any) -> AnswerChoice:
    return replace(said(text), logprobs=logprobs)


async def received_choice(choice: AnswerChoice) -> tuple[AnswerChoice, Any]:
    received = await received_of(PERMIT + NO_KEYS, choice)
    assert received.answer is not None
    facts: Any = received.facts["received"]
    return received.answer.choices[0], facts.get("left_out")


async def test_tokens_that_spell_the_answer_stay() -> None:
    choice = with_logprobs("All is well.", tokens("All", " is", " well."))
    found, left_out = await received_choice(choice)

    assert (found, left_out) == (choice, None)


async def test_tokens_that_spell_anything_else_are_left_out_and_the_record_says_so() -> None:
    found, left_out = await received_choice(with_logprobs("All is well.", tokens("the ", KEY)))

    assert (found.content, found.logprobs) == ("All is well.", None)
    assert left_out == ["logprobs"]


async def test_alternatives_are_left_out_for_they_spell_what_nobody_reads() -> None:
    beside = [{"token": KEY, "logprob": -3.0, "bytes": None}]
    choice = with_logprobs("All", tokens("All", top_logprobs=beside))
    found, left_out = await received_choice(choice)

    assert KEY not in repr(found)
    assert found.logprobs == tokens("All")
    assert left_out == ["top_logprobs"]


@pytest.mark.parametrize(
    "hidden",
    [
        token(KEY, bytes=list(b"All")),
        token("All", bytes=list(KEY.encode())),
        token("All", bytes=[300, -1]),
        token(KEY, bytes=[]),
    ],
    ids=["token", "bytes", "no bytes", "empty"],
)
async def test_a_token_and_its_bytes_cannot_tell_two_texts(hidden: dict[str, Any]) -> None:
    found, _ = await received_choice(with_logprobs("All", {"content": [hidden], "refusal": None}))

    assert KEY not in repr(found)
    assert str(list(KEY.encode())) not in repr(found)


async def test_without_rules_about_the_application_they_are_the_deployments_own() -> None:
    answer = answer_of(CLEAN)

    assert only_judged(answer) == (answer, ())
    assert only_judged(answer)[0] is answer


@given(st.text(max_size=12), st.data())
def test_whatever_stays_spells_the_content_and_a_split_character_is_told_in_hex(
    text: str, data: st.DataObject
) -> None:
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    logprobs = {"content": [token("?", bytes=list(p)) for p in pieces], "refusal": None}
    judged, left_out = only_judged(answer_of(with_logprobs(text, logprobs)))
    told: Any = judged.choices[0].logprobs

    assert left_out == ()
    assert b"".join(bytes(one["bytes"]) for one in told["content"]) == raw
    for one, piece in zip(told["content"], pieces, strict=True):
        hexed = "bytes:" + "".join(f"\\x{b:02x}" for b in piece)
        assert one["token"] == (piece.decode() if _is_text(piece) else hexed)


def _is_text(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True
