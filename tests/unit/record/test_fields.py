"""What entries say: enough to judge and replay a decision, and nothing of its content."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.record.cases import CANARY, DIGEST, EVALUATION, case

from transire.domain.authorization import Facts, Form, Pair
from transire.domain.classification import PartState
from transire.domain.decision import Case
from transire.domain.ids import BundleDigest, DataClass, DecisionId, DeploymentId, Purpose, Stakes
from transire.domain.permit import Outcome, OutcomeStatus, Permit
from transire.domain.request import Assertions
from transire.domain.session import Seen, Session
from transire.errors import GovernanceUnavailable, PolicyDenied
from transire.record.entry import decode_entry, encode_entry
from transire.record.fields import (
    attempt_fields,
    decision_fields,
    evaluation_rows,
    outcome_fields,
    pair_fields,
    permit_fields,
    refusal_fields,
    request_fields,
)

FACTS = Facts(
    purpose=Purpose("support"),
    stakes=Stakes("low"),
    data_classes=frozenset({DataClass("CONTACT")}),
    failed_classes=frozenset(),
    uncovered_classes=frozenset(),
    unscanned_parts=0,
    capabilities=frozenset(),
    redacted=False,
)


def permit(**changes: Any) -> Permit:
    plain = Permit(
        decision_id=DecisionId("dec_1"),
        attempt=2,
        cause="fallback",
        pair=Pair(deployment=DeploymentId("a"), form=Form.RAW),
        content_digest=b"content",
        wire_digest=b"wire",
        bundle_digest=BundleDigest("0" * 64),
        quarantine_version=3,
        expires_at=datetime(2026, 11, 25, 9, 0, 5, 7, tzinfo=UTC),
    )
    return replace(plain, **changes)


def judged(facts: dict[Form, tuple[Facts, Facts]], evaluated_at: datetime | None = None) -> Case:
    made = case()
    authorization = replace(made.authorization, facts=facts)
    if evaluated_at is not None:
        authorization = replace(authorization, evaluated_at=evaluated_at)
    return replace(made, authorization=authorization)


def test_a_decision_names_its_side_data_by_digest_and_hands_it_over() -> None:
    fields, blobs = decision_fields(judged({Form.RAW: (FACTS, FACTS)}))

    assert blobs.keys() == {fields["evaluation"], fields["facts"]}
    assert blobs[DIGEST] == EVALUATION


def test_asserted_facts_are_kept_only_where_assertions_changed_them() -> None:
    asserted = replace(FACTS, stakes=Stakes("high"))
    fields, blobs = decision_fields(
        judged({Form.RAW: (FACTS, asserted), Form.REDACTED: (FACTS, FACTS)})
    )

    assert orjson.loads(blobs[str(fields["facts"])]) == {
        "raw": {"base": FACTS.to_json(), "asserted": asserted.to_json()},
        "redacted": {"base": FACTS.to_json(), "asserted": None},
    }


def test_an_entry_says_what_came_from_the_session_and_never_its_name() -> None:
    made = case()
    session = Session(
        digest="digest",
        raw=Seen(found=frozenset({DataClass("PHI"), DataClass("HEALTH")})),
        redacted=Seen(failed=frozenset({DataClass("CREDENTIAL")})),
        deployment=DeploymentId("a"),
    )
    within = replace(made, request=replace(made.request, session=session))
    told = {
        "mac": "digest",
        "raw": {"found": ["HEALTH", "PHI"]},
        "redacted": {"failed": ["CREDENTIAL"]},
    }

    for fields, _ in (decision_fields(within), attempt_fields(within)):
        assert fields["session"] == told
        assert CANARY not in repr(fields)
    assert "session" not in decision_fields(made)[0]


def test_classes_and_states_are_counted_by_name() -> None:
    made = case()
    states = (PartState.FOUND, PartState.CLEAN, PartState.FOUND)
    fields, _ = decision_fields(
        replace(made, classification=replace(made.classification, states=states))
    )

    assert fields["classes"] == [{"class": "CONTACT", "count": 2}]
    assert fields["states"] == {"clean": 1, "found": 2}


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_is_spelled_to_the_microsecond_in_utc(moment: datetime) -> None:
    fields, _ = decision_fields(judged({}, moment))
    spelled = str(fields["evaluated_at"])

    assert len(spelled) == 27
    assert spelled.endswith("Z")
    assert datetime.fromisoformat(spelled) == moment


@pytest.mark.parametrize(
    ("count", "listed", "cut"),
    [(None, None, None), (0, 0, None), (128, 128, None), (129, 128, 129)],
)
def test_the_deployments_a_request_narrowed_itself_to_are_listed_as_far_as_they_fit(
    count: int | None, listed: int | None, cut: int | None
) -> None:
    models = None
    if count is not None:
        models = frozenset(DeploymentId(f"d{n:03d}") for n in range(count))
    made = case()
    request = replace(made.request, assertions=Assertions(models=models))
    limits: Any = decision_fields(replace(made, request=request))[0]["limits"]

    assert (None if limits["models"] is None else len(limits["models"])) == listed
    assert limits.get("cut") == cut


def test_the_raw_form_is_the_one_that_goes_without_saying() -> None:
    a = DeploymentId("a")

    assert pair_fields(Pair(deployment=a, form=Form.RAW)) == {"deployment": "a"}
    assert pair_fields(Pair(deployment=a, form=Form.REDACTED)) == {
        "deployment": "a",
        "form": "redacted",
    }


def test_a_permit_says_what_it_allows_to_go_where_until_when() -> None:
    assert permit_fields(permit(), "p") == {
        "attempt": 2,
        "cause": "fallback",
        "deployment": "a",
        "content": b"content".hex(),
        "wire": b"wire".hex(),
        "bundle": "0" * 64,
        "quarantine": 3,
        "expires_at": "2026-11-25T09:00:05.000007Z",
        "provider": "p",
    }


def test_an_outcome_names_its_permit_and_carries_its_own_facts() -> None:
    outcome = Outcome(status=OutcomeStatus.OK, tokens_out=4, facts={"contradicts": ["model"]})
    fields = outcome_fields(permit(), outcome)

    assert (fields["decision_id"], fields["attempt"], fields["deployment"]) == ("dec_1", 2, "a")
    assert (fields["status"], fields["tokens_out"]) == ("ok", 4)
    assert fields["contradicts"] == ["model"]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(PolicyDenied.code, "denied"), (GovernanceUnavailable.code, "refused"), ("other", "refused")],
)
def test_only_policy_denies(code: str, outcome: str) -> None:
    made = case()
    fields, _ = refusal_fields(made, made.request, code)

    assert (fields["id"], fields["outcome"], fields["code"]) == ("dec_1", outcome, code)


def test_a_request_that_nobody_judged_is_refused_by_what_is_known_of_it() -> None:
    request = case().request
    fields, blobs = refusal_fields(None, request, "cancelled")

    assert fields.keys() == request_fields(request).keys() | {"id", "outcome", "code"}
    assert blobs == {}


def test_verdicts_are_read_back_from_their_side_data() -> None:
    assert evaluation_rows(EVALUATION) == [{"deployment": "a"}]


def test_everything_said_is_within_the_entry_profile_and_free_of_content() -> None:
    made = judged({Form.RAW: (FACTS, FACTS)})
    outcome = outcome_fields(permit(), Outcome(status=OutcomeStatus.OK))
    said = (decision_fields(made)[0], refusal_fields(made, made.request, "x")[0], outcome)

    for fields in said:
        assert decode_entry(encode_entry(fields)).keys() == fields.keys()
        assert CANARY not in repr(fields)


def test_a_later_attempt_says_what_narrowed_it_and_how_it_was_ranked() -> None:
    asked, later = case(), b'[{"deployment":"b"}]'
    now = replace(
        asked.authorization,
        bundle_digest=BundleDigest("1" * 64),
        quarantine_version=4,
        evaluated_at=datetime(2026, 11, 25, 9, 0, 3, tzinfo=UTC),
        evaluation=later,
        evaluation_digest=hashlib.sha256(later).hexdigest(),
    )
    again = replace(
        asked,
        authorization=asked.authorization.narrowed_by(now),
        ranking=replace(asked.ranking, reason="fastest"),
        reclassified=replace(asked.classification, detector_digest="newer"),
    )
    fields, blobs = attempt_fields(again)

    assert fields["decision_id"] == "dec_1"
    assert (fields["request_bundle"], fields["bundle"]) == ("0" * 64, "1" * 64)
    assert (fields["quarantine"], fields["detector"]) == (4, "newer")
    assert fields["evaluated_at"] == "2026-11-25T09:00:03.000000Z"
    assert blobs[str(fields["evaluation"])] == later
    assert orjson.loads(blobs[str(fields["facts"])]) == {}
    assert fields["ranking"] == {**asked.ranking.to_json(), "reason": "fastest"}
