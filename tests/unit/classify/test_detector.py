"""What the stage says of whole requests: states, classes, gaps, failures, and the redacted form."""

import asyncio
import base64
import random
import time
from collections.abc import Sequence

import pytest
from tests.unit.classify.detectors import (
    ENTITIES,
    bundle_of,
    classify,
    detector_of,
    failing,
    redact,
    request_of,
    rules_of,
    text_part,
)

from transire.classify.pool import POOL_BROKEN, POOL_FULL, POOL_LATE, ScanPool
from transire.classify.recognizers import select
from transire.classify.scan import OPAQUE, Scan, scan_texts
from transire.domain.bundle import Cue, DetectorRules
from transire.domain.classification import Classification, PartState
from transire.domain.ids import DataClass
from transire.domain.pack import NO_PACK, Pack
from transire.domain.request import Assertions, PartKind
from transire.domain.taxonomy import EntityRule
from transire.errors import RequestError, TooLargeError

PROMISED = frozenset(ENTITIES.values())
INSTALLED = select(frozenset(ENTITIES))


class FullPool(ScanPool):
    """A pool in which nothing gets a place; it starts no process."""

    def __init__(self, answer: str = POOL_FULL) -> None:
        self.answer = answer
        self.asked: list[Sequence[str]] = []

    async def scan(
        self,
        texts: Sequence[str],
        seconds: float,
        entities: frozenset[str],
        pack: Pack = NO_PACK,
        *,
        party: str = "",
    ) -> tuple[Scan, ...] | str:
        self.asked.append(texts)
        return self.answer


def test_a_finding_has_its_part_its_span_and_its_class() -> None:
    seen = classify(detector_of(), request_of("hello", "to bob@corp.internal"))

    assert [(f.part, f.start, f.end, f.entity) for f in seen.findings] == [
        (1, 3, 20, "EMAIL_ADDRESS")
    ]
    assert seen.found == {"CONTACT"}
    assert seen.states == (PartState.CLEAN, PartState.FOUND)
    assert seen.failed == frozenset()


def test_a_clean_request_is_clean() -> None:
    seen = classify(detector_of(), request_of("please rename this variable"))

    assert seen.findings == ()
    assert seen.failures == ()
    assert seen.found == seen.failed == frozenset()
    assert seen.unscanned_parts == 0


def test_names_are_uncovered_in_every_text_and_never_found() -> None:
    seen = classify(detector_of(), request_of("ask Mary Smith in Boston"))

    assert seen.uncovered == {"IDENTITY": {"text"}, "LOCATION_DATA": {"text"}}
    assert seen.found == frozenset()


def test_a_name_recognizer_nobody_installed_covers_nothing() -> None:
    bundle = bundle_of(detector=DetectorRules(languages=("en",), names=("accurate",)))

    assert set(classify(detector_of(bundle), request_of("x")).uncovered) == {
        "IDENTITY",
        "LOCATION_DATA",
    }


@pytest.mark.parametrize(
    ("kind", "modality"),
    [(PartKind.IMAGE, "image"), (PartKind.AUDIO, "audio"), (PartKind.FILE, "file")],
)
def test_what_nobody_can_read_is_not_scanned_and_its_classes_are_uncovered(
    kind: PartKind, modality: str
) -> None:
    part = text_part("image/png", 1, kind=kind, is_redactable=False)

    seen = classify(detector_of(), request_of("look", part))

    assert seen.states[1] is PartState.NOT_SCANNED
    assert seen.unscanned_parts == 1
    assert seen.uncovered["CREDENTIAL"] == seen.uncovered["CONTACT"] == {modality}  # type: ignore[index]
    assert seen.uncovered[DataClass("IDENTITY")] == {"text", modality}
    assert DataClass("CONFIDENTIAL") not in seen.uncovered


@pytest.mark.parametrize("error", [TimeoutError(), ValueError("canary-7f3a"), KeyError("x")])
def test_a_failing_recognizer_fails_its_class_and_leaks_nothing(error: Exception) -> None:
    recognizers = [*INSTALLED, failing("CREDIT_CARD", error)]

    seen = classify(detector_of(recognizers=recognizers), request_of("to bob@acme.com"))

    assert seen.failed == {"PCI"}
    assert seen.failures == ("CREDIT_CARD",)
    assert seen.states == (PartState.FAILED,)
    assert seen.found == {"CONTACT"}
    assert "canary-7f3a" not in repr(seen)


def test_a_failure_is_not_remembered_as_an_answer() -> None:
    detector = detector_of(recognizers=[failing("CREDIT_CARD", TimeoutError())])
    request = request_of("x")

    assert classify(detector, request).failed == classify(detector, request).failed == {"PCI"}


def test_an_opaque_blob_fails_every_promised_class() -> None:
    blob = base64.b64encode(random.Random(1).randbytes(9_000)).decode()

    seen = classify(detector_of(), request_of(f"decode {blob}"))

    assert seen.failed == PROMISED
    assert seen.failures == (OPAQUE,)


