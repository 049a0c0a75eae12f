"""What Presidio's patterns leave out of the entities that we take from it.

Payment cards of later ranges and other lengths (ISO/IEC 7812: 12 to 19 digits; Mastercard's second
range since 2017), IBANs in lower case, and driver's licences that are digits alone. Each is proven
by its checksum or named by the words before it.
"""

from typing import Any, Final

import regex
from presidio_analyzer import predefined_recognizers as presidio

from transire.classify.gate import Gate
from transire.classify.presidio import shaped
from transire.classify.recognizer import Recognizer, pattern_recognizer
from transire.classify.recognizers.checks import passes_luhn

__all__ = ["beyond_presidio"]

_CARD_WORDS: Final = (
    *("card", "cards", "credit", "debit", "cc", "visa", "mastercard", "maestro", "amex", "jcb"),
    *("karte", "kreditkarte", "kartennummer", "carte", "tarjeta", "carta"),
)
_LICENSE: Final = r"(?:driver[’']?s?[’']?|driving) licen[cs]e|führerschein(?:nummer)?"
_LICENSE_WORDS: Final = frozenset(
    {"driver", "drivers", "driving", "führerschein", "führerscheinnummer"}
)


def beyond_presidio() -> list[Recognizer]:
    """Recognizers beside those of `presidio.structured`, of the same entities."""
    return [_second_range(), _named_card(), _small_iban(), _license()]


def _second_range() -> Recognizer:
    """Mastercard's 2221 to 2720."""
    return pattern_recognizer(
        "CREDIT_CARD",
        shaped(16, r"2[2-7]\d\d[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}"),
        [
            (
                r"(?<![\d.,-])(?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)(?:[ -]?\d{4}){3}"
                r"(?!-?\d)",
                100,
            )
        ],
        validate=passes_luhn,
    )


def _named_card() -> Recognizer:
    """Twelve to nineteen digits after a word for a card."""
    words = "|".join(_CARD_WORDS)
    return pattern_recognizer(
        "CREDIT_CARD",
        Gate(digits=12, words=frozenset(_CARD_WORDS)),
        [(rf"\b(?:{words})\b[^\d\n]{{0,30}}(?P<v>\d(?:[ -]?\d){{11,18}})(?!-?\d)", 100)],
        validate=passes_luhn,
        flags=regex.I,
    )


def _small_iban() -> Recognizer:
    stock: Any = presidio.IbanRecognizer()

    def validate(value: str) -> bool:
        # Of its verdicts only a proof counts: many a hash begins as an IBAN does.
        return stock.validate_result(value.upper()) is True

    return pattern_recognizer(
        "IBAN_CODE",
        shaped(8, r"(?<![A-Za-z0-9])[a-z]{2}\d{2}[ -]?[a-z0-9]{4}", "aa00"),
        [
            (
                r"(?<![A-Za-z0-9])[a-z]{2}\d{2}(?:[ -]?[a-z0-9]{4}){2,7}(?:[ -]?[a-z0-9]{1,3})?"
                r"(?![A-Za-z0-9])",
                100,
            )
        ],
        validate=validate,
    )


def _license() -> Recognizer:
    return pattern_recognizer(
        "US_DRIVER_LICENSE",
        Gate(digits=5, words=_LICENSE_WORDS),
        [
            (
                rf"\b(?:{_LICENSE})(?: (?:number|no\.?|id))?\s{{0,3}}(?:is|:|=|#)?\s{{0,3}}"
                r"(?P<v>(?=(?:[A-Z-]{0,9}\d){5})[A-Z\d](?:-?[A-Z\d]){4,18})\b",
                80,
            )
        ],
        flags=regex.I,
    )
