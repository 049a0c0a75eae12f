"""A review as a value: who may move it where, and what is final."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.review.reviews import NOW, review

from transire.errors import AccessError, ConflictError, RequestError, TransireError
from transire.review.states import STATES, Review, approve, cancel, claim, deny, saw

LATE = NOW + timedelta(hours=1)
DONE = {"by": "rita", "at": NOW.isoformat(), "saw_content": False}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "pending"),
        ({"claimed_by": "rita", "claimed_at": NOW.isoformat()}, "claimed"),
        ({"queues": {"a": DONE, "b": None}}, "pending"),
        ({"queues": {"a": DONE, "b": DONE}}, "approved"),
        ({"denied_by": "rita"}, "denied"),
        ({"cancelled": True}, "cancelled"),
        ({"queues": {"a": DONE}, "denied_by": "rita"}, "denied"),
        ({"queues": {"a": DONE}, "cancelled": True}, "cancelled"),
        ({"queues": {"a": DONE}, "spent_by": "dec_2"}, "spent"),
    ],
)
def test_a_review_stands_where_its_acts_brought_it(changes: dict[str, Any], state: str) -> None:
    assert review(**changes).state(NOW) == state
    assert state in STATES


def test_expiry_ends_an_approval_too_and_to_the_second() -> None:
    approved = review(queues={"a": DONE})

    assert approved.state(LATE - timedelta(seconds=1)) == "approved"
    assert approved.state(LATE) == review().state(LATE) == "expired"
    assert review(denied_by="rita").state(LATE) == "denied"


def test_approving_says_who_when_and_what_they_saw() -> None:
    approved = approve(review(viewers=("rita",)), "claims", "rita", "fine", NOW)
    unseen = approve(review(viewers=("ron",)), "claims", "rita", "fine", NOW)

    assert approved.queues == {"claims": {"by": "rita", "at": NOW.isoformat(), "saw_content": True}}
    assert not unseen.queues["claims"]["saw_content"]
    assert approved.version == 2


def test_every_queue_must_release_and_each_by_another_person() -> None:
    both = review(queues={"claims": None, "stakes": None})
    one = approve(both, "claims", "rita", "fine", NOW)

    assert one.state(NOW) == "pending"
    with pytest.raises(AccessError, match="another person"):
        approve(one, "stakes", "rita", "fine", NOW)
    with pytest.raises(ConflictError, match="already"):
        approve(one, "claims", "ron", "fine", NOW)
    assert approve(one, "stakes", "ron", "fine", NOW).state(NOW) == "approved"


def test_a_queue_that_does_not_wait_cannot_release() -> None:
    with pytest.raises(RequestError, match="claims"):
        approve(review(), "elsewhere", "rita", "fine", NOW)


def by_approving(given: Review, who: str, comment: str) -> Review:
    return approve(given, "claims", who, comment, NOW)


def by_denying(given: Review, who: str, comment: str) -> Review:
    return deny(given, who, comment, NOW)


DECISIONS = pytest.mark.parametrize("decide", [by_approving, by_denying])
Decide = Callable[[Review, str, str], Review]


@DECISIONS
@pytest.mark.parametrize("who", ["hal", "omar"])
def test_nobody_decides_a_request_of_a_key_they_hold_or_minted(decide: Decide, who: str) -> None:
    with pytest.raises(AccessError, match="hold or minted"):
        decide(review(), who, "fine")


@DECISIONS
@pytest.mark.parametrize("comment", ["", " \n"])
def test_a_decision_says_why(decide: Decide, comment: str) -> None:
    with pytest.raises(RequestError, match="comment"):
        decide(review(), "rita", comment)


@DECISIONS
def test_what_another_claims_waits_until_the_claim_has_lapsed(decide: Decide) -> None:
    claimed = claim(review(), "ron", NOW - timedelta(minutes=15) + timedelta(seconds=1))
    lapsed = claim(review(), "ron", NOW - timedelta(minutes=15))

    with pytest.raises(ConflictError, match="claimed"):
        decide(claimed, "rita", "fine")
    assert decide(claimed, "ron", "fine").version == 3
    assert decide(lapsed, "rita", "fine").version == 3


def test_a_claim_is_for_one_person_at_a_time() -> None:
    claimed = claim(review(), "ron", NOW)

    assert (claimed.claimed_by, claimed.claimed_at) == ("ron", NOW.isoformat())
    with pytest.raises(ConflictError):
        claim(claimed, "rita", NOW)
    assert claim(claimed, "ron", NOW).claimed_by == "ron"
    assert claim(claimed, "rita", NOW + timedelta(minutes=15)).claimed_by == "rita"


def test_who_looked_is_kept_sorted_and_once() -> None:
    seen = saw(saw(saw(review(), "ron", NOW), "rita", NOW), "ron", NOW)

    assert seen.viewers == ("rita", "ron")


def test_denying_and_cancelling_are_noted() -> None:
    assert deny(review(), "rita", "no", NOW).denied_by == "rita"
    assert cancel(review(), NOW).cancelled


CLOSED = [
    review(denied_by="rita"),
    review(cancelled=True),
    review(queues={"claims": DONE}),
    review(queues={"claims": DONE}, spent_by="dec_2"),
    review(expires_at=NOW.isoformat()),
]
ACTS: list[Callable[[Review], Review]] = [
    lambda r: claim(r, "ron", NOW),
    lambda r: saw(r, "ron", NOW),
    lambda r: approve(r, "claims", "ron", "fine", NOW),
    lambda r: deny(r, "ron", "no", NOW),
    lambda r: cancel(r, NOW),
]


@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("act", ACTS)
def test_what_is_closed_moves_no_more(closed: Review, act: Callable[[Review], Review]) -> None:
    with pytest.raises(ConflictError, match="this review is"):
        act(closed)


acts = st.sampled_from(
    [
        *ACTS,
        *(
            lambda r, q=queue, p=who: approve(r, q, p, "fine", NOW)
            for queue in ("claims", "stakes")
            for who in ("rita", "ron", "hal")
        ),
    ]
)


@given(st.lists(acts, max_size=8))
def test_no_order_of_acts_lets_one_person_or_a_key_holder_release(
    steps: list[Callable[[Review], Review]],
) -> None:
    moved = review(queues={"claims": None, "stakes": None})
    for step in steps:
        before = moved
        try:
            moved = step(moved)
        except TransireError:
            continue
        assert moved.version == before.version + 1
    deciders = [decision["by"] for decision in moved.queues.values() if decision]

    assert len(deciders) == len(set(deciders))
    assert not set(deciders) & set(moved.key_holders)
    assert moved.state(NOW) != "approved" or len(deciders) == 2


def test_a_review_is_read_back_as_written() -> None:
    whole = replace(
        review(viewers=("rita",), spent_by="dec_2", claimed_by="rita", version=9),
        queues={"claims": DONE},
    )

    assert Review.from_json(whole.to_json()) == whole
