"""Held requests: four eyes, exact content, once."""

from typing import Any

import pytest
from tests.api.conftest import World

CLAIM = "Write a leaflet claim: it lowers blood pressure in two weeks."


def _hold(world: World, text: str = CLAIM, **fields: Any) -> str:
    reply = world.chat(text, "sales", **fields)
    assert reply.status_code == 403, reply.text
    return str(reply.json()["error"]["review_id"])


def _approve(world: World, review_id: str, person: str = "rita", comment: str = "fine") -> Any:
    return world.act(person, "POST", f"/v1/reviews/{review_id}/approve", {"comment": comment})


def _resume(world: World, review_id: str, text: str = CLAIM, **fields: Any) -> Any:
    return world.chat(text, "sales", headers={"x-transire-review-id": review_id}, **fields)


def test_an_approved_request_goes_once_and_then_never_again(world: World) -> None:
    review_id = _hold(world)
    assert _approve(world, review_id).status_code == 200

    first, second = _resume(world, review_id), _resume(world, review_id)

    assert first.status_code == 200
    assert first.headers["x-transire-deployment"] == "eu-medical"
    assert second.status_code == 409
    assert second.json()["error"]["code"] == "review_spent"
    assert second.json()["error"]["spent_by"] == first.headers["x-transire-decision-id"]
    assert world.all_received() == 1
    world.entries(first.headers["x-transire-decision-id"])  # its outcome is written by now
    assert _resume(world, review_id).json()["error"]["outcome"] == "ok"


def test_what_a_person_released_is_picked_again_from_the_record(world: World) -> None:
    review_id = _hold(world)
    _approve(world, review_id)
    released = _resume(world, review_id).headers["x-transire-decision-id"]

    told = world.act("aud", "GET", f"/v1/decisions/{released}/replay").json()

    assert told["replayable"] is told["agrees"] is told["pick_agrees"] is True


def test_nothing_moves_before_the_approval(world: World) -> None:
    review_id = _hold(world)

    assert _resume(world, review_id).status_code == 403
    assert world.all_received() == 0


def test_another_text_does_not_use_the_approval(world: World) -> None:
    review_id = _hold(world)
    _approve(world, review_id)

    reply = _resume(world, review_id, CLAIM + " And cures pain.")

    assert reply.status_code == 409
    assert world.all_received() == 0


def test_streaming_and_sampling_may_differ_between_hold_and_release(world: World) -> None:
    review_id = _hold(world)
    _approve(world, review_id)

    reply = _resume(world, review_id, stream=True, temperature=0.1)

    assert reply.status_code == 200
    assert reply.text.endswith("data: [DONE]\n\n")


def test_a_denial_is_final(world: World) -> None:
    review_id = _hold(world)
    denied = world.act("rita", "POST", f"/v1/reviews/{review_id}/deny", {"comment": "no"})

    assert denied.json()["state"] == "denied"
    assert _approve(world, review_id).status_code == 409
    assert _resume(world, review_id).json()["error"]["code"] == "policy_denied"


@pytest.mark.parametrize("person", ["omar", "ana", "ben", "aud", "priya"])
def test_only_reviewers_who_cannot_make_such_requests_release(world: World, person: str) -> None:
    assert _approve(world, _hold(world), person).status_code == 403


def test_a_decision_needs_a_reason(world: World) -> None:
    assert _approve(world, _hold(world), comment=" ").status_code == 400


def test_an_approval_without_sight_of_the_content_says_so(world: World) -> None:
    unseen, seen = _hold(world), _hold(world)
    shown = world.act("rita", "GET", f"/v1/reviews/{seen}/content")
    _approve(world, unseen)
    _approve(world, seen)
    queues = [
        world.act("rita", "GET", f"/v1/reviews/{r}").json()["queues"]["clinical-claims"]
        for r in (unseen, seen)
    ]

    assert shown.json()["request"]["messages"][0]["content"] == CLAIM
    assert [False, True] == [q["saw_content"] for q in queues]


def test_the_held_content_is_destroyed_when_the_review_closes(world: World) -> None:
    review_id = _hold(world)
    _approve(world, review_id)
    _resume(world, review_id)

    assert world.act("rita", "GET", f"/v1/reviews/{review_id}/content").status_code == 404


def _advised(world: World, review_id: str, text: str = CLAIM, application: str = "sales") -> Any:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
    headers = {"x-transire-review-id": review_id}
    return world.post("/v1/decisions", body, application, headers=headers)


