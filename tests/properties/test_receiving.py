"""No value of a class that policy forbids in an answer reaches its caller, whole or in a stream."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import FakeClock
from tests.unit.authorize.worlds import pack
from tests.unit.classify.detectors import text_part
from tests.unit.paths import FakeExchange, FakeForwarder, FakeInspector, Path, request
from tests.unit.validate.received import (
    CLEAN,
    KEY,
    MAIL,
    answer_of,
    call,
    governed_by,
    receive_of,
    said,
)

from transire.domain.answer import Chunk, ChunkChoice, Completion
from transire.domain.receiving import Receive, Received
from transire.errors import ContractViolated
from transire.forward.encode import as_chunks

VALUES = {
    "CREDENTIAL": KEY,
    "CONTACT": MAIL,
    "PCI": "4111 1111 1111 1111",
    "NATIONAL_ID": "536-90-4399",
}
CLASSES = sorted(VALUES)
FILLER = st.sampled_from([" ", "\n", ", ", " card ", " the ssn is ", ": ", '"', "{", "[", "🙂"])
texts = st.lists(st.sampled_from(list(VALUES.values())) | FILLER, max_size=8).map("".join)
choices = st.one_of(
    st.builds(said, texts),
    st.builds(lambda text: said('{"a": "x", "b": [1]}', extras={"reasoning": text}), texts),
    st.builds(lambda text: replace(CLEAN, content=None, refusal=text), texts),
    st.builds(lambda text: replace(CLEAN, content=None, tool_calls=(call(text),)), texts),
)
answers = st.lists(choices, min_size=1, max_size=2).map(lambda made: answer_of(*made))
rule_sets = st.tuples(
    st.frozensets(st.sampled_from(CLASSES), max_size=3),
    st.booleans(),
    st.frozensets(st.sampled_from(CLASSES), max_size=2),
)
"""Classes forbidden, whether values may be replaced, and classes forbidden only together."""


@cache
def rules_of(forbidden: frozenset[str], pair: frozenset[str], *, redact: bool) -> str:
    scope = '(principal == Application::"docs-qa", action == Action::"{}", resource)'
    text = f'@id("all") permit {scope.format("receive")};\n'
    if redact:
        text += f'@id("redact") permit {scope.format("receive_redacted")};\n'
    conditions = [[name] for name in sorted(forbidden)] + ([sorted(pair)] if pair else [])
    for number, names in enumerate(conditions):
        asks = " && ".join(f'context.dataClasses.contains(DataClass::"{n}")' for n in names)
        text += (
            f'@id("no.{number}") @reason("no") forbid {scope.format("receive")} when {{ {asks} }};'
        )
    return text


def texts_of(answer: Completion) -> list[str]:
    return [
        text
        for c in answer.choices
        for text in (
            c.content,
            c.refusal,
            *(str(v) for v in c.extras.values()),
            *(t.arguments for t in c.tool_calls),
        )
        if text
    ]


def found_in(rules: str, texts: Sequence[str]) -> frozenset[str]:
    """Classes in the texts, and what they imply, by the detector of those rules."""
    detector = governed_by(rules).detector
    parts = [text_part(text, i) for i, text in enumerate(texts)]
    seen = asyncio.run(detector.classify_answer(parts, "acme"))
    return frozenset(pack().bundle.taxonomy.class_closure(seen.found))


def _stands_in(value: str, text: str) -> bool:
    """Whether the value is there as a word: glued to others, it is no such value to a detector."""
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None


async def _received(receive: Receive, answer: Completion) -> Received:
    return await receive(answer)


@given(answers, rule_sets)
def test_no_forbidden_class_is_in_what_is_received(
    answer: Completion, drawn: tuple[frozenset[str], bool, frozenset[str]]
) -> None:
    forbidden, redact, pair = drawn
    rules = rules_of(forbidden, pair, redact=redact)
    receive = receive_of(rules)
    assert receive is not None
    received = asyncio.run(_received(receive, answer))

    held = found_in(rules, texts_of(answer))
    is_allowed = held.isdisjoint(forbidden) and not (pair and pair <= held)
    if is_allowed:
        assert received.answer is answer
    if received.answer is not None:
        left = texts_of(received.answer)
        now = found_in(rules, left)
        assert now.isdisjoint(forbidden)
        assert not (pair and pair <= now)
        gone = [VALUES[name] for name in held & forbidden if name in VALUES]
        assert not any(_stands_in(value, text) for value in gone for text in left)
    if not redact and not is_allowed:
        assert received.answer is None


@dataclass
class Cut(FakeExchange):
    """An upstream that gives its answer whole, or in any pieces."""

    async def chunks(self) -> AsyncIterator[Chunk]:
        for piece in self.pieces:
            assert isinstance(piece, Chunk)
            yield piece


async def _heard(path: Path, cut: Sequence[int], text: str) -> str:
    """All that a streaming caller gets to see of one answer, however it is cut."""
    edges = [0, *sorted(cut), len(text)]
    pieces = [Chunk(choices=(ChunkChoice(index=0, content=text[a:b]),)) for a, b in pairwise(edges)]
    last = Chunk(choices=(ChunkChoice(index=0, finish_reason="stop"),))
    exchange = Cut(answer_of(said(text)), [*pieces, last])
    forwarder: Any = FakeForwarder(path.events, exchange=exchange)
    path.rewire(forwarder=forwarder)
    try:
        routed = await path.router.route(replace(request("docs-qa"), is_stream=True))
    except ContractViolated as error:
        return repr((error.message, error.facts))
    if routed.relay is not None:
        return "".join([repr(chunk) async for chunk in routed.relay.chunks()])
    assert routed.completion is not None
    return "".join(map(repr, as_chunks(routed.completion)))


def _streaming(receive: Receive | None) -> Path:
    return Path(FakeClock(), inspector=FakeInspector(receive))


def test_no_prefix_of_a_forbidden_value_leaves_at_any_cut_of_a_stream() -> None:
    text = f"Use {KEY} today."
    for redact in (False, True):
        receive = receive_of(rules_of(frozenset({"CREDENTIAL"}), frozenset(), redact=redact))
        for at in range(len(text) + 1):
            heard = asyncio.run(_heard(_streaming(receive), [at], text))

            assert "AKIA" not in heard
            assert ("Use [SECRET] today." in heard) == redact


def test_where_nobody_judges_answers_a_stream_is_passed_on_as_it_comes() -> None:
    heard = asyncio.run(_heard(_streaming(None), [4], "Use it today."))

    assert heard.count("ChunkChoice") == 3
