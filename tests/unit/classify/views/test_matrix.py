"""Six identifiers in twenty-eight disguises: how many are found, and which disguises are out of
reach, as docs/explanation/disguises.md says.
"""

import base64
import codecs
import html
from collections.abc import Callable
from urllib.parse import quote

import pytest

from transire.classify.scan import scan_texts

VALUES = {
    "US_SSN": ("my ssn is {}", "536-90-4399"),
    "CREDIT_CARD": ("card {}", "4111 1111 1111 1111"),
    "EMAIL_ADDRESS": ("mail {}", "bob.miller@acme.com"),
    "PHONE_NUMBER": ("call {}", "+49 30 901820"),
    "IBAN_CODE": ("iban {}", "DE89370400440532013000"),
    "IP_ADDRESS": ("host {}", "203.0.113.77"),
}
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
LOOKALIKES = str.maketrans("aceopxyABCEHKMOPTX", "асеорхуАВСЕНКМОРТХ")
SIGNS = {"@": "&#64;", ".": "&#46;", "-": "&#45;", "+": "&#43;", " ": "&#32;"}


def mid(sign: str) -> Callable[[str], str]:
    return lambda value: value[: len(value) // 2] + sign + value[len(value) // 2 :]


def each(form: str) -> Callable[[str], str]:
    return lambda value: "".join(form.format(ord(c)) for c in value)


def bold(value: str) -> str:
    return "".join(_bold(c) for c in value)


def _bold(c: str) -> str:
    if "A" <= c <= "Z":
        return chr(0x1D400 + ord(c) - ord("A"))
    if "a" <= c <= "z":
        return chr(0x1D41A + ord(c) - ord("a"))
    return chr(0x1D7CE + int(c)) if c.isdigit() else c


# How many of the six are found; six where nothing is said.
DISGUISES: dict[str, tuple[Callable[[str], str], int]] = {
    "plain": (str, 6),
    "zero width between": ("\u200b".join, 6),
    "zero-width joiner": (mid("\u200d"), 6),
    "soft hyphen": (mid("\u00ad"), 6),
    "full width": (
        lambda v: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in v),
        6,
    ),
    "arabic digits": (
        lambda v: "".join(chr(0x660 + int(c)) if c.isdigit() else c for c in v),
        6,
    ),
    "mathematical bold": (bold, 6),
    "lookalikes": (lambda v: v.translate(LOOKALIKES), 6),
    "odd dashes and dots": (
        lambda v: v.replace("-", "\u2010").replace(".", "\u2024").replace(" ", "\u2009"),
        6,
    ),
    "blanks that do not break": (lambda v: v.replace(" ", "\u00a0"), 6),
    "base64": (lambda v: base64.b64encode(v.encode()).decode(), 6),
    "percent, all": (each("%{:02X}"), 6),
    "percent, signs": (lambda v: quote(v, safe=""), 6),
    "character references": (each("&#{};"), 6),
    "references, signs": (lambda v: "".join(SIGNS.get(c, html.escape(c)) for c in v), 6),
    "hexadecimal": (lambda v: v.encode().hex(), 6),
    "json escapes": (each("\\u{:04x}"), 6),
    "keycaps": (lambda v: "".join(c + "\ufe0f\u20e3" if c.isdigit() else c for c in v), 6),
    "spaced": (" ".join, 6),
    "dotted": (".".join, 4),
    "broken by a line": (mid("\n"), 6),
    "low lines": (lambda v: f"_{v.replace(' ', '_').replace('-', '_')}_", 6),
    "letters glued on": (lambda v: f"x{v}y", 5),
    "at and dot": (lambda v: v.replace("@", " at ").replace(".", " dot "), 5),
    "rot13": (lambda v: codecs.encode(v, "rot13"), 5),
    # Out of reach; what is found here stands there by chance.
    "reversed": (lambda v: v[::-1], 2),
    "digits in words": (lambda v: " ".join(DIGITS[int(c)] if c.isdigit() else c for c in v), 1),
    "leet": (lambda v: v.translate(str.maketrans("0145ae", "Ol4SA3")), 1),
}


def is_found(entity: str, text: str) -> bool:
    (scan,) = scan_texts([text], 5, frozenset(VALUES))
    return any(hit.entity == entity and hit.score_pct >= 40 for hit in scan.hits)


@pytest.mark.parametrize("name", DISGUISES)
def test_so_many_of_six_identifiers_are_found_in_a_disguise(name: str) -> None:
    disguise, wanted = DISGUISES[name]

    found = [
        entity
        for entity, (frame, value) in VALUES.items()
        if is_found(entity, f"{frame.format(disguise(value))} thanks")
    ]

    assert len(found) == wanted


def test_of_168_at_least_145_are_found() -> None:
    assert len(DISGUISES) * len(VALUES) == 168
    assert sum(wanted for _, wanted in DISGUISES.values()) >= 145


@pytest.mark.parametrize(
    "text",
    [
        "4111\n1111\n1111\n1111",  # one column of a table
        "total 4111\n5678 rows and 1111 more",
        "x = 1_000_000_000 + 4_111_111",
        "see v1.2.3.4b and libfoo_1_2_3_4_5_6_7",
        "ratio 12.\n34.56 and 7.\n8",
    ],
)
def test_numbers_that_only_stand_beside_one_another_are_none(text: str) -> None:
    (scan,) = scan_texts([text], 5, frozenset(VALUES))

    assert scan.hits == ()
