"""Every recognizer of this installation, built once, without touching the network.

Presidio's stock `UrlRecognizer` (quadratic on dots), `PhoneRecognizer` (stops silently), and
`EmailRecognizer` (opens sockets for a suffix list and drops `bob@corp.internal`) are replaced
(research: detection §0, findings 2, 4, 5, 6).
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

import regex
from presidio_analyzer import predefined_recognizers as presidio

from transire.classify.content import content_recognizers
from transire.classify.recognizer import (
    Hit,
    Recognizer,
    has_context,
    pattern_recognizer,
    presidio_recognizer,
)
from transire.classify.secret import secret_recognizers
from transire.classify.traits import Traits

__all__ = ["all_recognizers"]


@cache
def all_recognizers() -> tuple[Recognizer, ...]:
    """All recognizers in a fixed order; the first call imports Presidio (about two seconds)."""
    return (*_structured(), _email(), _phone(), *secret_recognizers(), *content_recognizers())


def _digits(count: int) -> Callable[[Traits], bool]:
    return lambda traits: traits.digits >= count


def _shaped(least_digits: int, shape: str) -> Callable[[Traits], bool]:
    pattern = re.compile(shape)
    return lambda t: t.digits >= least_digits and pattern.search(t.text) is not None


def _structured() -> list[Recognizer]:
    grouped = r"\d(?:[ -]?\d){%d}"
    return [
        presidio_recognizer(presidio.CreditCardRecognizer(), _shaped(12, grouped % 11)),
        presidio_recognizer(
            presidio.IbanRecognizer(), _shaped(8, r"(?i)\b[a-z]{2}\d{2}[ -]?[a-z0-9]{4}")
        ),
        presidio_recognizer(
            presidio.CryptoRecognizer(), _shaped(1, r"\b(?:bc1|[13])[a-zA-HJ-NP-Z0-9]{24}")
        ),
        presidio_recognizer(presidio.IpRecognizer(), _address_gate),
        presidio_recognizer(
            presidio.MacAddressRecognizer(), _shaped(0, r"(?i)[0-9a-f]{2}[:-][0-9a-f]{2}[:-]")
        ),
        presidio_recognizer(presidio.UsSsnRecognizer(), _shaped(9, r"\d{3}[- .]?\d{2}[- .]?\d{4}")),
        presidio_recognizer(
            presidio.UsItinRecognizer(), _shaped(9, r"9\d{2}[- .]?\d{2}[- .]?\d{4}")
        ),
        presidio_recognizer(presidio.UsPassportRecognizer(), _shaped(8, r"\d{8}")),
        presidio_recognizer(presidio.UsBankRecognizer(), _shaped(8, r"\d{8}")),
        presidio_recognizer(presidio.UsLicenseRecognizer(), _license_gate),
        presidio_recognizer(presidio.NhsRecognizer(), _shaped(10, grouped % 9)),
        presidio_recognizer(
            presidio.UkNinoRecognizer(), _shaped(6, r"(?i)[a-z]{2} ?\d{2} ?\d{2} ?\d{2} ?[a-d]")
        ),
        presidio_recognizer(presidio.EsNifRecognizer(), _shaped(7, r"(?i)\d{7}-?[a-z]")),
        presidio_recognizer(presidio.EsNieRecognizer(), _shaped(7, r"(?i)[xyz]-?\d{7}")),
        presidio_recognizer(
            presidio.ItFiscalCodeRecognizer(), _shaped(5, r"(?i)[a-z]{6}[0-9lmnp-v]{2}[a-z]")
        ),
        presidio_recognizer(presidio.PlPeselRecognizer(), _shaped(11, r"\d{11}")),
        presidio_recognizer(presidio.AuTfnRecognizer(), _shaped(8, r"\d{3}[ ]?\d{3}[ ]?\d{2}")),
        presidio_recognizer(presidio.InPanRecognizer(), _shaped(4, r"(?i)[a-z]{5}\d{4}[a-z]")),
        presidio_recognizer(presidio.InAadhaarRecognizer(), _shaped(12, grouped % 11)),
        presidio_recognizer(presidio.SgFinRecognizer(), _shaped(7, r"(?i)[stfgm]\d{7}[a-z]")),
        presidio_recognizer(
            presidio.FiPersonalIdentityCodeRecognizer(), _shaped(6, r"\d{6}[-+ABCDEFYXWVU]\d{3}")
        ),
        presidio_recognizer(
            presidio.MedicalLicenseRecognizer(), _shaped(7, r"(?i)\b[a-z]{2}\d{7}\b")
        ),
    ]


def _address_gate(traits: Traits) -> bool:
    has_v4 = traits.digits >= 4 and re.search(r"\d\.\d{1,3}\.\d", traits.text) is not None
    return has_v4 or re.search(r"(?i)[0-9a-f]{1,4}::?[0-9a-f]{1,4}:", traits.text) is not None


def _license_gate(traits: Traits) -> bool:
    # Without its context words this recognizer is noise: it matches `A1` (issue 1063 of Presidio).
    named = {"driver", "license", "licence", "permit", "lic"}
    return traits.digits >= 1 and bool(traits.words & named)


def _email() -> Recognizer:
    return pattern_recognizer(
        "EMAIL_ADDRESS",
        lambda traits: "@" in traits.text,
        [
            (
                r"(?<![\w.+%-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@"
                r"(?:[\w](?:[\w-]{0,61}[\w])?\.){1,8}[^\W\d_]{2,24}(?![\w-])",
                100,
            ),
            # Internal hosts without a dot: weaker, because `user@host` is also an ssh target.
            (r"(?<![\w.+%-])[a-z][\w.+-]{1,63}@(?:localhost|intranet|corp|internal)\b", 60),
        ],
        flags=regex.I,
    )


_REGIONS: Final = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "CH", "AT", "PL", "IN", "BR")
_PHONE_WORDS: Final = frozenset(
    {"phone", "call", "tel", "telephone", "mobile", "cell", "number", "fax", "whatsapp", "sms"}
    | {"telefon", "handy", "anruf", "téléphone", "teléfono", "móvil", "telefono", "cellulare"}
)
_CANDIDATE: Final = regex.compile(
    r"(?<![\w.,:/-])(?:\+|\(?0|\(?[2-9])[\d](?:[ ().\-/]{0,3}\d){5,14}(?![\w:-]|\.\d)"
)
_NORTH_AMERICAN: Final = regex.compile(r"\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}")
_MAX_CANDIDATES: Final = 2_000
"""Distinct number-like strings looked up per text; more is a failure, never silence."""


def _phone() -> Recognizer:
    gate = _shaped(7, r"\d(?:[ ().\-/]{0,3}\d){6}")
    return Recognizer("PHONE_NUMBER", gate, _find_phones)


def _find_phones(text: str, seconds: float) -> Iterator[Hit]:
    import phonenumbers

    known: dict[str, int] = {}
    for match in _CANDIDATE.finditer(text, timeout=seconds):
        candidate = match.group()
        if candidate not in known:
            if len(known) >= _MAX_CANDIDATES:
                raise TimeoutError
            known[candidate] = _phone_score(candidate, phonenumbers)
        score = known[candidate]
        if score and has_context(text, match.start(), match.end(), _PHONE_WORDS):
            score = min(100, score + 35)
        if score:
            yield Hit(match.start(), match.end(), "PHONE_NUMBER", score)


def _phone_score(candidate: str, phonenumbers: object) -> int:
    if candidate.startswith("+"):
        return 75 if _is_valid(candidate, None, phonenumbers) else 0
    shaped = _NORTH_AMERICAN.fullmatch(candidate) is not None
    valid = any(_is_valid(candidate, region, phonenumbers) for region in _REGIONS)
    # Many numbers are valid somewhere; without a shape or a word beside it, it stays below 40.
    return (50 if shaped else 25) if valid else 0


def _is_valid(candidate: str, region: str | None, phonenumbers: object) -> bool:
    try:
        parsed = phonenumbers.parse(candidate, region)  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - its parser's error for "no number here"; nothing is lost
        return False
    return bool(phonenumbers.is_valid_number(parsed))  # type: ignore[attr-defined]
