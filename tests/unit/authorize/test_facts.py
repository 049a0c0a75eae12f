"""What Cedar is told about a request, without and with the caller's assertions."""

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.authorize.worlds import (
    APPLICATION,
    NOW,
    acceptance,
    asking,
    classes,
    facts,
    judged,
    pack,
    with_acceptances,
    with_application,
)

from transire.authorize.facts import FactReader
from transire.domain.authorization import Facts, Form
from transire.domain.classification import PartState
from transire.domain.deployment import Acceptance
from transire.domain.ids import ApplicationId, DataClass, Jurisdiction, Purpose, Stakes, TenantId
from transire.domain.request import Assertions
from transire.errors import AuthenticationError, RequestError

READER = FactReader(pack().bundle)
GAP = {"IDENTITY": {"text"}}


def _accepting(*acceptances: Acceptance) -> FactReader:
    return FactReader(with_acceptances(pack(), *acceptances).bundle)


def _base(reader: FactReader = READER, uncovered: dict[str, set[str]] | None = None) -> Facts:
    return reader.base(asking(), judged(uncovered=uncovered), form=Form.RAW, now=NOW)


def test_found_failed_and_uncovered_classes_are_closed_upward() -> None:
    found = judged("PCI", failed=classes("CONTACT"), uncovered={"CHILD": {"image"}})

    base = READER.base(asking(), found, form=Form.RAW, now=NOW)

    assert classes("PCI", "FINANCIAL", "PERSONAL") == base.data_classes
    assert classes("CONTACT", "PERSONAL") == base.failed_classes
    assert classes("CHILD", "PERSONAL") == base.uncovered_classes


def test_health_and_identity_together_are_health_data_of_a_person() -> None:
    base = READER.base(asking(), judged("HEALTH", "CONTACT"), form=Form.RAW, now=NOW)

    assert classes("PHI", "SPECIAL_CATEGORY") <= base.data_classes


@pytest.mark.parametrize(
    ("cue", "expected"), [(None, "limited"), ("minimal", "limited"), ("high", "high")]
)
def test_cues_only_raise_the_applications_stakes(cue: str | None, expected: str) -> None:
    base = READER.base(asking(), judged(stakes=cue), form=Form.RAW, now=NOW)

    assert expected == base.stakes


def test_purpose_user_and_capabilities_come_from_credential_and_body() -> None:
    request = asking(capabilities=frozenset({"store"}), user="ana")

    base = READER.base(request, judged(), form=Form.RAW, now=NOW)

    assert ("document_qa", "ana") == (base.purpose, base.user)
    assert frozenset({"store"}) == base.capabilities


def test_the_keys_own_purpose_counts_and_not_the_applications_first() -> None:
    purposes = tuple(map(Purpose, ("document_qa", "coding")))
    reader = FactReader(with_application(pack(), purposes=purposes).bundle)

    base = reader.base(asking(purpose=Purpose("coding")), judged(), form=Form.RAW, now=NOW)

    assert base.purpose == "coding"


@pytest.mark.parametrize("form", Form)
def test_a_rule_is_told_which_form_would_be_sent(form: Form) -> None:
    base = READER.base(asking(), judged(), form=form, now=NOW)

    assert base.redacted == (form is Form.REDACTED)


def test_a_key_without_a_purpose_gets_the_applications_first() -> None:
    base = READER.base(asking(purpose=None), judged(), form=Form.RAW, now=NOW)

    assert base.purpose == "document_qa"


def test_unread_parts_are_counted() -> None:
    states = (PartState.CLEAN, PartState.NOT_SCANNED, PartState.FAILED)

    base = READER.base(asking(), judged(states=states), form=Form.RAW, now=NOW)

    assert base.unscanned_parts == 2


def test_an_acceptance_takes_a_gap_away_and_stands_on_the_record() -> None:
    base = _base(_accepting(acceptance("names", "IDENTITY")), GAP)

    assert (frozenset(), ("names",)) == (base.uncovered_classes, base.acceptances)


def test_an_accepted_gap_leaves_what_another_gap_implies() -> None:
    base = _base(_accepting(acceptance("names", "IDENTITY")), {**GAP, "CONTACT": {"text"}})

    assert classes("CONTACT", "PERSONAL") == base.uncovered_classes


