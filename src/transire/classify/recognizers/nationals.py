"""Identity documents and numbers of people that Presidio leaves out, or looks for in one language.

A number that carries its own proof (two check digits in a shape of its own, a date with one) is
found wherever it stands. A check that one number in ten passes by chance needs a word before it as
well, and so does every number without a check.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

import regex

from transire.classify.gate import Gate
from transire.classify.recognizer import Recognizer, pattern_recognizer
from transire.classify.recognizers import checks
from transire.classify.traits import Traits

__all__ = ["national_recognizers"]

_PROVEN_PCT: Final = 100
_NAMED_PCT: Final = 85
_LEAST_DIGITS: Final = 4
_LEAST_DIGITS_ALONE: Final = 10
"""Where a word of another script names it."""
_LINKS: Final = (
    r"[^\w\n]{0,4}(?:(?:number|nummer|numéro|número|numero|nr|no|card|code|is|ist|est|es|são|é|of)"
    r"\b[^\w\n]{0,4}){0,3}"
)
"""What may stand between a word and its number."""


def _is_any(_: str) -> bool:
    return True


class _Proven(NamedTuple):
    """A shape with check digits.

    `hint` is a part of it that begins with its rarest sign, so that looking for it is cheap.
    """

    entity: str
    digits: int
    hint: str
    shape: str
    check: Callable[[str], bool]


class _Named(NamedTuple):
    """A number after one of its words (separated by `|`), in lower case."""

    entity: str
    words: str
    shape: str
    check: Callable[[str], bool] = _is_any


_PROVEN: Final = (
    _Proven("BR_CPF", 11, r"-\d\d(?!\d)", r"\d{3}\.\d{3}\.\d{3}-\d{2}", checks.is_cpf),
    _Proven(
        "FR_NIR",
        14,
        r"\d{3} ?\d{3} ?\d\d(?!\d)",
        r"[12] ?\d\d ?(?:0[1-9]|1[0-2]|[2-9]\d) ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d",
        checks.is_nir,
    ),
    _Proven(
        "BE_NATIONAL_NUMBER",
        11,
        r"-\d{3}\.\d\d",
        r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d",
        checks.is_belgian,
    ),
    _Proven(
        "SE_PERSONNUMMER", 10, r"[-+]\d{4}(?!\d)", r"(?:19|20)?\d{6}[-+]\d{4}", checks.is_swedish
    ),
    _Proven("CH_AHV", 13, r"756\.", r"756\.\d{4}\.\d{4}\.\d{2}", checks.passes_ean),
)

_NAMED: Final = (
    _Named("AT_SVNR", "svnr|sv-nr|sozialversicherungsnummer", r"\d{4} ?\d{6}", checks.is_austrian),
    _Named(
        "AU_MEDICARE",
        "medicare",
        r"[2-6]\d{3} ?\d{5} ?\d(?:[ /-]?\d)?",
        checks.is_australian_medicare,
    ),
    _Named("AU_PASSPORT", "australian passport|passport", r"[A-Z]{1,2}\d{7}"),
    _Named("BE_NATIONAL_NUMBER", "rijksregister|registre national", r"\d{11}", checks.is_belgian),
    _Named("BG_EGN", "егн|egn", r"\d{10}", checks.is_bulgarian),
    _Named("BR_CPF", "cpf", r"\d{3}\.?\d{3}\.?\d{3}-?\d{2}", checks.is_cpf),
    _Named("BR_RG", "rg|registro geral", r"\d{1,2}\.\d{3}\.\d{3}-?[\dX]"),
    _Named("CA_PASSPORT", "canadian passport|passport", r"[A-Z]{2}\d{6}"),
    _Named("CA_SIN", "sin|nas|social insurance", r"\d{3}[ -]?\d{3}[ -]?\d{3}", checks.passes_luhn),
    _Named("CZ_RODNE_CISLO", "rodné číslo|rodne cislo|rč", r"\d{6}/?\d{3,4}"),
    _Named(
        "DE_ID_CARD",
        "personalausweis|ausweis|ausweisnummer|personalausweisnummer|reisepass|reisepassnummer"
        "|passnummer|german passport",
        r"(?=[A-Z]*\d)[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{8}(?:\d?D?)",
    ),
    _Named(
        "DE_SOCIAL_SECURITY",
        "rentenversicherungsnummer|sozialversicherungsnummer|rvnr|sv-nummer",
        r"\d{2} ?\d{6} ?[A-Z] ?\d{3}",
    ),
    _Named(
        "DE_TAX_ID",
        "steuer-id|steuerid|idnr|tin|tax id|steueridentifikationsnummer|steuernummer"
        "|identifikationsnummer",
        r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}",
        checks.is_german_tax,
    ),
    _Named(
        "DK_CPR", "cpr|cpr-nr|cpr-nummer|personnummer", r"\d{6}-?\d{4}", checks.begins_with_a_day
    ),
    _Named("EE_ISIKUKOOD", "isikukood", r"[1-8]\d{10}", checks.is_baltic),
    _Named("ES_PASSPORT", "pasaporte", r"[A-Z]{2,3}\d{6}"),
    _Named(
        "ES_SOCIAL_SECURITY",
        "seguridad social|nuss|afiliación",
        r"\d{2}[/ -]?\d{8}[/ -]?\d{2}",
        checks.is_spanish_insured,
    ),
    _Named("FR_PASSPORT", "passeport", r"\d{2}[A-Z]{2}\d{5}"),
    _Named("GR_AMKA", "amka|αμκα", r"\d{11}", checks.passes_luhn),
    _Named("HR_OIB", "oib", r"\d{11}", checks.passes_iso_11_10),
    _Named("HU_TAJ", "taj|taj-szám|taj szám", r"\d{3}[ -]?\d{3}[ -]?\d{3}"),
    _Named("IE_PPS", "pps|ppsn", r"\d{7}[A-W][A-IW]?", checks.is_irish),
    _Named("IN_PASSPORT", "passport", r"[A-PR-WY][1-9]\d{6}"),
    _Named("IN_VOTER", "voter id|voter|epic", r"[A-Z]{3}\d{7}"),
    _Named(
        "IT_IDENTITY_CARD",
        "carta d'identità|carta di identità|carta d’identità|cie",
        r"C[A-Z]\d{5}[A-Z]{2}|[A-Z]{2}\d{7}",
    ),
    _Named("LT_ASMENS_KODAS", "asmens kodas", r"[1-8]\d{10}", checks.is_baltic),
    _Named("NL_BSN", "bsn|burgerservicenummer|sofinummer", r"\d{4}\.?\d{2}\.?\d{3}", checks.is_bsn),
    _Named(
        "NO_FODSELSNUMMER",
        "fødselsnummer|fodselsnummer|personnummer",
        r"\d{6} ?\d{5}",
        checks.begins_with_a_day,
    ),
    _Named("PL_ID_CARD", "dowód|dowod|dowodu|dowód osobisty", r"[A-Z]{3} ?\d{6}"),
    _Named("PT_NIF", "nif|contribuinte", r"[1235689]\d{2} ?\d{3} ?\d{3}", checks.is_portuguese),
    _Named("RO_CNP", "cnp|cod numeric personal", r"[1-8]\d{12}", checks.is_romanian),
    _Named(
        "SE_PERSONNUMMER", "personnummer|personnr", r"(?:19|20)?\d{6}[-+]?\d{4}", checks.is_swedish
    ),
    _Named("TR_KIMLIK", "kimlik|tckn|tc kimlik", r"[1-9]\d{10}", checks.is_turkish),
    _Named(
        "UK_DRIVING_LICENCE",
        "driving licence|driving license|dvla|licence",
        r"[A-Z9]{5}\d[0156]\d(?:[0-2]\d|3[01])\d[A-Z9]{2}[A-Z0-9][A-Z]{2}",
    ),
    _Named("UK_PASSPORT", "uk passport|british passport|passport", r"\d{9}"),
    _Named(
        "US_MBI",
        "mbi|medicare",
        r"[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?"
        r"[AC-HJKMNP-RT-Y]{2}\d{2}",
    ),
)


def national_recognizers() -> list[Recognizer]:
    """One recognizer per row of both tables; some entities have two."""
    return [*map(_proven, _PROVEN), *map(_named, _NAMED)]


def _proven(row: _Proven) -> Recognizer:
    return pattern_recognizer(
        row.entity,
        Gate(digits=row.digits, check=partial(_has, re.compile(row.hint))),
        [(rf"(?<![\w.,/-])(?:{row.shape})(?![\w/-]|[.,]\d)", _PROVEN_PCT)],
        validate=lambda value: None if row.check(value) else False,
    )


def _has(hint: re.Pattern[str], traits: Traits) -> bool:
    return hint.search(traits.text) is not None


def _named(row: _Named) -> Recognizer:
    words = row.words.split("|")
    either = "|".join(map(regex.escape, sorted(words, key=len, reverse=True)))
    return pattern_recognizer(
        row.entity,
        _gate(words),
        [
            (
                rf"(?<![^\W_])(?i:{either})(?![^\W_]){_LINKS}"
                rf"(?P<v>(?<![\w.])(?:{row.shape}))(?![\w/-]|[.,]\d)",
                _NAMED_PCT,
            )
        ],
        validate=lambda value: None if row.check(value) else False,
    )


def _gate(names: Sequence[str]) -> Gate:
    """Any text that holds a name holds its longest word; gates ask for words of Latin letters."""
    words = frozenset(map(_longest_word, names))
    if all(regex.search("[a-z]", word) for word in words):
        return Gate(digits=_LEAST_DIGITS, words=words)
    return Gate(digits=_LEAST_DIGITS_ALONE, check=lambda t: any(name in t.lower for name in names))


def _longest_word(name: str) -> str:
    found: list[str] = regex.findall(r"[^\W\d_]+", name)
    return max(found, key=len)
