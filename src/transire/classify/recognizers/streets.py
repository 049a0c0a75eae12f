"""Street addresses by their shape: a house number and a word for a street, in a dozen languages.

Found is what looks like one; a village without streets, a flat by its name or a bare postcode is
not, so the class stays *uncovered* beside what is found (`classify.coverage`). Words for streets
are asked for with a capital or with a house number in their country's place, or every `way` and
`place` of prose would be somebody's.
"""

from typing import Final

from transire.classify.gate import Gate
from transire.classify.recognizer import Recognizer, pattern_recognizer

__all__ = ["STREET_ADDRESS", "street_recognizers"]

STREET_ADDRESS: Final = "STREET_ADDRESS"
_SCORE_PCT: Final = 75
_EDGE: Final = r"(?<![\w.,/-])"
_CAPITAL: Final = r"\p{Lu}[\p{L}\p{M}'’.-]{0,30}+"
_NUMBER: Final = r"\d{1,5}(?:[ ]?[a-zA-Z](?![\p{L}]))?(?:[/-]\d{1,4})?(?![\d%€$£]|[.,]\d)"
_PARTICLES: Final = (
    r"(?:de la|de los|de las|del|della|dello|dei|delle|de|da|do|dos|das|du|des|di|la|le|los|las|y|e"
    r"|van|von)"
)

_ENGLISH: Final = (
    *("street", "avenue", "road", "lane", "drive", "boulevard", "court", "place", "square"),
    *("terrace", "way", "close", "crescent", "parkway", "highway", "circle", "trail", "alley"),
    *("mews", "gardens", "grove", "quay", "st", "ave", "rd", "ln", "dr", "blvd", "ct", "pl"),
    *("sq", "cres", "pkwy", "hwy", "cir"),
)
_ROMANCE: Final = {
    "fr": ("rue", "avenue", "av", "boulevard", "bd", "place", "chemin", "allée", "impasse", "quai"),
    "es": ("calle", "avenida", "avda", "av", "plaza", "paseo", "carrera", "ronda", "callejón"),
    "pt": ("rua", "avenida", "travessa", "praça", "alameda", "rodovia", "largo"),
    "it": ("via", "viale", "piazza", "corso", "vicolo", "largo", "piazzale"),
}
_GERMANIC: Final = (
    *("straße", "strasse", "str", "gasse", "allee", "chaussee", "damm", "straat", "laan"),
    *("gracht", "kade", "singel", "plein", "gatan", "vägen", "gade", "gata", "veien", "katu"),
)
_WITH_CODE: Final = ("weg", "platz", "ring", "ufer", "markt", "berg", "hof", "vej", "dijk")
_LEADING: Final = (
    "rue",
    "avenue",
    "boulevard",
    "bd",
    "chemin",
    "allée",
    "impasse",
    "quai",
    "place",
)


def street_recognizers() -> list[Recognizer]:
    """One recognizer per manner of writing an address."""
    return [_english(), _box(), _germanic(), _french(), _southern(), _eastern()]


def _english() -> Recognizer:
    """`12 Rose Lane`, `350 Fifth Avenue`, `1600 Pennsylvania Ave. NW`."""
    words = "|".join(word.capitalize() for word in sorted(_ENGLISH, key=len, reverse=True))
    return pattern_recognizer(
        STREET_ADDRESS,
        Gate(digits=1, words=frozenset(_ENGLISH)),
        [
            (
                rf"{_EDGE}(?<!\b[Ii]n )(?<!\b[Ss]ince )\d{{1,5}}[A-Za-z]?(?:[-/]\d{{1,4}})?,?[ ]"
                rf"(?:(?:North|South|East|West|[NSEW]\.?|Old|New|Upper|Lower)[ ])?"
                rf"(?:(?!(?:{words})\b){_CAPITAL}[ ]|\d{{1,3}}(?:st|nd|rd|th)[ ]){{1,4}}"
                rf"(?:{words})\b\.?(?:[ ](?:NW|NE|SW|SE|North|South|East|West)\b)?",
                _SCORE_PCT,
            ),
            (
                r"(?i)\b(?:live[sd]?|address|reside[sd]?|deliver(?:ed|y)?|ship(?:ped)?|located|home)"
                r"\b[^\d\n]{0,24}(?P<v>\d{1,5}[a-z]?(?:[ ][a-z'’-]{2,20}){1,3}[ ]"
                r"(?:street|avenue|road|lane|drive|boulevard|court|square|terrace|crescent))\b",
                _SCORE_PCT,
            ),
        ],
    )


def _box() -> Recognizer:
    return pattern_recognizer(
        STREET_ADDRESS,
        Gate(digits=1, words=frozenset({"box", "postfach", "postbus"})),
        [
            (
                r"(?i)\b(?:p\.?[ ]?o\.?[ ]?box|postfach|postbus)[ ](?:no\.?[ ])?\d[\d ]{0,8}\d?\b",
                _SCORE_PCT,
            )
        ],
    )


