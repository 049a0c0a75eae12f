"""Frames between a router and its log's writer, and the items in them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.domain.budget import Spend
from transire.domain.log import Change, Condition, Item
from transire.errors import (
    ConflictError,
    IntegrityError,
    LogUnavailable,
    LogUncertain,
    StaleError,
    TransireError,
)
from transire.record.message import (
    Frame,
    Frames,
    decode_item,
    encode_item,
    error_of,
    frame,
    message,
    spell_error,
)

ITEM = Item(
    kind="decision",
    fields={"n": 1, "list": ["a", None, True]},
    conditions=(Condition(key="k", equals=None, stale=True), Condition(key="l", equals="1")),
    changes=(Change(key="k", value="1"), Change(key="l", value=None)),
    blobs={"aa": b"\x00one", "bb": b"", "cc": b"three"},
    disclosures={"name": "Ana"},
    erases=frozenset({"y", "x"}),
    spends=(
        Spend(budget="b", key="budget/b", period="2026-11", micro_usd=7, limit_micro_usd=9),
        Spend(budget="c", key="budget/c", period="2026-11", micro_usd=-7, limit_micro_usd=None),
    ),
    since=datetime(2026, 11, 26, 9, tzinfo=UTC),
    until=datetime(2026, 11, 26, 9, 0, 5, 7, tzinfo=UTC),
)


def sent(item: Item, *, linger: bool = False, entry_id: str | None = None) -> Frame:
    data = encode_item(7, item, linger=linger, entry_id=entry_id, blobs=item.blobs)
    [received] = Frames().feed(data)
    return received


def altered(**changes: Any) -> Frame:
    """A frame of `ITEM` with some of its JSON replaced; None leaves the key out."""
    content = {**orjson.loads(sent(ITEM).content), **changes}
    kept = {key: value for key, value in content.items() if value is not None}
    return Frame(7, orjson.dumps(kept), sent(ITEM).side)


@given(
    st.lists(st.tuples(st.integers(0, 2**64 - 1), st.binary(max_size=20), st.binary(max_size=20))),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_frames_are_the_same_however_the_bytes_arrive(
    frames: list[tuple[int, bytes, bytes]], steps: list[int]
) -> None:
    data, at, step, received = b"".join(frame(*one) for one in frames), 0, 0, list[Frame]()
    incoming = Frames()
    while at < len(data):
        size = steps[step % len(steps)]
        received += incoming.feed(data[at : at + size])
        at, step = at + size, step + 1

    assert received == [Frame(*one) for one in frames]


def test_what_is_no_item_has_no_number() -> None:
    [received] = Frames().feed(message({"drop": 7}))

    assert (received.number, received.read()) == (0, {"drop": 7})


@pytest.mark.parametrize("linger", [False, True])
def test_an_item_arrives_as_it_was_sent(linger: bool) -> None:
    received = sent(ITEM, linger=linger)

    assert received.number == 7
    assert decode_item(received) == (ITEM, linger)


def test_an_item_without_an_id_of_its_own_gets_the_one_it_was_sent_with() -> None:
    item, _ = decode_item(sent(ITEM, entry_id="ent_1"))

    assert item.fields == {**ITEM.fields, "id": "ent_1"}


@dataclass
class Text:
    text: str = "t"


@pytest.mark.parametrize("value", ["\ud800", Text(), datetime(2026, 11, 25, tzinfo=UTC), {1: 2}])
def test_what_no_entry_may_hold_does_not_become_text_on_the_way(value: Any) -> None:
    with pytest.raises(TypeError):
        sent(Item(kind="test", fields={"value": value}))


@pytest.mark.parametrize(
    "poison",
    [
        Frame(7, b"", b""),
        Frame(7, b"{", b""),
        Frame(7, b"\xff", b""),
        Frame(7, b"[]", b""),
        Frame(7, b"7", b""),
        Frame(7, b"{}", b""),
        altered(kind=None),
        altered(linger=None),
        altered(fields=7),
        altered(conditions=[["k"]]),
        altered(conditions=7),
        altered(changes=[["k", "v", "w"]]),
        altered(blobs=[]),
        altered(blobs=[["aa", 400]]),
        altered(blobs=[["aa", "4"]]),
        altered(disclosures=["name"]),
        altered(erases=7),
    ],
)
def test_what_is_no_item_is_refused(poison: Frame) -> None:
    with pytest.raises(IntegrityError):
        decode_item(poison)


@pytest.mark.parametrize("kind", [StaleError, ConflictError, IntegrityError, LogUnavailable])
def test_an_error_arrives_as_it_was_told(kind: type[TransireError]) -> None:
    [received] = Frames().feed(message(spell_error(kind("why", facts={"key": "k"}))))
    error = error_of(received.read())

    assert (type(error), error.message, error.facts) == (kind, "why", {"key": "k"})


def test_an_error_of_another_kind_is_told_as_unavailable() -> None:
    assert type(error_of(spell_error(LogUncertain("late")))) is LogUnavailable