@pytest.mark.parametrize("reason", [POOL_FULL, POOL_BROKEN])
def test_a_pool_that_cannot_serve_fails_every_promised_class_and_says_why(reason: str) -> None:
    seen = classify(detector_of(pool=FullPool(reason)), request_of("a b " * 1_500))

    assert seen.failed == PROMISED
    assert seen.failures == (reason,)
    assert seen.states == (PartState.FAILED,)


def test_many_short_parts_together_leave_the_event_loop_too() -> None:
    pool = FullPool()

    classify(
        detector_of(pool=pool, inline_max_chars=100), request_of(*(f"{n:050}" for n in range(3)))
    )

    assert [len(texts) for texts in pool.asked] == [3]


def test_a_growing_conversation_costs_its_new_turn_alone() -> None:
    pool = FullPool()
    detector = detector_of(pool=pool, inline_max_chars=60)
    turns = [f"turn {n} " * 6 for n in range(5)]

    for n in range(5):
        classify(detector, request_of(*turns[: n + 1]))

    assert pool.asked == []


def test_a_text_that_recurs_in_one_request_is_scanned_once() -> None:
    pool = FullPool()
    detector = detector_of(pool=pool, inline_max_chars=60)

    seen = classify(detector, request_of(*["to bob@acme.com " * 3] * 5))

    assert pool.asked == []
    assert len(seen.findings) == 15


def test_another_tenant_gains_nothing_from_the_cache() -> None:
    detector = detector_of()
    classify(detector, request_of("hello there"))
    size = len(detector._cache)

    classify(detector, request_of("hello there", tenant="other"))
    classify(detector, request_of("hello there", application="shop"))

    assert len(detector._cache) == size + 2


def test_content_past_the_bound_is_refused_naming_it() -> None:
    detector = detector_of(bundle_of(detector=DetectorRules(languages=("en",), max_chars=10)))

    with pytest.raises(TooLargeError, match="10 characters"):
        classify(detector, request_of("12345", "678901"))


def test_a_lone_surrogate_is_read_like_any_character() -> None:
    seen = classify(detector_of(), request_of("\ud800 bob@acme.com"))

    assert seen.found == {"CONTACT"}


def test_cues_and_language_are_read_from_the_last_user_message() -> None:
    english = frozenset({"en"})
    cue = Cue(name="refund", words=("refund",), task="billing", languages=english)
    text = "I would like to have a refund for the invoice that you sent me last week, please."

    seen = classify(detector_of(bundle_of(cues=[cue])), request_of(text))

    assert (seen.signals.task, seen.signals.language) == ("billing", "en")
    assert seen.signals.quality_floor_permille == 850


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(RequestError):
        classify(detector_of(), request_of("x", assertions=Assertions(task="unknown")))


def test_a_text_that_is_no_request_is_classified_too() -> None:
    seen = asyncio.run(detector_of().classify_text("bob@acme.com \ud800", "acme"))

    assert seen.found == {"CONTACT"}


def test_a_class_whose_canary_is_missed_is_uncovered() -> None:
    without_cards = [r for r in INSTALLED if r.entity != "CREDIT_CARD"]
    detector = detector_of(recognizers=without_cards)

    assert detector.missed() == {"CREDIT_CARD"}
    assert detector.missing == {"PCI"}
    assert classify(detector, request_of("x")).uncovered[DataClass("PCI")] == {"text"}


def test_a_threshold_that_blinds_a_recognizer_is_noticed() -> None:
    blind = {"US_SSN": EntityRule(data_class=DataClass("NATIONAL_ID"), min_score_pct=99)}

    assert detector_of(bundle_of(blind)).missing == {"NATIONAL_ID"}


def test_an_entity_without_a_recognizer_leaves_its_class_uncovered() -> None:
    assert detector_of(bundle_of(rules_of(MARTIAN_ID="NATIONAL_ID"))).missing == {"NATIONAL_ID"}


def test_every_canary_of_a_whole_detector_is_found() -> None:
    assert detector_of().missing == frozenset()


def test_the_digest_follows_rules_and_gaps_and_nothing_else() -> None:
    same = detector_of().digest
    other_rules = detector_of(bundle_of(rules_of(EMAIL_ADDRESS="CONTACT"))).digest
    gap = detector_of(recognizers=INSTALLED[:-1]).digest

    assert detector_of().digest == same
    assert len({same, other_rules, gap}) == 3


def test_redaction_replaces_what_was_found_and_classifies_again() -> None:
    redaction = redact(detector_of(), request_of("card 4111 1111 1111 1111 of bob@acme.com"))

    assert redaction is not None
    text = redaction.body.parts[0].text
    assert "4111" not in text
    assert "acme" not in text
    assert redaction.count == 2
    assert redaction.classification.found == {"PSEUDONYMISED"}
    assert redaction.body.fields["messages"][0]["content"] == text  # type: ignore[index,call-overload]


