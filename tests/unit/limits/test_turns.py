"""Turns are taken fairly: no party waits for more than one turn of each other one."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.limits.turns import NoRoomError, Turns


async def run(
    parties: Sequence[str], *, places: int = 1, room: int = 100
) -> tuple[list[str], list[str]]:
    """Ask in this order while nothing is given back; who was served, in order, and who was not."""
    turns, served, refused = Turns(places=places, room=room), list[str](), list[str]()
    go = asyncio.Event()

    async def ask(party: str) -> None:
        try:
            async with turns.turn(party):
                served.append(party)
                await go.wait()
        except NoRoomError:
            refused.append(party)

    asking = []
    for party in parties:
        asking.append(asyncio.ensure_future(ask(party)))
        await asyncio.sleep(0)
    go.set()
    await asyncio.gather(*asking)
    assert turns._free == places
    assert (turns._waiting, turns._queues, turns._served) == (0, {}, {})
    assert not turns._held
    return served, refused


async def test_whoever_asks_once_waits_for_one_turn_of_who_asks_often() -> None:
    served, _ = await run(["loud"] * 20 + ["quiet"])

    assert served.index("quiet") == 1


async def test_a_newcomer_takes_the_waiting_place_of_who_holds_most() -> None:
    served, refused = await run(["loud"] * 9 + ["quiet"], room=8)

    assert "quiet" in served
    assert refused == ["loud"]


async def test_who_holds_most_is_refused_where_there_is_no_room() -> None:
    served, refused = await run(["loud"] * 12, room=8)

    assert (len(served), len(refused)) == (9, 3)


async def test_one_party_alone_may_use_every_place() -> None:
    served, refused = await run(["one"] * 6, places=2, room=4)

    assert (served, refused) == (["one"] * 6, [])


@pytest.mark.parametrize("is_served_meanwhile", [False, True])
async def test_whoever_leaves_keeps_no_place(is_served_meanwhile: bool) -> None:
    turns = Turns(places=1, room=4)
    async with turns.turn("a"):
        leaving = asyncio.ensure_future(turns._take("b"))
        await asyncio.sleep(0)
        if not is_served_meanwhile:
            leaving.cancel()
            await asyncio.sleep(0)
    if is_served_meanwhile:
        leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving

    assert (turns._free, turns._waiting, turns._queues, turns._served) == (1, 0, {}, {})


@given(st.lists(st.sampled_from("abc"), max_size=40), st.integers(1, 3), st.integers(0, 12))
def test_nobody_is_refused_while_holding_less_than_an_even_share(
    parties: list[str], places: int, room: int
) -> None:
    served, refused = asyncio.run(run(parties, places=places, room=room))

    assert Counter(parties) == Counter(served) + Counter(refused)
    waited = Counter(served[places:]) if len(parties) > places else Counter[str]()
    for party in set(refused):
        assert waited[party] >= room // len(set(parties))


@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=30))
def test_between_two_turns_of_a_party_every_other_that_waits_has_one(parties: list[str]) -> None:
    served, _ = asyncio.run(run(parties))
    for at, party in enumerate(served[1:], start=1):
        rest = served[at + 1 :]
        if party in rest:
            between = rest[: rest.index(party)]
            assert {p for p in rest if p != party} == set(between)
