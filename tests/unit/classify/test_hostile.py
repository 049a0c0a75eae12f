"""Hostile texts of the largest kind: bounded, clear, closed.

Shorter ones against the clock stand in `test_scan.py` and `tests/properties/test_views.py`.
"""

import base64
import io
import time
import zipfile
import zlib

import pytest
from tests.unit.classify.detectors import (
    ENTITIES,
    bundle_of,
    classify,
    detector_of,
    redact,
    request_of,
)

from transire.classify.recognizers import all_recognizers
from transire.classify.scan import DISGUISED, MAX_HITS, OPAQUE, panel_of, run
from transire.domain.bundle import DetectorRules
from transire.domain.ids import DataClass

EVERY = panel_of(frozenset(recognizer.entity for recognizer in all_recognizers()))
SIZE = 200_000
ALONE = ' \n.:-@/1aA=%&(;"_$é你\u200b\u0661\u202e'
PAIRED = " .:@1a%\u0661"
SLACK_S = 2.0
"""CPU seconds between two looks at the clock: 0.2 at worst on a quiet machine, and busy neighbours
make it two or three times that; what this guards against (quadratic and worse) takes minutes."""
RUNS = 3
"""Neighbours on the machine only add to a run; the least CPU time of a few is the cost."""
CARD = "4111 1111 1111 1111"


def repeated(unit: str) -> str:
    return unit * (SIZE // len(unit))


@pytest.mark.slow
@pytest.mark.parametrize("unit", [*ALONE, "0", "x", "\u0301", "\ufeff"], ids=ascii)
def test_two_hundred_kilobytes_of_one_character_stay_within_their_deadline(unit: str) -> None:
    _assert_bounded(repeated(unit))


@pytest.mark.slow
@pytest.mark.parametrize("first", PAIRED, ids=ascii)
def test_two_hundred_kilobytes_of_any_pair_stay_within_their_deadline(first: str) -> None:
    for second in PAIRED:
        if first < second:
            _assert_bounded(repeated(first + second), deadline_s=0.2)


def _assert_bounded(text: str, deadline_s: float = 1.0) -> None:
    """A scan ends soon after its deadline, whatever the text, and says what it did not finish."""
    least_s = float("inf")
    for _ in range(RUNS):
        started = time.thread_time()
        scan = run(text, time.monotonic() + deadline_s, EVERY)
        least_s = min(least_s, time.thread_time() - started)
        assert set(scan.failed) <= {r.entity for r in EVERY.members} | {OPAQUE, DISGUISED}
        if least_s <= deadline_s + SLACK_S:
            return
    raise AssertionError(f"{least_s:.2f} s of CPU at best, and {deadline_s + SLACK_S} are allowed")


@pytest.mark.slow
def test_a_hundred_thousand_findings_fail_their_class_and_are_not_kept() -> None:
    text = "".join(f"{n}@acme.com " for n in range(100_000))
    rules = DetectorRules(languages=("en", "de"), base_deadline_ms=20_000)

    seen = classify(detector_of(bundle_of(detector=rules)), request_of(text))

    assert len(seen.findings) <= MAX_HITS
    assert DataClass("CONTACT") in seen.failed
    assert "EMAIL_ADDRESS" in seen.failures


def nested(times: int, text: str) -> str:
    for _ in range(times):
        text = base64.b64encode(text.encode()).decode()
    return text


def zip_of(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", data)
    return buffer.getvalue()


def data_url(data: bytes) -> str:
    return f"see data:application/zip;base64,{base64.b64encode(data).decode()} for more"


@pytest.mark.parametrize("times", [4, 10])
def test_base64_in_base64_beyond_the_depth_fails_every_promised_class(times: int) -> None:
    seen = classify(detector_of(), request_of(f"decode {nested(times, CARD)} please"))

    assert seen.failed == frozenset(map(DataClass, ENTITIES.values()))
    assert seen.failures == (DISGUISED,)


def test_an_archive_bomb_is_never_unpacked_and_what_is_large_is_opaque() -> None:
    inner = zip_of(bytes(50_000_000))
    noise = b"".join(zlib.crc32(bytes([n % 251, n // 251])).to_bytes(4) for n in range(2_000))
    started = time.thread_time()

    small = run(data_url(zip_of(inner)), time.monotonic() + 20, EVERY)
    large = run(data_url(zip_of(inner + noise)), time.monotonic() + 20, EVERY)

    assert time.thread_time() - started < 3
    assert small.failed == ()
    assert large.failed == (OPAQUE,)


@pytest.mark.parametrize(
    "text",
    [
        f"\u202e{CARD[::-1]}\u202c is shown as it is charged",
        f"{CARD[:9]}\u202e{CARD[9:]}",
        "\u2067".join(CARD),
        "\u202e" * 5_000 + CARD,
    ],
)
def test_overrides_of_direction_hide_nothing_that_stands_in_order(text: str) -> None:
    seen = classify(detector_of(), request_of(text))

    is_reversed = CARD[::-1] in text
    assert (DataClass("PCI") in seen.found) is (not is_reversed)
    assert seen.failures == ()


@pytest.mark.parametrize(
    "text", ["\ud800", "a\udfffb " * 2_000, f"\ud83d{CARD}\ude00", "\ud800\udc00 " + CARD]
)
def test_unpaired_surrogates_are_read_around_and_raise_nothing(text: str) -> None:
    seen = classify(detector_of(), request_of(text))

    assert seen.failures == ()
    assert (DataClass("PCI") in seen.found) is (CARD in text)


def test_a_text_of_findings_alone_is_redacted_in_bounded_time() -> None:
    text = " ".join(f"{n}@acme.com" for n in range(2_000))
    started = time.thread_time()

    redacted = redact(detector_of(), request_of(text))

    assert redacted is not None
    assert "@" not in redacted.body.parts[0].text
    assert time.thread_time() - started < 5