def test_where_nothing_can_be_replaced_there_is_no_redaction() -> None:
    assert redact(detector_of(), request_of("hello")) is None


@pytest.mark.parametrize(
    ("marking", "data_class"),
    [("STRICTLY CONFIDENTIAL", "CONFIDENTIAL"), ("ITAR CONTROLLED", "EXPORT_CONTROLLED")],
)
def test_a_marking_survives_redaction(marking: str, data_class: str) -> None:
    redaction = redact(detector_of(), request_of(f"{marking}\nto bob@acme.com"))

    assert redaction is not None
    assert redaction.classification.found == {data_class, "PSEUDONYMISED"}
    assert marking in redaction.body.parts[0].text


def test_a_marking_alone_cannot_be_redacted_away() -> None:
    assert redact(detector_of(), request_of("STRICTLY CONFIDENTIAL")) is None


def test_failed_and_uncovered_classes_survive_redaction() -> None:
    recognizers = [*INSTALLED, failing("CREDIT_CARD", TimeoutError())]
    image = text_part("image/png", 1, kind=PartKind.IMAGE, is_redactable=False)
    request = request_of("to bob@acme.com", image)

    redaction = redact(detector_of(recognizers=recognizers), request)

    assert redaction is not None
    assert redaction.classification.failed == {"PCI"}
    assert redaction.classification.failures == ("CREDIT_CARD",)
    assert redaction.classification.uncovered[DataClass("IDENTITY")] == {"text", "image"}


def test_what_stands_in_a_part_that_cannot_be_redacted_stays_found() -> None:
    schema = text_part('{"default": "eve@acme.com"}', 1, kind=PartKind.SCHEMA, is_redactable=False)

    redaction = redact(detector_of(), request_of("to bob@acme.com", schema))

    assert redaction is not None
    assert redaction.classification.found == {"CONTACT", "PSEUDONYMISED"}


def test_placeholders_are_stable_within_a_session_alone() -> None:
    def text_in(session: str) -> str:
        request = request_of("bob@acme.com", assertions=Assertions(session_id=session))
        redaction = redact(detector_of(), request)
        assert redaction is not None
        return redaction.body.parts[0].text

    assert text_in("one") == text_in("one") != text_in("two")


def test_a_redacted_body_has_a_digest_of_its_own() -> None:
    one, two = (
        redact(detector_of(), request_of(text)) for text in ("bob@acme.com", "eve@acme.com")
    )

    assert one is not None
    assert two is not None
    assert one.content_digest != two.content_digest


async def _at_once(texts: Sequence[str], rules: DetectorRules) -> tuple[list[Classification], int]:
    """Classify texts together on one worker; what is left in the queue afterwards."""
    pool = ScanPool(workers=1, queue=64)
    try:
        await pool.warm_up()
        detector = detector_of(bundle_of(detector=rules), pool=pool)
        jobs = (detector.classify(request_of(text, tenant=f"t{n}")) for n, text in enumerate(texts))
        return list(await asyncio.gather(*jobs)), pool.pending
    finally:
        pool.close()


def _ms_to_read(text: str) -> float:
    """What this machine, as busy as it is, needs for one text."""
    began = time.monotonic()
    scan_texts([text], seconds=600, entities=frozenset(ENTITIES))
    return (time.monotonic() - began) * 1_000


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.05, 0.5, 200])
async def test_long_prompts_beyond_one_workers_budget_are_read_whole_or_refused_by_name(
    share: float,
) -> None:
    numbers = [" ".join(f"call +49 30 {n}{m:05}" for m in range(2_500)) for n in range(10, 16)]
    texts = [text[:50_000] for text in numbers]
    deadline_ms = max(1, int(share * _ms_to_read(texts[0])))
    rules = DetectorRules(
        languages=("en", "de"), base_deadline_ms=deadline_ms, deadline_ms_per_kchar=0
    )

    seen, left = await _at_once(texts, rules)

    whole = [len(one.findings) for one in seen if not one.failures]
    assert len(seen) == 6
    assert left == 0
    # A whole reading finds all there is in a text of this shape; what is not whole says what broke.
    assert all(count > 2_000 for count in whole)
    refused = [one for one in seen if one.failures]
    assert all({*one.failures} <= {POOL_LATE, *ENTITIES} and one.failed for one in refused)
    assert len(whole) == 6 if share > 6 else refused


def test_a_text_whose_scan_is_missing_is_never_clean() -> None:
    """Nothing loses a scan; if something ever does, the request is refused, not let through."""
    detector = detector_of(bundle_of())
    part = text_part("Nothing to see here.")
    signals = classify(detector, request_of(part)).signals

    with pytest.raises(ValueError, match="shorter"):
        detector._conclusions.of_scans((part,), [(0, part.text)], [], signals, ("t", "a"))
