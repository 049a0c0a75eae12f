"""Presidio's recognizers, wrapped one by one, built without touching the network.

Only patterns, validators and context words are taken over. Its registry, its analyzer, spaCy and
the recognizers that are unsafe on the path stay out: `UrlRecognizer` (quadratic on dots),
`PhoneRecognizer` (stops silently) and `EmailRecognizer` (opens sockets for a suffix list, drops
`bob@corp.internal`); `transire.classify.recognizers` has our own (research: detection §0).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from presidio_analyzer import predefined_recognizers as presidio

from transire.classify.recognizer import Hit, Recognizer, presidio_recognizer
from transire.classify.traits import Traits

__all__ = ["shaped", "structured"]


def structured() -> list[Recognizer]:
    """Presidio's checksummed and shaped identifiers, each behind its necessary condition."""
    grouped = r"\d(?:[\s:-]?\d){%d}"
    return [
        presidio_recognizer(presidio.CreditCardRecognizer(), shaped(12, grouped % 11)),
        presidio_recognizer(
            presidio.IbanRecognizer(), shaped(8, r"(?i)\b[a-z]{2}\d{2}[ -]?[a-z0-9]{4}")
        ),
        presidio_recognizer(
            presidio.CryptoRecognizer(), shaped(1, r"\b(?:bc1|[13])[a-zA-HJ-NP-Z0-9]{24}")
        ),
        _address(),
        presidio_recognizer(presidio.MacAddressRecognizer(), _mac_gate),
        presidio_recognizer(presidio.UsSsnRecognizer(), shaped(9, r"\d{3}[- .]?\d{2}[- .]?\d{4}")),
        presidio_recognizer(
            presidio.UsItinRecognizer(), shaped(9, r"9\d{2}[- .]?\d{2}[- .]?\d{4}")
        ),
        presidio_recognizer(presidio.UsPassportRecognizer(), shaped(8, r"\d{8}")),
        presidio_recognizer(presidio.UsBankRecognizer(), shaped(8, r"\d{8}")),
        presidio_recognizer(presidio.UsLicenseRecognizer(), _license_gate),
        presidio_recognizer(presidio.NhsRecognizer(), shaped(10, grouped % 9)),
        presidio_recognizer(
            presidio.UkNinoRecognizer(), shaped(6, r"(?i)[a-z]{2} ?\d{2} ?\d{2} ?\d{2} ?[a-d]")
        ),
        presidio_recognizer(presidio.EsNifRecognizer(), shaped(7, r"(?i)\d{7}-?[a-z]")),
        presidio_recognizer(presidio.EsNieRecognizer(), shaped(7, r"(?i)[xyz]-?\d{7}")),
        presidio_recognizer(presidio.ItFiscalCodeRecognizer(), _fiscal_code_gate),
        presidio_recognizer(presidio.PlPeselRecognizer(), shaped(11, r"\d{11}")),
        presidio_recognizer(presidio.AuTfnRecognizer(), shaped(8, r"\d{3}\s?\d{3}\s?\d{2}")),
        presidio_recognizer(presidio.InPanRecognizer(), shaped(4, r"(?i)[a-z]{5}\d{4}[a-z]")),
        presidio_recognizer(presidio.InAadhaarRecognizer(), shaped(12, grouped % 11)),
        presidio_recognizer(presidio.SgFinRecognizer(), shaped(7, r"(?i)[a-z]\d{7}[a-z]")),
        presidio_recognizer(
            presidio.FiPersonalIdentityCodeRecognizer(), shaped(6, r"(?i)\d{6}[-+ABCDEFYXWVU]\d{3}")
        ),
        presidio_recognizer(
            presidio.MedicalLicenseRecognizer(), shaped(7, r"(?i)\b[a-z][a-z9]\d{7}\b")
        ),
    ]


def shaped(least_digits: int, shape: str) -> Callable[[Traits], bool]:
    """A gate: at least so many digits, and something of this shape."""
    pattern = re.compile(shape)
    return lambda t: t.digits >= least_digits and pattern.search(t.text) is not None


def _address() -> Recognizer:
    wrapped = presidio_recognizer(presidio.IpRecognizer(), _address_gate)

    def find(text: str, seconds: float) -> Iterator[Hit]:
        for hit in wrapped.find(text, seconds):
            if _names_a_host(text[hit.start : hit.end]):
                yield hit

    return replace(wrapped, find=find)


def _address_gate(traits: Traits) -> bool:
    text = traits.text
    # Counting first: prose of any length has many colons, but few texts reach the search.
    has_v6 = "::" in text or (text.count(":") >= 6 and _V6.search(text) is not None)
    return has_v6 or (traits.digits >= 4 and _V4.search(text) is not None)


def _names_a_host(address: str) -> bool:
    """Code is full of `[1::2]` and `abc::fed`; no host is named with so few or no digits."""
    groups = [group for group in address.split(":") if group]
    return ":" not in address or (
        len(groups) >= 2 and len("".join(groups)) >= 5 and any(map(str.isdigit, address))
    )


def _mac_gate(traits: Traits) -> bool:
    text = traits.text
    has_pairs = text.count(":") >= 5 or text.count("-") >= 5
    if has_pairs and _PAIRS.search(text) is not None:
        return True
    return text.count(".") >= 2 and _DOTTED.search(text) is not None


def _fiscal_code_gate(traits: Traits) -> bool:
    # Two people with one code get letters in place of digits (omocodia), of all seven if need be.
    if traits.digits:
        return _FISCAL_CODE.search(traits.text) is not None
    return any(len(word) >= 16 for word in traits.words)


def _license_gate(traits: Traits) -> bool:
    # Without one of its context words this recognizer is noise: it matches `A1` (issue 1063 of
    # Presidio), and stays below every sensible threshold.
    return traits.digits >= 1 and bool(traits.words & _LICENSE_WORDS)


_V4: Final = re.compile(r"\d\.\d{1,3}\.\d")
_V6: Final = re.compile(r"(?i)[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){5}:")
_PAIRS: Final = re.compile(r"(?i)[0-9a-f]{2}([:-])[0-9a-f]{2}\1[0-9a-f]{2}\1")
_DOTTED: Final = re.compile(r"(?i)[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}")
_FISCAL_CODE: Final = re.compile(r"(?i)[a-z]{6}[0-9a-z]{10}")
_LICENSE_WORDS: Final = frozenset(
    word.removesuffix("s") + plural
    for word in presidio.UsLicenseRecognizer().context
    for plural in ("", "s")
) | {"licence", "licences"}