def test_advice_says_what_an_approved_review_would_get_and_does_not_spend_it(world: World) -> None:
    review_id = _hold(world)
    _approve(world, review_id)
    without = world.post(
        "/v1/decisions",
        {"model": "auto", "messages": [{"role": "user", "content": CLAIM}]},
        "sales",
    ).json()
    advice = [_advised(world, review_id).json() for _ in range(2)]
    resumed = _resume(world, review_id)

    assert (without["outcome"], without["review_id"]) == ("review_required", None)
    assert [(a["outcome"], a["deployment"], a["review_id"]) for a in advice] == [
        ("permitted", "eu-medical", review_id)
    ] * 2
    assert resumed.headers["x-transire-deployment"] == "eu-medical"
    entry = world.act("aud", "GET", f"/v1/decisions/{advice[0]['decision_id']}").json()["entries"]
    assert [(e["kind"], e["review_id"]) for e in entry] == [
        ("advice", review_id),
        ("review.approved", review_id),
    ]
    assert world.verify().returncode == 0


def test_advice_is_refused_where_a_chat_with_this_review_would_be(world: World) -> None:
    waiting, spent, denied = _hold(world), _hold(world), _hold(world)
    for review_id in (spent, denied):
        verb = "approve" if review_id == spent else "deny"
        world.act("rita", "POST", f"/v1/reviews/{review_id}/{verb}", {"comment": "seen"})
    _resume(world, spent)
    asked = [
        (waiting, CLAIM, "sales"),
        (spent, CLAIM, "sales"),
        (denied, CLAIM, "sales"),
        (waiting, CLAIM + " And cures pain.", "sales"),
        (waiting, CLAIM, "copilot"),
        ("rev_" + "0" * 26, CLAIM, "sales"),
        ("no review", CLAIM, "sales"),
    ]

    def told(reply: Any) -> tuple[int, str]:
        return reply.status_code, reply.json()["error"]["code"]

    advised = [told(_advised(world, *each)) for each in asked]
    chatted = [
        told(world.chat(text, application, headers={"x-transire-review-id": review_id}))
        for review_id, text, application in asked
    ]

    assert advised == chatted
    assert [code for _, code in advised] == [
        "review_required",
        "review_spent",
        "policy_denied",
        "conflict",
        "not_found",
        "not_found",
        "bad_request",
    ]


def test_other_keys_do_not_see_a_review(world: World) -> None:
    review_id = _hold(world)
    reply = world.chat("hello", "copilot", headers={"x-transire-review-id": review_id})

    assert reply.status_code == 404


def test_202_comes_only_where_it_was_asked_for(world: World) -> None:
    reply = world.chat(CLAIM, "sales", headers={"prefer": "respond-async"})

    assert reply.status_code == 202
    assert reply.headers["location"].startswith("/v1/reviews/rev_")


def test_the_requester_can_take_it_back(world: World) -> None:
    review_id = _hold(world)
    cancelled = world.post(f"/v1/reviews/{review_id}/cancel", {}, "sales")

    assert cancelled.json()["state"] == "cancelled"
    assert _approve(world, review_id).status_code == 409


def _listed(world: World, person: str = "rita", **query: Any) -> Any:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return world.act(person, "GET", f"/v1/reviews?{asked}")


def _walked(world: World, **query: Any) -> list[str]:
    """Ids of every page, in order."""
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = _listed(world, **query, **after).json()
        assert len(page["reviews"]) <= query["limit"]
        found += [review["id"] for review in page["reviews"]]
        if page["next"] is None:
            return found
        after = {"after": page["next"]}


def test_reviews_are_listed_page_by_page(world: World) -> None:
    made = [_hold(world) for _ in range(5)]
    for review_id in made[:3]:
        world.act("rita", "POST", f"/v1/reviews/{review_id}/deny", {"comment": "no"})
    _approve(world, made[3])
    waiting = _walked(world, limit=1)
    denied = _walked(world, state="denied", limit=2)

    assert waiting[-2:] == made[3:]
    assert waiting == sorted(set(waiting))
    assert denied[:3] == made[:3][::-1]
    assert denied == sorted(set(denied), reverse=True)
    assert _walked(world, state="approved", limit=200)[-1] == made[3]
    assert set(denied) <= set(_walked(world, state="closed", limit=200))
    assert _listed(world, limit=0).status_code == 400
    assert _listed(world, limit=201).status_code == 400
    assert _listed(world, after="rev_1").status_code == 400


def test_only_those_who_may_act_or_audit_see_a_review(world: World) -> None:
    review_id = _hold(world)

    def listed(person: str) -> bool:
        reviews = world.act(person, "GET", "/v1/reviews").json()["reviews"]
        return review_id in {review["id"] for review in reviews}

    assert {name: listed(name) for name in ("rita", "aud", "ana", "ben", "omar")} == {
        "rita": True,
        "aud": True,
        "ana": False,
        "ben": False,
        "omar": False,
    }
    assert world.act("ana", "GET", f"/v1/reviews/{review_id}").status_code == 404
    assert world.act("rita", "GET", f"/v1/reviews/{review_id}").status_code == 200
