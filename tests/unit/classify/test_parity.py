"""What we take from Presidio finds what Presidio finds, but for what is declared here.

Its own recognizers for addresses of mail, telephones and the web are replaced, and dates and UUIDs
are no personal data by themselves (`transire.classify.presidio`); they are not compared.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.predefined_recognizers import EmailRecognizer
from tests.stock import ENTITIES, generated, real_texts, stock_engine, stock_recognizers

from transire.classify.presidio import LICENSE_WORDS, names_a_host, stands_alone
from transire.classify.recognizers.checks import passes_luhn
from transire.classify.scan import scan_texts
from transire.classify.traits import traits_of

Span = tuple[int, int, str]

EXCEPTIONS: Final[Mapping[str, Callable[[str, int, int], bool]]] = {
    # Without one of its context words it matches `A1` and `7`.
    "US_DRIVER_LICENSE": lambda text, *_: LICENSE_WORDS.isdisjoint(traits_of(text).words),
    # `::` stands in code and prose; an address of version six has groups and digits.
    "IP_ADDRESS": lambda text, start, end: not names_a_host(text[start:end]),
    # Its checksum fits inside many an IBAN.
    "MEDICAL_LICENSE": lambda text, start, end: not stands_alone(text, start, end),
    # `PAN (Low)` takes every word of ten characters before four digits, at a score of 1 %.
    "IN_PAN": lambda text, start, end: not re.fullmatch(r"(?i)[a-z]{5}\d{4}[a-z]", text[start:end]),
}

ADDITIONS: Final[Mapping[str, Callable[[str], bool]]] = {
    # Ranges and lengths that its pattern does not know.
    "CREDIT_CARD": passes_luhn,
    # Its patterns are for capitals when its recognizer stands alone.
    "IBAN_CODE": str.islower,
    # Digits alone, after the words that say so.
    "US_DRIVER_LICENSE": lambda value: any(map(str.isdigit, value)),
}


def found_here(text: str) -> set[Span]:
    (scan,) = scan_texts([text], 20, frozenset(ENTITIES))
    assert scan.failed == ()
    # What stands in the text itself: Presidio reads nothing in disguise.
    return {(hit.start, hit.end, hit.entity) for hit in scan.hits if hit.via is None}


def differences(text: str, stock: set[Span]) -> tuple[set[Span], set[Span], set[Span]]:
    """Spans that only Presidio has, that only we have, and that are declared."""
    ours = found_here(text)
    missing = stock - ours
    declared = {
        span for span in missing if span[2] in EXCEPTIONS and EXCEPTIONS[span[2]](text, *span[:2])
    }
    # Presidio drops a hit inside another of the same entity; here a later stage joins them.
    extra = {
        (start, end, entity)
        for start, end, entity in ours - stock
        if not (entity in ADDITIONS and ADDITIONS[entity](text[start:end]))
        and not any(e == entity and a <= start and end <= b for a, b, e in stock)
    }
    return missing - declared, extra, declared


def spans_of(results: list[RecognizerResult]) -> set[Span]:
    return {(r.start, r.end, r.entity_type) for r in results if r.score > 0}


@pytest.mark.slow
def test_spans_equal_those_of_presidios_recognizers_on_three_thousand_texts() -> None:
    recognizers = stock_recognizers()
    texts = [*generated(2_400), *(real_texts(1_200) or generated(1_200, seed=3))]
    compared, declared = 0, set[str]()

    for text in texts:
        results = [r for one in recognizers for r in one.analyze(text, one.supported_entities)]
        stock = spans_of(EntityRecognizer.remove_duplicates(results))
        compared += len(stock)
        missing, extra, excepted = differences(text, stock)
        declared |= {entity for _, _, entity in excepted}
        assert (missing, extra) == (set(), set()), text

    assert compared > 8_000
    assert declared == set(EXCEPTIONS)


def test_spans_equal_those_of_the_whole_engine_with_context_words() -> None:
    engine = stock_engine()

    for text in generated(150, seed=4):
        stock = spans_of(engine.analyze(text, "en", entities=list(ENTITIES)))
        missing, extra, _ = differences(text, stock)
        assert (missing, extra) == (set(), set()), text


def test_every_mail_address_that_presidios_pattern_sees_is_found() -> None:
    stock: Any = EmailRecognizer()
    (pattern,) = stock.patterns
    texts = [text.replace("a", " ann.lee+x@mail.acme.co.uk ", 3) for text in generated(100)]

    seen = 0
    for text in [*texts, *real_texts(400)]:
        (scan,) = scan_texts([text], 20, frozenset({"EMAIL_ADDRESS"}))
        spans = [(hit.start, hit.end) for hit in scan.hits]
        for match in re.finditer(pattern.regex, text, re.IGNORECASE):
            seen += 1
            assert any(start < match.end() and match.start() < end for start, end in spans), text

    assert seen > 20
