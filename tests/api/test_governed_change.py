"""People, bundles, quarantine and the audit trail through the real server."""

import base64
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from tests.api.conftest import DIRECT, World

from transire.record.checkpoint import Checkpoint
from transire.record.merkle import leaf_hash, verify_inclusion
from transire.record.note import VerifierKey, open_note


def _active(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.act("ana", "GET", "/v1/policies/bundles/active").json()
    return found


def _proposed(world: World, comment: str) -> str:
    files = _active(world)["files"]
    text = base64.b64decode(files["routing.yaml"]).decode() + f"\n# {comment}\n"
    files["routing.yaml"] = base64.b64encode(text.encode()).decode()
    reply = world.act("ana", "POST", "/v1/policies/bundles", {"files": files})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["digest"])


def test_two_people_change_what_governs_and_the_next_request_runs_under_it(world: World) -> None:
    digest = _proposed(world, "a remark")
    assert world.act("ana", "POST", f"/v1/policies/bundles/{digest}/approve").status_code == 403
    assert world.act("ana", "POST", f"/v1/policies/bundles/{digest}/activate").status_code == 409
    assert world.act("ben", "POST", f"/v1/policies/bundles/{digest}/approve").status_code == 200
    activated = world.act("ben", "POST", f"/v1/policies/bundles/{digest}/activate")

    assert activated.json() == {"active": digest}
    reply = world.chat("hello there")
    assert digest.startswith(reply.headers["x-transire-bundle"])


def test_an_approval_older_than_its_parents_replacement_never_activates(world: World) -> None:
    first, second = _proposed(world, "one"), _proposed(world, "two")
    for digest in (first, second):
        world.act("ben", "POST", f"/v1/policies/bundles/{digest}/approve")
    assert world.act("ben", "POST", f"/v1/policies/bundles/{first}/activate").status_code == 200

    late = world.act("ben", "POST", f"/v1/policies/bundles/{second}/activate")
    assert late.status_code == 409


def test_a_bad_bundle_is_refused_with_file_and_line_and_the_active_one_stays(world: World) -> None:
    before = _active(world)
    files = dict(before["files"])
    rules = base64.b64decode(files["rules/grants.cedar"]).decode()
    broken = rules.replace('Tenant::"acme"', 'Tenant::"acmee"')
    files["rules/grants.cedar"] = base64.b64encode(broken.encode()).decode()
    reply = world.act("ana", "POST", "/v1/policies/bundles", {"files": files})

    assert reply.status_code == 422
    assert any("rules/grants.cedar:" in p and "acmee" in p for p in reply.json()["problems"])
    assert _active(world)["digest"] == before["digest"]


def test_the_protected_limits_cannot_be_left_out(world: World) -> None:
    files = dict(_active(world)["files"])
    del files["rules/limits/detector.cedar"]
    reply = world.act("ana", "POST", "/v1/policies/bundles", {"files": files})

    assert reply.status_code == 422
    assert "protected" in reply.json()["detail"]


def test_a_quarantine_acts_at_once_and_takes_two_people_to_lift(world: World) -> None:
    body = {"kind": "provider", "id": "atlantic", "reason": "incident 12"}
    assert world.act("omar", "POST", "/v1/policies/quarantine", body).status_code == 200
    during = world.chat("What are your opening hours?")
    asked = world.act("omar", "DELETE", "/v1/policies/quarantine/provider/atlantic")
    lifted = world.act("ben", "DELETE", "/v1/policies/quarantine/provider/atlantic")
    after = world.chat("What are your opening hours?")

    assert during.headers["x-transire-deployment"] == "eu-economy"
    assert asked.json()["lifted"] is False
    assert lifted.json()["lifted"] is True
    assert after.headers["x-transire-deployment"] == "us-economy"


def test_a_revoked_key_is_refused_at_once(world: World) -> None:
    made = world.act("omar", "POST", "/v1/keys", {"application": "copilot"}).json()
    world.keys["temporary"] = made["key"]
    assert world.chat("hello", "temporary").status_code == 200
    world.act("omar", "DELETE", f"/v1/keys/{made['id']}")

    assert world.chat("hello", "temporary").status_code == 401


def test_people_who_write_or_approve_bundles_hand_out_no_credentials(world: World) -> None:
    for person in ("ana", "ben", "rita", "aud"):
        assert world.act(person, "POST", "/v1/people/priya/invite").status_code == 403


def test_nobody_is_invited_into_somebody_elses_place(world: World) -> None:
    taken = world.act("omar", "POST", "/v1/people/rita/invite")
    assert taken.status_code == 409
    assert world.act("rita", "GET", "/v1/people/me").status_code == 200


