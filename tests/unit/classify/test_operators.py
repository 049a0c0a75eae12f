"""Operators' recognizers join the detector: findings, canaries, digest, workers and redaction."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.unit.bundle.recognizers.packs import pack_of
from tests.unit.classify.detectors import (
    bundle_of,
    classify,
    detector_of,
    redact,
    request_of,
    rules_of,
)

from transire.bundle.recognizers.shingles import fingerprint
from transire.classify.gate import Panel
from transire.classify.operators import operator_recognizers
from transire.classify.pool import ScanPool
from transire.classify.recognizer import Hit
from transire.classify.scan import run, scan_texts
from transire.domain.bundle import Bundle
from transire.domain.pack import NO_PACK, Pack, PatternRule, RegisteredDocument, TermList

ENTITIES = rules_of(
    CODENAME="CONFIDENTIAL", PAPER="CONFIDENTIAL", EMAIL_ADDRESS="CONTACT", TICKET="HEALTH"
)
MEMO = (
    "The board has agreed in principle to sell the northern mills to the Halvorsen family before "
    "the end of the financial year, subject to the approval of the works council."
)
SALT = bytes(16)
TERMS = TermList(name="names", entity="CODENAME", score_pct=80, terms=("Wolpertinger",))
PACK = Pack(
    digest="one",
    patterns=(
        PatternRule(
            name="ticket",
            entity="TICKET",
            regex=r"ZEPH-\d{4}",
            score_pct=80,
            languages=frozenset({"de"}),
            examples=("ZEPH-1234",),
        ),
    ),
    terms=(TERMS,),
    documents=(
        RegisteredDocument(
            name="memo",
            entity="PAPER",
            min_matches=3,
            digests=fingerprint(MEMO, salt=SALT, words=8),
        ),
    ),
    languages=("en", "de"),
    salt=SALT,
    words=8,
)


def bundle(pack: Pack = PACK) -> Bundle:
    return replace(bundle_of(ENTITIES), recognizers=pack)


def entities_in(text: str, pack: Pack = PACK) -> list[str]:
    return [f.entity for f in classify(detector_of(bundle(pack)), request_of(text)).findings]


def test_what_an_operator_looks_for_is_found_beside_what_is_installed() -> None:
    seen = classify(detector_of(bundle()), request_of("wolpertinger for bob@corp.internal"))

    assert [(f.entity, f.start, f.end) for f in seen.findings] == [
        ("CODENAME", 0, 12),
        ("EMAIL_ADDRESS", 17, 34),
    ]
    assert seen.found == {"CONFIDENTIAL", "CONTACT"}


def test_a_detector_starts_with_nothing_missing_where_every_recognizer_works() -> None:
    assert detector_of(bundle()).missing == frozenset()


def test_a_recognizer_that_goes_blind_leaves_its_class_uncovered() -> None:
    blind = replace(TERMS, score_pct=10)

    assert detector_of(bundle(replace(PACK, digest="blind", terms=(blind,)))).missing == {
        "CONFIDENTIAL"
    }


def test_an_entity_of_a_pack_that_is_gone_is_uncovered_and_not_clean() -> None:
    assert detector_of(bundle(NO_PACK)).missing == {"CONFIDENTIAL", "HEALTH"}


def test_another_pack_is_another_detector() -> None:
    digests = {
        detector_of(bundle(replace(PACK, digest=digest))).digest for digest in ("one", "two")
    }

    assert len(digests) == 2


def test_a_passage_of_a_registered_document_stays_found_after_redaction() -> None:
    detector = detector_of(bundle())
    request = request_of(f"wolpertinger: {MEMO}")

    redaction = redact(detector, request)

    assert redaction is not None
    (text,) = [part.text for part in redaction.body.parts]
    assert "wolpertinger" not in text
    assert "Halvorsen" in text
    assert "CONFIDENTIAL" in redaction.classification.found


def test_jargon_is_no_finding_here_nor_in_a_worker() -> None:
    pack = pack_of(
        "terms:\n  names: {entity: PROJECT_CODENAME, terms: [Wolpertinger, S3]}\n"
        "allow:\n  cloud: {entities: [PROJECT_CODENAME], terms: [s3]}\n"
    )
    own = replace(
        bundle_of(rules_of(PROJECT_CODENAME="CONFIDENTIAL", BOARD_PAPER="CONFIDENTIAL")),
        recognizers=pack,
    )
    seen = classify(detector_of(own), request_of("S3 and wolpertinger"))

    assert [(f.start, f.end) for f in seen.findings] == [(7, 19)]


ENGLISH = "The delivery of the machines was late again and nobody could say when they would come. "
GERMAN = "Die Lieferung der Maschinen war wieder zu spät und niemand wusste, wann sie kommt. "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see ZEPH-1234", ["TICKET"]),
        (GERMAN * 5 + "ZEPH-1234", ["TICKET"]),
        (ENGLISH * 5 + "ZEPH-1234", []),
        (ENGLISH * 5 + GERMAN * 5 + "ZEPH-1234", ["TICKET"]),
    ],
    ids=["short", "german", "english", "both"],
)
def test_a_pattern_of_one_language_is_silent_only_in_a_long_text_of_others(
    text: str, expected: list[str]
) -> None:
    assert entities_in(text) == expected


def test_a_pattern_that_runs_out_of_time_is_failed_and_never_silent() -> None:
    # As dear as the bundle lets through: 32,766 ways from each of a million places.
    slow = replace(PACK.patterns[0], regex="(?:a|aa){1,14}c", languages=frozenset())
    recognizers = operator_recognizers(Pack(digest="slow", patterns=(slow,)))

    scan = run("c" + "a" * 1_000_000, time.monotonic() + 0.05, Panel(recognizers))

    assert scan.failed == ("TICKET",)


@pytest.fixture
async def pool() -> AsyncIterator[ScanPool]:
    made = ScanPool(workers=1)
    await made.warm_up()
    yield made
    made.close()


async def test_workers_run_the_recognizers_of_the_pack_that_each_scan_names(
    pool: ScanPool,
) -> None:
    other = Pack(digest="two", terms=(replace(TERMS, terms=("Tatzelwurm",)),))
    text = "wolpertinger, tatzelwurm"
    none = frozenset[str]()
    answers = [await pool.scan((text,), 5, none, pack) for pack in (PACK, PACK, other, NO_PACK)]

    spans = [[(h.start, h.end) for h in a[0].hits] for a in answers if not isinstance(a, str)]
    assert spans == [[(0, 12)], [(0, 12)], [(14, 24)], []]


async def test_a_long_text_is_scanned_with_the_packs_recognizers_in_a_worker(
    pool: ScanPool,
) -> None:
    detector = detector_of(bundle(), pool=pool, inline_max_chars=100)
    seen = await detector.classify(request_of("plain words " * 50 + "Wolpertinger"))

    assert [(f.entity, f.start) for f in seen.findings] == [("CODENAME", 600)]
    assert seen.failed == frozenset()


def test_a_scan_in_the_workers_own_words_equals_one_here() -> None:
    (scan,) = scan_texts([MEMO + " Wolpertinger"], 5, frozenset(), PACK)

    assert [hit.entity for hit in scan.hits] == ["PAPER", "CODENAME"]
    assert scan.hits[0] == Hit(0, scan.hits[0].end, "PAPER", 100)
