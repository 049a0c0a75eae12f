"""Lists of reviews: what waits, oldest first; what is over, newest first; each review once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import MemoryLog
from tests.unit.review.reviews import NOW, review

from transire.api.reviews import State
from transire.domain.ids import make_ulid
from transire.review.listing import FILTERS, Page, Wanted, read_page
from transire.review.openings import opening
from transire.review.states import STATES, Review

DECIDED = {"by": "rita", "at": NOW.isoformat(), "saw_content": False}
LATER = (NOW + timedelta(hours=1)).isoformat()
ENDS: dict[str, dict[str, Any]] = {
    "pending": {},
    "claimed": {"claimed_by": "rita", "claimed_at": NOW.isoformat()},
    "approved": {"queues": {"claims": DECIDED}},
    "denied": {"denied_by": "rita"},
    "expired": {"expires_at": NOW.isoformat()},
    "cancelled": {"cancelled": True},
    "spent": {"spent_by": "dec_2"},
}
OPEN, CLOSED = ["pending", "claimed", "approved"], ["denied", "expired", "cancelled", "spent"]


def made(number: int, state: str, **changes: Any) -> Review:
    name = f"rev_{number:026d}"
    return review(**{"id": name, "expires_at": LATER, **ENDS[state], **changes})


def kept(*reviews: Review) -> MemoryLog:
    """A log that holds them, as their entries left it; an expired one was not swept yet."""
    log = MemoryLog({f"review/{r.id}": r.to_json() for r in reviews})
    for one in reviews:
        if one.state(NOW) in (*OPEN, "expired"):
            mark = opening(one)
            log.state[mark.key] = str(mark.value)
    return log


async def walked(log: MemoryLog, wanted: Wanted) -> AsyncIterator[list[str]]:
    """Ids, page by page, to the end."""
    while True:
        page = await read_page(log, wanted, NOW)
        yield [r.id for r in page.reviews]
        if page.next is None:
            return
        wanted = replace(wanted, after=page.next)


def ids(log: MemoryLog, **wanted: Any) -> list[str]:
    async def all_of() -> list[str]:
        pages = walked(log, Wanted(**{"tenant": "acme", **wanted}))
        return [name async for page in pages for name in page]

    return asyncio.run(all_of())


def test_what_waits_comes_oldest_first_and_what_is_over_newest_first() -> None:
    many = [made(n, state) for n, state in enumerate([*OPEN, *CLOSED, *CLOSED, *OPEN])]
    log, names = kept(*many), [r.id for r in many]

    assert ids(log) == names[:3] + names[-3:]
    assert ids(log, state="closed") == names[3:-3][::-1]


@pytest.mark.parametrize("state", sorted(STATES))
def test_one_state_is_listed_alone(state: str) -> None:
    log = kept(*(made(n, each) for n, each in enumerate(sorted(STATES))))

    assert ids(log, state=state) == [made(sorted(STATES).index(state), state).id]


def test_no_other_tenants_review_and_no_other_queues_is_listed() -> None:
    claims, stakes = {"claims": None}, {"stakes": None}
    for state in ("pending", "denied"):
        mine = made(1, state, queues=claims)
        log = kept(mine, made(2, state, tenant="other"), made(3, state, queues=stakes))

        assert ids(log, state=state, queue="claims") == [mine.id]
        assert len(ids(log, state=state)) == 2
        assert ids(log, state=state, tenant="nobody") == []


rows = st.lists(
    st.tuples(st.sampled_from(sorted(STATES)), st.sampled_from(["acme", "other"])), max_size=24
)


@given(rows, st.sampled_from(sorted(FILTERS)), st.integers(1, 7))
def test_pages_hold_every_wanted_review_once_and_never_more_than_was_asked(
    many: list[tuple[str, str]], state: str, limit: int
) -> None:
    reviews = [made(n, each, tenant=tenant) for n, (each, tenant) in enumerate(many)]
    wanted = Wanted(tenant="acme", state=state, limit=limit)

    async def pages() -> list[list[str]]:
        return [page async for page in walked(kept(*reviews), wanted)]

    found = asyncio.run(pages())

    assert all(len(page) <= limit for page in found)
    assert all(len(page) == limit for page in found[:-1])
    assert sorted(name for page in found for name in page) == [
        r.id for r in reviews if r.tenant == "acme" and r.state(NOW) in wanted.states
    ]


@given(rows, st.sampled_from(sorted(FILTERS)), st.integers(1, 7), st.sets(st.integers(0, 23)))
def test_what_a_reader_may_not_see_is_neither_listed_nor_named_nor_makes_a_page_short(
    many: list[tuple[str, str]], state: str, limit: int, hidden: set[int]
) -> None:
    reviews = [made(n, each, tenant=tenant) for n, (each, tenant) in enumerate(many)]
    unseen = {made(n, "pending").id for n in hidden}
    wanted, log = Wanted(tenant="acme", state=state, limit=limit), kept(*reviews)

    async def pages() -> list[Page]:
        found, asked = list[Page](), wanted
        while True:
            found.append(await read_page(log, asked, NOW, lambda r: r.id not in unseen))
            if found[-1].next is None:
                return found
            asked = replace(asked, after=found[-1].next)

    found = asyncio.run(pages())
    names = [[r.id for r in page.reviews] for page in found]

    assert all(len(page) == limit for page in names[:-1])
    assert all(page.next == page.reviews[-1].id for page in found[:-1])
    assert len(names) == 1 or names[-1]
    assert sorted(name for page in names for name in page) == [
        r.id
        for r in reviews
        if r.tenant == "acme" and r.state(NOW) in wanted.states and r.id not in unseen
    ]


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=120),
    st.integers(1, 7),
    st.sets(st.integers(0, 119)),
    st.integers(1, 9),
)
def test_a_page_that_passes_over_much_ends_early_and_the_list_still_holds_everything(
    seconds: list[int], limit: int, shown: set[int], step: int
) -> None:
    """Whoever may see nothing costs no more than whoever may see all, and learns no id."""
    many = [
        made(0, "denied", id=make_ulid("rev", now_ms=500 * at, entropy=(n + 1).to_bytes(10, "big")))
        for n, at in enumerate(seconds)
    ]
    visible = {r.id for n, r in enumerate(many) if n in shown}
    log, asked = kept(*many), 0
    wanted = Wanted(tenant="acme", state="closed", limit=limit)

    def may_see(one: Review) -> bool:
        nonlocal asked
        asked += 1
        return one.id in visible

    async def pages() -> list[Page]:
        nonlocal asked, wanted
        found = list[Page]()
        while True:
            asked = 0
            found.append(await read_page(log, wanted, NOW, may_see))
            within = max(Counter(at // 2 for at in seconds).values())
            assert asked <= 2 * step + limit + 1 + within  # what one second holds is read at once
            if found[-1].next is None:
                return found
            wanted = replace(wanted, after=found[-1].next)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("transire.review.listing._STEP", step)
        patched.setattr("transire.review.listing._MOST_ASKED", step)
        found = asyncio.run(pages())

    names = [r.id for page in found for r in page.reviews]
    assert names == sorted(visible, reverse=True)
    assert not {page.next for page in found} & ({r.id for r in many} - visible)


async def test_what_is_opened_or_closed_meanwhile_repeats_and_hides_nothing() -> None:
    log = kept(*(made(n, "denied") for n in range(10, 14)))
    wanted = Wanted(tenant="acme", state="closed", limit=2)
    first = await read_page(log, wanted, NOW)
    newer = made(99, "denied")
    log.state[f"review/{newer.id}"] = newer.to_json()
    second = await read_page(log, replace(wanted, after=first.next), NOW)

    assert [r.id for r in (*first.reviews, *second.reviews)] == [
        made(n, "denied").id for n in (13, 12, 11, 10)
    ]


async def test_closed_reviews_are_read_in_steps_and_only_as_far_as_a_page_takes() -> None:
    log = kept(*(made(n, "denied") for n in range(1_300)), made(5_000, "pending"))
    asked: list[str | None] = []
    newest = log.newest

    async def noted(prefix: str, *, before: str | None, limit: int) -> list[tuple[str, str]]:
        asked.append(before)
        return await newest(prefix, before=before, limit=limit)

    log.newest = noted  # type: ignore[method-assign] # counted
    page = await read_page(log, Wanted(tenant="acme", state="closed"), NOW)
    assert (len(page.reviews), len(asked)) == (50, 1)
    none = await read_page(log, Wanted(tenant="acme", state="spent"), NOW)

    assert (none.reviews, none.next, len(asked)) == ((), None, 4)


async def test_closed_reviews_are_never_copied_out_of_memory_on_the_event_loop() -> None:
    log = kept(made(1, "denied"), made(2, "pending"))
    scanned: list[str] = []
    scan = log.scan

    async def noted(prefix: str) -> list[tuple[str, str]]:
        scanned.append(prefix)
        return await scan(prefix)

    log.scan = noted  # type: ignore[method-assign] # counted
    log.newest = MemoryLog(log.state).newest  # type: ignore[method-assign] # not through `scan`
    for state in ("open", "closed"):
        await read_page(log, Wanted(tenant="acme", state=state), NOW)

    assert scanned == ["open-review/"]


def test_the_api_takes_exactly_these_states() -> None:
    assert set(get_args(State)) == FILTERS