def test_a_token_sets_a_credential_once(world: World) -> None:
    world.given_up.add("priya")
    world.act("priya", "DELETE", "/v1/people/priya/credential")
    token = world.act("omar", "POST", "/v1/people/priya/invite").json()["token"]
    first = world.act("omar", "POST", "/v1/people/redeem", {"token": token})
    second = world.act("omar", "POST", "/v1/people/redeem", {"token": token})
    world.people["priya"] = first.json()["credential"]

    assert first.status_code == 200
    assert second.status_code == 401


def test_every_decision_replays_to_the_same_evaluation(world: World) -> None:
    decisions = [
        world.chat("hello there").headers["x-transire-decision-id"],
        world.chat("mail me: jo@example.org", "docs-qa").headers["x-transire-decision-id"],
        world.chat("hi", transire={"stakes": "high"}).headers["x-transire-decision-id"],
        world.chat("hi", model="strong").headers["x-transire-decision-id"],
    ]
    for decision_id in decisions:
        replayed = world.act("aud", "GET", f"/v1/decisions/{decision_id}/replay").json()
        assert replayed["agrees"] is True, replayed


def test_a_decision_can_be_proven_to_a_stranger(world: World) -> None:
    decision_id = world.chat("hello there").headers["x-transire-decision-id"]
    proof = world.act("aud", "GET", f"/v1/decisions/{decision_id}/proof").json()
    checkpoint = Checkpoint.parse(
        open_note(proof["checkpoint"], [VerifierKey.parse(world.log_public_key)])
    )

    verify_inclusion(
        leaf_hash(proof["leaf"].encode()),
        proof["index"],
        checkpoint.size,
        [bytes.fromhex(step) for step in proof["proof"]],
        checkpoint.root,
    )


def test_an_application_sees_its_own_decisions_and_no_other_candidates(world: World) -> None:
    decision_id = world.chat("hello there").headers["x-transire-decision-id"]
    own = {"authorization": f"Bearer {world.keys['support-triage']}"}
    other = {"authorization": f"Bearer {world.keys['copilot']}"}

    def read(path: str, headers: dict[str, str]) -> httpx.Response:
        return DIRECT.get(f"{world.root}/v1/decisions/{path}", headers=headers)

    assert set(read(decision_id, own).json()) >= {"outcome", "deployment"}
    assert "entries" not in read(decision_id, own).json()
    assert read(decision_id, other).status_code == 404
    assert read(f"{decision_id}/explain", own).status_code == 403


def test_an_application_proves_its_decision_without_reading_the_entry(world: World) -> None:
    """The entry holds classes, other candidates and their terms, which `explain` alone shows."""
    decision_id = world.chat("hello there").headers["x-transire-decision-id"]
    own = {"authorization": f"Bearer {world.keys['support-triage']}"}
    url = f"{world.root}/v1/decisions/{decision_id}/proof"
    told = DIRECT.get(url, headers=own).json()
    audited = world.act("aud", "GET", f"/v1/decisions/{decision_id}/proof").json()

    assert "leaf" not in told
    assert told["leaf_hash"] == leaf_hash(audited["leaf"].encode()).hex() == audited["leaf_hash"]
    checkpoint = Checkpoint.parse(
        open_note(told["checkpoint"], [VerifierKey.parse(world.log_public_key)])
    )
    verify_inclusion(
        bytes.fromhex(told["leaf_hash"]),
        told["index"],
        checkpoint.size,
        [bytes.fromhex(step) for step in told["proof"]],
        checkpoint.root,
    )


def test_advice_permits_nothing_and_says_so_in_the_log(world: World) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "hello there"}]}
    advice = world.post("/v1/decisions", body).json()

    assert advice["outcome"] == "permitted"
    assert len(advice["ranking"]) == 1
    assert world.all_received() == 0
    assert world.entries(advice["decision_id"])[0]["kind"] == "advice"


def test_the_log_verifies_after_all_of_this(world: World) -> None:
    done = world.verify()

    assert done.returncode == 0, done.stderr


def test_nobody_is_refused_while_a_bundle_takes_over(world: World) -> None:
    digest = _proposed(world, "takes over")
    assert world.act("ben", "POST", f"/v1/policies/bundles/{digest}/approve").status_code == 200
    over = threading.Event()

    def keep_asking() -> Counter[str]:
        told: Counter[str] = Counter()
        while not over.is_set():
            reply = world.chat("hello")
            told["ok" if reply.status_code == 200 else reply.text] += 1
        return told

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(keep_asking) for _ in range(4)]
        try:
            done = world.act("ben", "POST", f"/v1/policies/bundles/{digest}/activate")
        finally:
            over.set()
    told = sum((each.result() for each in asking), Counter())

    assert done.status_code == 200
    assert set(told) == {"ok"}