@pytest.mark.parametrize(
    "refused",
    [
        acceptance("names", "IDENTITY", expires=NOW),
        acceptance("names", "IDENTITY", tenant=TenantId("globex")),
        acceptance("names", "IDENTITY", modalities=frozenset({"image"})),
        acceptance("names", "CONTACT"),
        acceptance("names", "IDENTITY", languages=frozenset({"fr"})),
    ],
    ids=["expired", "another tenant's", "another modality's", "another class's", "one language's"],
)
def test_an_acceptance_that_does_not_fit_takes_nothing_away(refused: Acceptance) -> None:
    base = _base(_accepting(refused), GAP)

    assert (classes("IDENTITY", "PERSONAL"), ()) == (base.uncovered_classes, base.acceptances)


def test_an_acceptance_holds_until_the_moment_it_expires() -> None:
    reader = _accepting(acceptance("names", "IDENTITY", expires=NOW + timedelta(milliseconds=1)))

    assert frozenset() == _base(reader, GAP).uncovered_classes


def test_every_modality_of_a_gap_needs_its_acceptance() -> None:
    text = acceptance("text", "IDENTITY")
    image = acceptance("image", "IDENTITY", modalities=frozenset({"image"}))
    gap = {"IDENTITY": {"text", "image"}}

    assert classes("IDENTITY", "PERSONAL") == _base(_accepting(text), gap).uncovered_classes
    both = _base(_accepting(text, image), gap)
    assert (frozenset(), ("image", "text")) == (both.uncovered_classes, both.acceptances)


@pytest.mark.parametrize(
    ("languages", "left"),
    [
        ([], []),
        (["fr", "fi"], []),
        (["fr"], ["IDENTITY", "PERSONAL"]),
        (["de"], ["IDENTITY", "PERSONAL"]),
    ],
)
def test_a_gap_in_some_languages_needs_an_acceptance_for_each(
    languages: list[str], left: list[str]
) -> None:
    reader = _accepting(acceptance("names", "IDENTITY", languages=frozenset(languages)))
    base = _base(reader, {"IDENTITY": {"text.fr", "text.fi"}})

    assert classes(*left) == base.uncovered_classes


def test_acceptances_of_single_languages_add_up() -> None:
    french = acceptance("french", "IDENTITY", languages=frozenset({"fr"}))
    finnish = acceptance("finnish", "IDENTITY", languages=frozenset({"fi"}))
    base = _base(_accepting(french, finnish), {"IDENTITY": {"text.fr", "text.fi"}})

    assert (frozenset(), ("finnish", "french")) == (base.uncovered_classes, base.acceptances)


def test_a_gap_without_a_modality_cannot_be_accepted() -> None:
    base = _base(_accepting(acceptance("names", "IDENTITY")), {"IDENTITY": set()})

    assert (classes("IDENTITY", "PERSONAL"), ()) == (base.uncovered_classes, base.acceptances)


def test_redaction_takes_away_only_what_was_found_at_a_place() -> None:
    raw = judged("CONTACT", located=True)
    marked = judged("CONTACT", "CONFIDENTIAL", located=False)

    for whole, kept in ((raw, classes()), (marked, classes("CONTACT", "CONFIDENTIAL", "PERSONAL"))):
        raw_base = READER.base(asking(), whole, form=Form.RAW, now=NOW)
        residual = READER.base(asking(), judged(), form=Form.REDACTED, now=NOW)
        found = READER.redacted(residual, whole, raw_base).data_classes
        assert kept | classes("PSEUDONYMISED") == found


def test_what_was_unknown_of_the_raw_form_stays_unknown_after_redaction() -> None:
    raw = judged(
        failed=classes("CREDENTIAL"),
        uncovered={"CHILD": {"image"}},
        stakes="high",
        states=(PartState.FAILED,),
    )
    raw_base = READER.base(asking(), raw, form=Form.RAW, now=NOW)
    residual = READER.base(asking(), judged(), form=Form.REDACTED, now=NOW)

    kept = READER.redacted(residual, raw, raw_base)

    assert classes("CREDENTIAL") == kept.failed_classes
    assert classes("CHILD", "PERSONAL") == kept.uncovered_classes
    assert ("high", 1, True) == (kept.stakes, kept.unscanned_parts, kept.redacted)


def test_what_became_unknown_by_redaction_is_unknown_too() -> None:
    raw_base = READER.base(asking(), judged(), form=Form.RAW, now=NOW)
    unclear = judged(
        failed=classes("CREDENTIAL"),
        uncovered={"CHILD": {"image"}},
        stakes="high",
        states=(PartState.FAILED,),
    )
    residual = READER.base(asking(), unclear, form=Form.REDACTED, now=NOW)

    kept = READER.redacted(residual, judged(), raw_base)

    assert classes("CREDENTIAL") == kept.failed_classes
    assert classes("CHILD", "PERSONAL") == kept.uncovered_classes
    assert ("high", 1) == (kept.stakes, kept.unscanned_parts)


