"""A batch in the making: judged in order, a conflict fails one item and leaves no trace."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.domain.budget import Spend
from transire.domain.log import Change, Condition, Item
from transire.errors import BudgetExceeded, ConflictError, IntegrityError, StaleError
from transire.record.disclosure import disclose
from transire.record.draft import Draft, Names, Stamp, Written
from transire.record.merkle import CompactRange, leaf_hash, root_of
from transire.record.seal import StateSeal

SEAL = StateSeal(b"k" * 32)
BLOB = b"evaluation"
DIGEST = hashlib.sha256(BLOB).hexdigest()
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


def draft(state: dict[str, str] | None = None, stored: frozenset[str] = frozenset()) -> Draft:
    known = state or {}
    return Draft(
        tree=CompactRange(),
        state=known,
        stored=stored,
        stamp=Stamp(Names(replica="r1", boot="b1"), NOW, lambda size: bytes(range(size))),
        seal=SEAL,
        sealed=SEAL.of(known),
    )


def item(n: int = 0, **more: Any) -> Item:
    return Item(kind="test", fields={"n": n}, **more)


def sets(key: str, value: str | None) -> dict[str, Any]:
    return {"changes": (Change(key=key, value=value),)}


def wants(key: str, equals: str | None, *, stale: bool = False) -> dict[str, Any]:
    return {"conditions": (Condition(key=key, equals=equals, stale=stale),)}


def entries(made: Draft) -> list[dict[str, Any]]:
    return [orjson.loads(data) for _, data, _ in made.leaves]


def test_an_entry_says_where_when_and_over_which_state_it_was_written() -> None:
    made = draft({"a": "1"})
    written = made.add(item(7, **sets("a", "2")))
    (entry,) = entries(made)

    assert isinstance(written, Written)
    assert entry["id"].startswith("ent_")
    assert written == Written(0, entry["id"], made.leaves[0][2])
    assert {name: entry[name] for name in ("v", "kind", "n", "replica", "boot", "ts", "salt")} == {
        "v": 1,
        "kind": "test",
        "n": 7,
        "replica": "r1",
        "boot": "b1",
        "ts": "2026-11-25T09:00:00.000000Z",
        "salt": bytes(range(16)).hex(),
    }
    assert entry["state"] == SEAL.spelled(SEAL.of({"a": "2"}))
    assert "sd" not in entry


def test_an_items_own_id_is_kept_and_its_own_stamp_is_not() -> None:
    made = draft()
    made.add(Item(kind="test", fields={"id": "dec_1", "ts": "never", "v": 9, "kind": "other"}))
    (entry,) = entries(made)

    assert (entry["id"], entry["v"], entry["kind"]) == ("dec_1", 1, "test")
    assert entry["ts"].startswith("2026")


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        (wants("a", "1"), None),
        (wants("b", None), None),
        (wants("a", "2"), ConflictError),
        (wants("a", None), ConflictError),
        (wants("b", "1"), ConflictError),
        (wants("a", "2", stale=True), StaleError),
    ],
)
def test_an_item_whose_condition_does_not_hold_fails_and_leaves_no_trace(
    condition: dict[str, Any], error: type[Exception] | None
) -> None:
    made = draft({"a": "1"})
    before = made.sealed
    told = made.add(item(**condition, **sets("a", "9"), blobs={DIGEST: BLOB}))

    if error is None:
        assert isinstance(told, Written)
        return
    assert isinstance(told, error)
    assert (made.leaves, made.changes, made.blobs, made.tree.size) == ([], [], {}, 0)
    assert made.sealed == before


def test_changes_of_earlier_items_are_seen_by_later_ones_and_only_by_them() -> None:
    made = draft({"a": "1"})
    told = [
        made.add(item(1, **wants("a", "1"), **sets("a", "2"))),
        made.add(item(2, **wants("a", "1"))),
        made.add(item(3, **wants("a", "2"), **sets("a", None))),
        made.add(item(4, **wants("a", None))),
    ]

    assert [isinstance(one, Written) for one in told] == [True, False, True, True]
    assert [entry["n"] for entry in entries(made)] == [1, 3, 4]
    assert made.changes == [("a", "2"), ("a", None)]
    assert made.sealed == SEAL.of({})


def test_one_item_may_change_a_key_twice() -> None:
    made = draft({"a": "1"})
    made.add(item(changes=(Change(key="a", value="2"), Change(key="a", value="3"))))

    assert made.sealed == SEAL.of({"a": "3"})


def test_every_entry_is_a_leaf_of_the_tree() -> None:
    made = draft()
    for n in range(5):
        made.add(item(n))

    assert [index for index, _, _ in made.leaves] == list(range(5))
    assert [hashed for _, _, hashed in made.leaves] == [leaf_hash(d) for _, d, _ in made.leaves]
    assert made.tree.root() == root_of([hashed for _, _, hashed in made.leaves])


def test_a_blob_is_stored_once_and_under_its_own_digest() -> None:
    made = draft()
    made.add(item(1, blobs={DIGEST: BLOB}))
    again = made.add(item(2, blobs={DIGEST: b"known by its digest already"}))
    knowing = draft(stored=frozenset({DIGEST}))
    known = knowing.add(item(blobs={DIGEST: BLOB}))

    assert made.blobs == {DIGEST: BLOB}
    assert knowing.blobs == {}
    assert isinstance(again, Written)
    assert isinstance(known, Written)
    told = draft().add(item(blobs={DIGEST: b"other"}))
    assert isinstance(told, IntegrityError)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fields": {"score": 0.5}},
        {"fields": {"Name": "x"}},
        {"fields": {"text": "\ud800"}},
        {"fields": {}, "changes": (Change(key="a", value="\ud800"),)},
        {"fields": {}, "changes": (Change(key="\ud800", value="1"),)},
        {"fields": {}, "changes": (Change(key="\ud800", value=None),)},
        {"fields": {"pad": "x" * 70_000}},
        {"fields": {}, "blobs": {DIGEST: "no bytes"}},
    ],
)
def test_what_cannot_be_written_fails_alone(wrong: dict[str, Any]) -> None:
    made = draft({"a": "1"})
    told = made.add(Item(kind="test", **wrong))
    following = made.add(item(2))

    assert isinstance(told, IntegrityError)
    assert isinstance(following, Written)
    assert (following.index, made.changes, made.sealed) == (0, [], SEAL.of({"a": "1"}))


def test_personal_fields_stand_beside_the_tree_and_their_digests_in_it() -> None:
    made = draft()
    made.add(item(disclosures={"comment": "CANARY"}))
    (entry,) = entries(made)
    expected = disclose({"comment": "CANARY"}, {"comment": bytes(range(16))})

    assert "CANARY" not in repr(entry)
    assert entry["sd"] == [digest for digest, _ in expected]
    assert made.disclosures == [(0, digest, encoded) for digest, encoded in expected]


changes = st.builds(Change, key=st.sampled_from("ab"), value=st.none() | st.sampled_from("12"))
conditions = st.builds(
    Condition, key=st.sampled_from("ab"), equals=st.none() | st.sampled_from("12")
)
items = st.builds(
    lambda c, w: Item(kind="test", fields={}, changes=tuple(c), conditions=tuple(w)),
    st.lists(changes, max_size=3),
    st.lists(conditions, max_size=2),
)


@given(st.lists(items, max_size=8))
def test_the_seal_is_always_of_the_state_after_the_last_entry(batch: list[Item]) -> None:
    made, state = draft(), dict[str, str]()
    for one in batch:
        holds = all(state.get(c.key) == c.equals for c in one.conditions)
        told = made.add(one)
        assert isinstance(told, Written) == holds
        for change in one.changes if holds else ():
            if change.value is None:
                state.pop(change.key, None)
            else:
                state[change.key] = change.value

    assert made.sealed == SEAL.of(state)


def spends(micro_usd: int, limit: int | None = 100) -> dict[str, Any]:
    spend = Spend(
        budget="b",
        key="budget/b",
        period="2026-11",
        micro_usd=micro_usd,
        limit_micro_usd=limit,
    )
    return {"spends": (spend,)}


def test_items_of_one_batch_spend_one_after_the_other() -> None:
    made = draft({"budget/b": "2026-11 10"})

    results = [made.add(item(n, **spends(40))) for n in range(4)]

    assert [isinstance(result, Written) for result in results] == [True, True, False, False]
    assert isinstance(results[2], BudgetExceeded)
    assert made.changes[-1] == ("budget/b", "2026-11 90")
    assert len(made.leaves) == 2


def test_what_an_item_gives_back_is_there_for_the_next_one() -> None:
    made = draft({"budget/b": "2026-11 100"})

    refused = made.add(item(**spends(1)))
    settled = made.add(item(**spends(-60, None)))
    taken = made.add(item(**spends(60)))

    assert isinstance(refused, BudgetExceeded)
    assert isinstance(settled, Written)
    assert isinstance(taken, Written)


def test_a_refused_item_moves_no_sum_and_no_seal() -> None:
    made = draft({"budget/b": "2026-11 100"})
    before = made.sealed

    made.add(item(**spends(1), **sets("a", "1")))

    assert (made.sealed, made.changes) == (before, [])
