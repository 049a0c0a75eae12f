"""Presidio's recognizers: built and run without a socket, and never gated away."""

import re
import socket
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from presidio_analyzer import predefined_recognizers

from transire.bundle.canaries import CANARIES
from transire.classify.presidio import structured
from transire.classify.recognizers import all_recognizers, select
from transire.classify.scan import scan_texts
from transire.classify.traits import traits_of

WRAPPED = {recognizer.entity: recognizer for recognizer in structured()}
STOCK = {
    built.supported_entities[0]: built
    for name in predefined_recognizers.__all__
    if name.endswith("Recognizer")
    and (kind := getattr(predefined_recognizers, name)) is not None
    and hasattr(kind, "PATTERNS")
    and (built := kind()).supported_entities[0] in WRAPPED
}
PATTERNS = [
    (entity, pattern)
    for entity, stock in STOCK.items()
    for pattern in stock.patterns
    # The licence recognizer is gated by its words on purpose: without one it matches `A1`. The
    # last Indian pattern is a look-ahead that hypothesis cannot generate from.
    if entity != "US_DRIVER_LICENSE" and pattern.name != "PAN (Low)"
]


def found(text: str, entity: str) -> list[str]:
    (scan,) = scan_texts([text], 5, frozenset({entity}))
    assert scan.failed == ()
    return [text[hit.start : hit.end] for hit in scan.hits]


def test_no_name_is_looked_up_when_recognizers_are_built_or_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a look-up")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    all_recognizers.cache_clear()
    select.cache_clear()

    scans = scan_texts(list(CANARIES.values()), 5, frozenset(CANARIES))

    assert all(scan.failed == () for scan in scans)
    assert any(hit.entity == "EMAIL_ADDRESS" for scan in scans for hit in scan.hits)


@pytest.mark.parametrize(("entity", "pattern"), PATTERNS, ids=lambda value: str(value)[:40])
def test_a_gate_never_shuts_out_what_a_pattern_matches(entity: str, pattern: Any) -> None:
    recognizer = WRAPPED[entity]

    @settings(max_examples=50, database=None, suppress_health_check=list(HealthCheck))
    @given(st.from_regex(re.compile(pattern.regex, re.IGNORECASE | re.MULTILINE), fullmatch=True))
    def holds(value: str) -> None:
        text = f"see {value} there"
        if recognizer.gate(traits_of(text)):
            return
        try:
            hits = list(recognizer.find(text, 5))
        except Exception:  # noqa: BLE001 - a validator chokes on odd letters: that scan has failed
            hits = []
        assert hits == []

    holds()


@pytest.mark.parametrize("text", ["fe80::1", "2001:db8::8a2e:370:7334", "::ffff:192.0.2.1"])
def test_internet_addresses_of_version_six_are_found(text: str) -> None:
    assert text in found(f"host {text} is down", "IP_ADDRESS")


@pytest.mark.parametrize("text", ["xs[::2]", "std::abc::fed", "xs[1::2]", "a ::b:: c"])
def test_code_is_no_internet_address(text: str) -> None:
    assert found(text, "IP_ADDRESS") == []


@pytest.mark.parametrize("text", ["00:1A:2B:3C:4D:5E", "00-1a-2b-3c-4d-5e", "001a.2b3c.4d5e"])
def test_hardware_addresses_are_found_in_each_spelling(text: str) -> None:
    assert found(f"card {text} up", "MAC_ADDRESS") == [text]


def test_the_word_beside_a_number_raises_its_score() -> None:
    (bare, named) = scan_texts(["536-90-4399", "my ssn is 536-90-4399"], 5, frozenset({"US_SSN"}))

    assert bare.hits[0].score_pct < named.hits[0].score_pct


@pytest.mark.parametrize(
    "text", ["4111 1111 1111 1112", "078-05-1120", "DE89 3704 0044 0532 0130 01"]
)
def test_a_wrong_checksum_or_a_known_sample_is_no_finding(text: str) -> None:
    entities = frozenset({"CREDIT_CARD", "US_SSN", "IBAN_CODE"})

    assert scan_texts([text], 5, entities)[0].hits == ()


@pytest.mark.parametrize(
    ("before", "after", "is_near"),
    [
        ("ssn ", "", True),
        ("SSNs: ", "", True),
        ("social security ", "", True),
        ("ssn" + " " * 56, "", True),
        ("ssn" + " " * 60, "", False),
        ("", " ssn", True),
        ("", " " * 30 + "ssn", False),
        ("assn ", "", False),
        ("", "", False),
    ],
)
def test_a_context_word_counts_whole_and_near(before: str, after: str, *, is_near: bool) -> None:
    (scan,) = scan_texts([f"{before}536-90-4399{after}"], 5, frozenset({"US_SSN"}))

    assert (max(hit.score_pct for hit in scan.hits) > 50) is is_near


def test_no_time_left_is_a_time_out_and_not_no_limit() -> None:
    with pytest.raises(TimeoutError):
        list(WRAPPED["US_SSN"].find("536-90-4399", 0))