@pytest.mark.parametrize(
    ("claims", "changed"),
    [
        (Assertions(purpose=Purpose("clinical")), {"purpose": "clinical"}),
        (Assertions(stakes=Stakes("high")), {"stakes": "high"}),
        (
            Assertions(data_classes=classes("CONTACT")),
            {"data_classes": classes("CONTACT", "PERSONAL")},
        ),
    ],
)
def test_each_assertion_counts_by_itself(claims: Assertions, changed: dict[str, Any]) -> None:
    assert READER.asserted(facts(), claims) == facts(**changed)


@pytest.mark.parametrize(
    "claims",
    [
        Assertions(),
        Assertions(purpose=Purpose("document_qa")),
        Assertions(stakes=Stakes("high")),
        Assertions(data_classes=classes("PHI", "CONTACT")),
        Assertions(jurisdictions=frozenset({Jurisdiction("EEA")})),
        Assertions(redaction="require"),
        Assertions(redaction="forbid"),
    ],
)
def test_names_that_exist_are_taken(claims: Assertions) -> None:
    READER.check(claims, READER.application(asking().principal))


def test_a_request_that_asserts_nothing_is_asked_about_once() -> None:
    base = facts()

    assert READER.asserted(base, Assertions(max_latency_ms=10)) is base


def test_assertions_join_classes_raise_stakes_and_replace_the_purpose() -> None:
    claims = Assertions(
        purpose=Purpose("clinical"), stakes=Stakes("high"), data_classes=classes("CONTACT")
    )

    claimed = READER.asserted(facts(data_classes=classes("HEALTH"), redacted=True), claims)

    assert ("clinical", "high", True) == (claimed.purpose, claimed.stakes, claimed.redacted)
    assert classes("HEALTH", "CONTACT", "PHI") <= claimed.data_classes


def test_asserted_stakes_never_fall_below_the_facts() -> None:
    claimed = READER.asserted(facts(), Assertions(stakes=Stakes("minimal")))

    assert claimed.stakes == "limited"


@pytest.mark.parametrize(
    ("claims", "field", "valid"),
    [
        (Assertions(purpose=Purpose("hr")), "purpose", "document_qa"),
        (Assertions(purpose=Purpose("x' OR 1=1")), "purpose", "document_qa"),
        (Assertions(stakes=Stakes("huge")), "stakes", "high, limited, minimal"),
        (Assertions(data_classes=classes("PHII")), "data_classes", "PHI"),
        (
            Assertions(jurisdictions=frozenset({Jurisdiction("EAA")})),
            "jurisdictions",
            "EEA",
        ),
        (Assertions(redaction="maybe"), "redaction", "require"),
    ],
)
def test_a_name_that_does_not_exist_is_refused_with_the_names_that_do(
    claims: Assertions, field: str, valid: str
) -> None:
    application = READER.application(asking().principal)

    with pytest.raises(RequestError) as refused:
        READER.check(claims, application)

    assert f"transire.{field}" == refused.value.param
    assert valid in refused.value.message
    for named in (claims.purpose, claims.stakes, *claims.data_classes, *claims.jurisdictions):
        assert named is None or f" {named}," not in f" {refused.value.message},"


@pytest.mark.parametrize(
    "changed",
    [
        {"application": None},
        {"application": ApplicationId("gone")},
        {"tenant": TenantId("globex")},
        {"purpose": Purpose("hr")},
    ],
    ids=["a person", "a dropped application", "a moved application", "a dropped purpose"],
)
def test_a_key_that_the_catalog_no_longer_bears_out_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(AuthenticationError):
        READER.application(asking(**changed).principal)


def test_a_key_that_the_catalog_bears_out_names_its_application() -> None:
    assert READER.application(asking().principal).id == APPLICATION


def test_facts_survive_their_record() -> None:
    whole = facts(
        data_classes=classes("PHI", "CONTACT"),
        subject_region=Jurisdiction("DE"),
        user="ana",
        acceptances=("a", "b"),
        failed_classes=frozenset({DataClass("PCI")}),
    )

    assert whole == Facts.from_json(whole.to_json())
