"""Dates of birth, card security codes and source code: each only with a sign of its meaning."""

from typing import Final

import regex

from transire.classify.gate import Gate
from transire.classify.recognizer import Recognizer, pattern_recognizer

__all__ = ["identity_recognizers"]

_DATE: Final = (
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)?\d{2}"
    r"|\d{1,2}\.? [^\W\d_]{3,9} (?:19|20)\d{2}|[^\W\d_]{3,9} \d{1,2}, (?:19|20)\d{2})"
)


_BIRTH: Final = (
    r"born(?: on)?|date of birth|birth ?date|birthday|dob|d\.o\.b\.|geboren(?: am)?"
    r"|geburtsdatum|geb\.|née? le|nacid[oa] el"
)


def identity_recognizers() -> list[Recognizer]:
    """A bare date or number says nothing; the word before it does."""
    return [_birth(), _card_code(), *_source_code()]


def _birth() -> Recognizer:
    words = frozenset(
        {"born", "birth", "birthday", "dob", "geboren", "geburtsdatum", "geb"}
        | {"né", "née", "nacido"}
    )
    return pattern_recognizer(
        "DATE_OF_BIRTH",
        Gate(digits=5, words=words),
        [(rf"\b(?:{_BIRTH})[\s:=\"']{{0,5}}(?P<v>{_DATE})", 85)],
        flags=regex.I,
    )


def _card_code() -> Recognizer:
    return pattern_recognizer(
        "CARD_SECURITY_CODE",
        Gate(digits=3, words=frozenset({"cvv", "cvc", "cvn", "security"})),
        [(r"\b(?:cvv2?|cvc2?|cvn|card security code)[\s:=#\"']{1,5}(?P<v>\d{3,4})\b", 85)],
        flags=regex.I,
    )


def _source_code() -> list[Recognizer]:
    return [
        pattern_recognizer(
            "SOURCE_CODE",
            Gate(signs="({#`"),
            [
                (r"(?m)^#!/(?:usr/)?bin/\w+", 80),
                (r"(?m)^```(?:python|py|js|ts|java|go|rust|c|cpp|cs|rb|php|sql|sh|bash)\b", 80),
                (r"(?m)^\s{0,32}(?:async )?(?:def|fn|func|function)\s+\w+\s?\([^\n)]{0,200}\)", 80),
                (r"(?m)^\s{0,32}#include <", 80),
                (r"(?m)^\s{0,32}(?:public|private|protected) (?:static )?[\w<>]+ \w+\s?\(", 80),
            ],
        ),
        pattern_recognizer(
            "SOURCE_CODE",
            Gate(words=frozenset({"import", "using", "package"})),
            [(r"(?m)^\s{0,32}(?:from [\w.]+ import \w|using [\w.]+;|package \w+;)", 80)],
        ),
    ]
