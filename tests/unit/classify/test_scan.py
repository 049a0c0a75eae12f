"""The loop fails closed: nothing that was not read to the end reads as clean."""

import base64
import hashlib
import json
import random
import time

import pytest
import regex
from tests.unit.classify.detectors import failing

from transire.classify.gate import Panel
from transire.classify.recognizer import Recognizer, pattern_recognizer
from transire.classify.recognizers import all_recognizers
from transire.classify.scan import BLOB_CHARS, MAX_HITS, OPAQUE, Scan, has_blob, run, scan_texts

EVERY = frozenset(recognizer.entity for recognizer in all_recognizers())
WORD = pattern_recognizer("WORD", lambda _: True, [(r"\w+", 100)])


def scanned(text: str, *recognizers: Recognizer, left_s: float = 5.0) -> Scan:
    return run(text, time.monotonic() + left_s, Panel(recognizers))


@pytest.mark.parametrize("error", [TimeoutError(), ValueError("x"), RecursionError(), KeyError()])
def test_a_recognizer_that_raises_is_named_and_the_others_still_run(error: Exception) -> None:
    scan = scanned("one", failing("BROKEN", error), WORD)

    assert scan.failed == ("BROKEN",)
    assert [hit.entity for hit in scan.hits] == ["WORD"]


def test_a_gate_that_raises_is_a_failure_too() -> None:
    gate = Recognizer("BROKEN", lambda traits: bool(1 // len(traits.text[:0])), WORD.find)

    assert scanned("one", gate).failed == ("BROKEN",)


def test_a_pattern_that_explodes_is_cut_off_and_named() -> None:
    evil = Recognizer(
        "EVIL",
        lambda _: True,
        lambda text, seconds: regex.finditer(r"(a|aa)+$", text, timeout=seconds),
    )

    started = time.thread_time()
    scan = scanned("a" * 60 + "b", evil, left_s=0.05)

    assert scan.failed == ("EVIL",)
    assert time.thread_time() - started < 2


def test_what_is_not_finished_by_the_deadline_has_failed() -> None:
    assert scanned("one", WORD, left_s=-1) == Scan((), ("WORD",))


def test_a_recognizer_that_comes_back_late_has_failed() -> None:
    ticks = iter([0.0, 2.0])

    scan = run("one", 1.0, Panel([WORD]), lambda: next(ticks))

    assert scan.failed == ("WORD",)


def test_a_recognizer_with_too_many_hits_has_failed_and_the_hits_are_bounded() -> None:
    scan = scanned("a " * (MAX_HITS + 1), WORD)

    assert scan.failed == ("WORD",)
    assert len(scan.hits) == MAX_HITS


def test_only_chosen_entities_are_looked_for() -> None:
    (scan,) = scan_texts(["bob@acme.com, 4111 1111 1111 1111"], 5, frozenset({"CREDIT_CARD"}))

    assert {hit.entity for hit in scan.hits} == {"CREDIT_CARD"}


RANDOM = random.Random(1).randbytes(12_000)
BLOBS = {
    "base64": base64.b64encode(RANDOM).decode(),
    "url-safe base64": base64.urlsafe_b64encode(RANDOM).decode(),
    "hex": RANDOM.hex(),
    "a data url": "see data:image/png;base64," + base64.b64encode(RANDOM).decode(),
    "percent encoding": "".join(f"%{byte:02X}" for byte in RANDOM[:3_000]),
    "folded as in mail": base64.encodebytes(RANDOM).decode(),
    "folded and indented": base64.encodebytes(RANDOM).decode().replace("\n", "\r\n    "),
}
HARMLESS = {
    "prose": "The quick brown fox jumps over the lazy dog. " * 400,
    "minified javascript": "function a(b){return b.c?d(e,f):g[h]};var i=j||{};" * 400,
    "a lock file": "".join(
        f"pkg-{n}==1.{n} --hash=sha256:{hashlib.sha256(str(n).encode()).hexdigest()}\n"
        for n in range(300)
    ),
    "commit ids": "".join(f"{random.Random(n).randbytes(20).hex()}\n" for n in range(300)),
    "numbers": ",".join(str(n * 7919) for n in range(5_000)),
    "json": json.dumps([{"id": n, "name": f"item {n}", "ok": True} for n in range(800)]),
    "one small image": base64.b64encode(RANDOM[:2_900]).decode(),
    "a rule": "-" * 9_000 + "=" * 9_000,
    "padding": "a" * 20_000,
    "dna": "ACGT" * 5_000,
    "chinese": "你好世界" * 3_000,
    "escaped chinese": json.dumps("你好世界" * 1_500),
    "a certificate": "-----BEGIN CERTIFICATE-----\n"
    + base64.encodebytes(RANDOM[:1_400]).decode()
    + "-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize("name", BLOBS)
def test_an_opaque_blob_fails_the_whole_scan(name: str) -> None:
    (scan,) = scan_texts([BLOBS[name]], 5, EVERY)

    assert OPAQUE in scan.failed


@pytest.mark.parametrize("name", HARMLESS)
def test_ordinary_long_content_fails_nothing(name: str) -> None:
    (scan,) = scan_texts([HARMLESS[name]], 5, EVERY)

    assert scan.failed == ()


def test_the_bound_of_a_blob_is_exact() -> None:
    blob = base64.b64encode(RANDOM).decode()

    assert has_blob(blob[:BLOB_CHARS])
    assert not has_blob(blob[: BLOB_CHARS - 1])


ADVERSARIAL = {
    **{repr(c): c * 20_000 for c in ".:(+!$\"'@-_=%/\\ \n0aA\u200b\u0301你"},
    "a.": "a." * 10_000,
    "a.@": "a." * 9_999 + "@",
    "a@": "a@" * 10_000,
    "www.": "www." * 5_000,
    "1/": "1/" * 10_000,
    "A1 with a word": "driver license " + "A1 " * 6_660,
    "dates": "1990-01-02 " * 1_818,
    "ab:": "ab:" * 6_666,
    "addresses": "1.1.1.1 " * 2_500,
    "cards": "4111 1111 1111 1111 " * 1_000,
    "uuids": "123e4567-e89b-12d3-a456-426614174000 " * 540,
    "phones": "+49 30 901820 " * 1_428,
    "different phones": "call " + " ".join(f"030 {n}" for n in range(1_000_000, 1_001_700)),
    "ssns": "536-90-4399 " * 1_666,
    "hex": "deadbeef01" * 2_000,
    "blobs too short": ("a1B2c3D4" * 511 + " ") * 5,
    "folded too short": ("a1B2c3D4" * 8 + "\n") * 10 * 30,
    "passwords": "password: " * 2_000,
    "secret_": "secret_" * 2_857,
    "jwt heads": "eyJaaaaaaaaa." * 1_538,
    "sk-": "sk-" * 6_666,
    "url heads": "a://" + "b:" * 9_990,
    "diagnoses": "diagnosed with " * 1_333,
    "my": "my son " * 2_857,
    "ibans": "DE89 " * 4_000,
    "born": "born " * 4_000 + "1",
    "def": "def a(" * 3_333,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ADVERSARIAL)
def test_no_hostile_text_of_20k_characters_holds_a_core_for_a_quarter_second(name: str) -> None:
    text = ADVERSARIAL[name][:20_000]

    # The core itself may be slow for a moment; what is quadratic is slow each time.
    assert any(_cpu_s(text) <= 0.25 for _ in range(4))


def _cpu_s(text: str) -> float:
    started = time.process_time()
    scan_texts([text], 10, EVERY)
    return time.process_time() - started