def _germanic() -> Recognizer:
    """`Lindenstraße 12a`, `Keizersgracht 174`, `Storgatan 5`; weaker words before a postcode."""
    strong, weak = "|".join(_GERMANIC), "|".join(_WITH_CODE)
    return pattern_recognizer(
        STREET_ADDRESS,
        Gate(digits=1, check=lambda t: any(word in t.lower for word in _GERMANIC + _WITH_CODE)),
        [
            (
                rf"(?<![\w.-])(?!Bundes|Landes|Kreis|Staats)"
                rf"(?:\p{{Lu}}[\p{{L}}-]{{2,40}}(?:{strong})|\p{{Lu}}[\p{{L}}.-]{{1,30}}+[ ]"
                rf"(?:Straße|Strasse|Str|Allee|Gasse|Damm))\.?[ ]{_NUMBER}",
                _SCORE_PCT,
            ),
            (
                rf"(?<![\w.-])(?:\p{{Lu}}[\p{{L}}-]{{2,40}}(?:{weak})"
                rf"|(?:Am|An der|Im|In der|Zum|Zur|Auf dem|Unter den)[ ]\p{{Lu}}[\p{{L}}-]{{2,30}})"
                rf"[ ]{_NUMBER},?[\n ]{{1,3}}(?:[A-Z]{{1,2}}-)?"
                rf"\d{{4,5}}(?:[ ][A-Z]{{2}})?[ ]\p{{Lu}}\p{{L}}+",
                _SCORE_PCT,
            ),
        ],
    )


def _french() -> Recognizer:
    """`12 bis, rue de la Paix`."""
    words = "|".join(_LEADING)
    return pattern_recognizer(
        STREET_ADDRESS,
        Gate(digits=1, words=frozenset(_LEADING)),
        [
            (
                rf"{_EDGE}\d{{1,4}}(?:[ ](?:bis|ter))?,?[ ](?i:{words})[ ]"
                rf"(?:(?:{_PARTICLES}[ ]|[dl]['’]){{0,2}}{_CAPITAL})"
                rf"(?:[ ](?:{_PARTICLES}[ ])?{_CAPITAL}){{0,4}}",
                _SCORE_PCT,
            )
        ],
    )


def _southern() -> Recognizer:
    """`Calle Mayor 5`, `Rua Augusta, 1508`, `Via Garibaldi n. 12`."""
    names = sorted({*_ROMANCE["es"], *_ROMANCE["pt"], *_ROMANCE["it"]}, key=len, reverse=True)
    words = "|".join(name.capitalize() for name in names)
    return pattern_recognizer(
        STREET_ADDRESS,
        Gate(digits=1, words=frozenset({*names, "c"})),
        [
            (
                rf"(?<![\w-])(?:(?:{words})\.?|C/)[ ](?:{_PARTICLES}[ ]|[dl]['’]){{0,2}}{_CAPITAL}"
                rf"(?:[ ](?:{_PARTICLES}[ ]){{0,2}}{_CAPITAL}){{0,4}}+"
                rf",?[ ](?:n[º°.o]?\.?[ ]?)?{_NUMBER}",
                _SCORE_PCT,
            )
        ],
    )


def _eastern() -> Recognizer:
    """`ul. Marszałkowska 10`, `Kossuth Lajos utca 3`, `Atatürk Caddesi No: 12`."""
    return pattern_recognizer(
        STREET_ADDRESS,
        Gate(digits=1, words=_EASTERN),
        [
            (
                rf"(?<![\w.])(?:ul|al|pl|os)\.[ ]{_CAPITAL}(?:[ ]{_CAPITAL}){{0,3}}+[ ]{_NUMBER}",
                _SCORE_PCT,
            ),
            (
                rf"(?<!\w){_CAPITAL}(?:[ ]{_CAPITAL}){{0,2}}[ ](?:utca|út|útja|tér|krt\.)"
                rf"[ ]{_NUMBER}",
                _SCORE_PCT,
            ),
            (
                rf"(?<!\w){_CAPITAL}(?:[ ]{_CAPITAL}){{0,2}}[ ]"
                rf"(?:Cad(?:desi|\.)|Sok(?:ak|ağı|\.)|Bulvarı)[ ,]{{1,2}}(?:No[:.]?[ ]?)?{_NUMBER}",
                _SCORE_PCT,
            ),
        ],
    )


_EASTERN: Final = frozenset(
    {"ul", "al", "pl", "os", "utca", "út", "útja", "tér", "krt", "cad", "caddesi", "sok", "sokak"}
    | {"sokağı", "bulvarı"}
)
