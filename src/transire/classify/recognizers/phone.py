"""Telephone numbers: one shared scan for candidates, each distinct one judged once.

Presidio's matcher gives up after a number of tries without a word. Here the only bound is the
scan's deadline, and reaching it is a failure.

A national number with neither a word beside it nor the North American shape stays below every
sensible threshold (many numbers are valid somewhere), so it is not looked up at all: tables of
numbers cost a scan for candidates and nothing more.
"""

import time
from collections.abc import Iterator
from typing import Any, Final

import regex

from transire.classify.presidio import shaped
from transire.classify.recognizer import Hit, Recognizer, has_context

__all__ = ["phone_recognizer"]

_REGIONS: Final = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "CH", "AT", "PL", "IN", "BR")
_WORDS: Final = frozenset(
    {"phone", "call", "tel", "telephone", "mobile", "cell", "fax", "whatsapp", "sms"}
    | {"dial", "landline", "hotline", "voicemail"}
    | {"telefon", "handy", "anruf", "téléphone", "teléfono", "móvil", "telefono", "cellulare"}
)
_NUMBER: Final = frozenset({"number"})
_OTHERS: Final = frozenset(
    {"card", "credit", "social", "security", "ssn", "license", "licence", "passport", "account"}
    | {"order", "invoice", "iban", "ticket", "tracking", "serial", "policy", "reference", "tax"}
)
"""Whose `number` is no telephone's."""
_EXTENSION: Final = r" ?(?:x|ext\.?|extension) ?\d{1,7}"
_CANDIDATE: Final = regex.compile(
    # What it begins with stands in front: `regex` would look behind at every character otherwise.
    r"(?=[+(\d])(?<![\w.,:/-])(?:\+\d|\(?0\d|\(?[2-9]\d|1[ .-]\(?[2-9])(?:[ ().\-/]{0,3}\d){5,14}"
    rf"(?:{_EXTENSION})?(?![\w:-]|\.\d)"
)
_NORTH_AMERICAN: Final = regex.compile(
    rf"(?:1[ .-])?(?:\(\d{{3}}\)[ .-]?|\d{{3}}[ .-])\d{{3}}[ .-]\d{{4}}(?:{_EXTENSION})?"
)
_INTERNATIONAL_PCT: Final = 75
_SHAPED_PCT: Final = 50
_NATIONAL_PCT: Final = 25
_WORD_BOOST_PCT: Final = 35


def phone_recognizer() -> Recognizer:
    """International numbers, and national ones of a dozen regions with a sign beside them."""
    return Recognizer("PHONE_NUMBER", shaped(7, r"\d(?:[ ().\-/]{0,3}\d){6}"), _find)


def _find(text: str, seconds: float) -> Iterator[Hit]:
    deadline = time.monotonic() + seconds
    known: dict[str, bool] = {}
    for match in _CANDIDATE.finditer(text, timeout=seconds):
        number = match.group()
        has_word = _has_word(text, *match.span())
        score = _score(number, has_word=has_word)
        if not score:
            continue
        if number not in known:
            if time.monotonic() > deadline:
                raise TimeoutError
            known[number] = _is_number(number)
        if known[number]:
            yield Hit(match.start(), match.end(), "PHONE_NUMBER", score)


def _has_word(text: str, start: int, end: int) -> bool:
    """Whether a word beside it says that it is a telephone's; a mere `number` may say otherwise."""
    return has_context(text, start, end, _WORDS) or (
        has_context(text, start, end, _NUMBER) and not has_context(text, start, end, _OTHERS)
    )


def _score(number: str, *, has_word: bool) -> int:
    """What the candidate would score if it is a number; 0 where it is not worth asking."""
    if number.startswith("+"):
        base = _INTERNATIONAL_PCT
    elif _NORTH_AMERICAN.fullmatch(number):
        base = _SHAPED_PCT
    else:
        base = _NATIONAL_PCT if has_word else 0
    return min(100, base + _WORD_BOOST_PCT) if has_word else base


def _is_number(number: str) -> bool:
    import phonenumbers

    regions = (None,) if number.startswith("+") else _REGIONS
    return any(_is_valid(number, region, phonenumbers) for region in regions)


def _is_valid(number: str, region: str | None, phonenumbers: Any) -> bool:
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_valid_number(parsed))
