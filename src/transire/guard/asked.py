"""What a user asked of an answer's form: a language, a length. Pure; says nothing when in doubt."""

from dataclasses import dataclass
from typing import Final

import regex

__all__ = ["LANGUAGES", "Length", "language_asked", "length_asked"]

_READ_CHARS: Final = 8_000
"""Of a long message the end is read: there the question stands; and the beginning."""
_TIMEOUT_S: Final = 0.2

_LANGUAGES: Final = {
    "english": "en", "englisch": "en", "anglais": "en", "inglés": "en", "inglese": "en",
    "engels": "en", "inglês": "en",
    "german": "de", "deutsch": "de", "allemand": "de", "alemán": "de", "tedesco": "de",
    "duits": "de", "alemão": "de",
    "french": "fr", "französisch": "fr", "français": "fr", "francés": "fr", "francese": "fr",
    "frans": "fr", "francês": "fr",
    "spanish": "es", "spanisch": "es", "espagnol": "es", "español": "es", "spagnolo": "es",
    "spaans": "es", "espanhol": "es",
    "italian": "it", "italienisch": "it", "italien": "it", "italiano": "it", "italiaans": "it",
    "portuguese": "pt", "portugiesisch": "pt", "portugais": "pt", "portugués": "pt",
    "portoghese": "pt", "português": "pt", "portugees": "pt",
    "dutch": "nl", "niederländisch": "nl", "néerlandais": "nl", "neerlandés": "nl",
    "olandese": "nl", "nederlands": "nl", "holandês": "nl",
    "polish": "pl", "polnisch": "pl", "polonais": "pl", "polaco": "pl", "polacco": "pl",
}  # fmt: skip
LANGUAGES: Final = frozenset(_LANGUAGES.values())
"""Every language (ISO 639-1) that can be asked for by name."""
_NAMES: Final = "|".join(sorted(_LANGUAGES, key=len, reverse=True))
_ANSWER: Final = (
    r"answer|reply|respond|write|translate|summari[sz]e|antworte[nt]?|schreibe?n?|übersetze?n?|"
    r"réponds|répondez|écri(?:s|vez)|tradui(?:s|sez|re)|responde|conteste?a?|escribe|traduce|"
    r"rispondi|scrivi|traduci|responda|escreva|traduza|antwoord|schrijf|vertaal"
)
_LANGUAGE: Final = regex.compile(
    rf"\b(?:{_ANSWER})\b[^.!?\n]{{0,80}}?"
    r"\b(?:in(?:to)?|auf|ins|en|em|to|nach|naar(?: het)?)\s{1,3}"
    rf"(?:(?:plain|simple|formal|the)\s)?(?P<name>{_NAMES})\b(?!\s(?:law|speak|class|market|wine))",
    regex.IGNORECASE,
)
_UNITS: Final = {
    "word": "words", "words": "words", "wörter": "words", "wörtern": "words", "worte": "words",
    "worten": "words", "mots": "words", "palabras": "words", "parole": "words",
    "palavras": "words", "woorden": "words",
    "sentence": "sentences", "sentences": "sentences", "satz": "sentences", "sätze": "sentences",
    "sätzen": "sentences", "phrases": "sentences", "frases": "sentences", "frasi": "sentences",
    "zinnen": "sentences",
    "character": "characters", "characters": "characters", "zeichen": "characters",
    "caractères": "characters", "caracteres": "characters", "caratteri": "characters",
}  # fmt: skip
_NUMBERS: Final = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10,
    "einem": 1, "zwei": 2, "drei": 3, "vier": 4, "fünf": 5,
    "une": 1, "deux": 2, "trois": 3, "dos": 2, "tres": 3, "due": 2, "tre": 3,
}  # fmt: skip
_NUMBER: Final = r"(?P<count>\d{1,5}|" + "|".join(_NUMBERS) + ")"
_UNIT: Final = r"(?P<unit>" + "|".join(sorted(_UNITS, key=len, reverse=True)) + ")"
_AT_MOST: Final = regex.compile(
    r"\b(?:at most|no more than|not more than|max(?:imum|imal|\.)?(?: of)?|up to|under|below|"
    r"(?:fewer|less) than|within|höchstens|nicht mehr als|unter|au maximum|au plus|moins de|"
    r"máximo|como máximo|menos de|al massimo|meno di|no máximo|hoogstens|maximaal)"
    rf"\s{{1,3}}(?:of\s)?{_NUMBER}\s{{1,3}}{_UNIT}\b",
    regex.IGNORECASE,
)
_EXACTLY: Final = regex.compile(
    r"\b(?:in|exactly|precisely|en|mit|em|genau)\s{1,3}(?:about |exactly |just |only )?"
    rf"{_NUMBER}\s{{1,3}}(?:short |simple )?{_UNIT}(?: or (?P<less>less|fewer))?\b",
    regex.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Length:
    """A length asked for.

    Attributes:
        unit: `words`, `sentences` or `characters`.
        is_bound: At most so many; otherwise about so many.
    """

    count: int
    unit: str
    is_bound: bool


def language_asked(text: str) -> str | None:
    """The one language (ISO 639-1) an answer is asked for in; None where none or several are.

    Raises:
        TimeoutError: it could not be read in time.
    """
    found = {
        _LANGUAGES[match["name"].lower()]
        for match in _LANGUAGE.finditer(_ends(text), timeout=_TIMEOUT_S)
    }
    return found.pop() if len(found) == 1 else None


def length_asked(text: str) -> Length | None:
    """The one length an answer is asked for in; None where none or several are.

    Raises:
        TimeoutError: it could not be read in time.
    """
    read = _ends(text)
    bounds = [_length(m, is_bound=True) for m in _AT_MOST.finditer(read, timeout=_TIMEOUT_S)]
    exact = [
        _length(match, is_bound=match["less"] is not None)
        for match in _EXACTLY.finditer(read, timeout=_TIMEOUT_S)
    ]
    found = set(bounds or exact)
    return found.pop() if len(found) == 1 else None


def _length(match: "regex.Match[str]", *, is_bound: bool) -> Length:
    said = match["count"].lower()
    count = _NUMBERS.get(said) or int(said)
    return Length(count, _UNITS[match["unit"].lower()], is_bound)


def _ends(text: str) -> str:
    if len(text) <= _READ_CHARS:
        return text
    half = _READ_CHARS // 2
    return f"{text[:half]}\n{text[-half:]}"
