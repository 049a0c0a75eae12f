"""Presidio's recognizers, wrapped one by one, built without touching the network.

Only patterns, validators and context words are taken over. Its registry, its analyzer, spaCy and
the recognizers that are unsafe on the path stay out: `UrlRecognizer` (quadratic on dots),
`PhoneRecognizer` (stops silently) and `EmailRecognizer` (opens sockets for a suffix list, drops
`bob@corp.internal`); `transire.classify.recognizers` has our own.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

import regex
from presidio_analyzer import predefined_recognizers as presidio

from transire.bundle.recognizers.nearness import near
from transire.classify.gate import Gate
from transire.classify.recognizer import Hit, Recognizer
from transire.classify.traits import Traits

__all__ = ["LICENSE_WORDS", "names_a_host", "shaped", "stands_alone", "structured"]

_BOOST_PCT: Final = 35
_FLOOR_PCT: Final = 40
"""What a context word adds, and what a hit with one has at least: Presidio's own figures."""
_DROPPED: Final = -1
_BARE_PCT: Final = 50
"""Of bare digits that pass a weak check; with a context word it is 85."""
_DIGIT: Final = r"\d"
_GROUPED: Final = r"\d(?:[\s:-]?\d){%d}"


def structured() -> list[Recognizer]:
    """Presidio's checksummed and shaped identifiers, each behind its necessary condition."""
    return [*_of_everywhere(), *_of_america_and_britain(), *_of_other_countries()]


def _of_everywhere() -> list[Recognizer]:
    return [
        _wrapped(presidio.CreditCardRecognizer(), shaped(12, _GROUPED % 11), first=_DIGIT),
        _wrapped(
            presidio.IbanRecognizer(),
            shaped(8, r"(?i)\b[a-z]{2}\d{2}[ -]?[a-z0-9]{4}", "aa00"),
            first="[A-Z]",
        ),
        _wrapped(
            presidio.CryptoRecognizer(),
            Gate(
                longest=26,
                digits=1,
                check=lambda t: _has_run(t, 26) and _CRYPTO.search(t.text) is not None,
            ),
        ),
        _address(),
        _wrapped(presidio.MacAddressRecognizer(), Gate(longest=14, check=_mac_gate)),
    ]


def _of_america_and_britain() -> list[Recognizer]:
    return [
        _wrapped(
            presidio.UsSsnRecognizer(), shaped(9, r"\d{3}[- .]?\d{2}[- .]?\d{4}"), first=_DIGIT
        ),
        _wrapped(presidio.UsItinRecognizer(), shaped(9, r"9\d{2}[- .]?\d{2}[- .]?\d{4}")),
        _wrapped(presidio.UsPassportRecognizer(), shaped(8, r"\d{8}"), first=r"[A-Za-z]?\d"),
        _wrapped(presidio.UsBankRecognizer(), shaped(8, r"\d{8}"), first=_DIGIT),
        # Without one of its context words this recognizer is noise: it matches `A1` (issue 1063 of
        # Presidio), and stays below every sensible threshold.
        _wrapped(presidio.UsLicenseRecognizer(), Gate(digits=1, words=LICENSE_WORDS)),
        _wrapped(
            presidio.NhsRecognizer(), shaped(10, _GROUPED % 9), first=_DIGIT, proves_little=True
        ),
        _wrapped(
            presidio.UkNinoRecognizer(),
            shaped(6, r"(?i)\d{2} ?\d{2} ?\d{2} ?[a-d]", "aa000000a"),
        ),
    ]


def _of_other_countries() -> list[Recognizer]:
    return [
        _wrapped(presidio.EsNifRecognizer(), shaped(7, r"(?i)\d{7}-?[a-z]", "0000000a")),
        _wrapped(presidio.EsNieRecognizer(), shaped(7, r"(?i)[xyz]-?\d{7}", "a0000000")),
        # Two people with one code get letters in place of digits (omocodia), of all seven if need
        # be.
        _wrapped(
            presidio.ItFiscalCodeRecognizer(),
            Gate(
                longest=16,
                check=lambda t: _has_run(t, 16) and _FISCAL_CODE.search(t.text) is not None,
            ),
        ),
        _wrapped(presidio.PlPeselRecognizer(), shaped(11, r"\d{11}"), first=_DIGIT),
        _wrapped(
            presidio.AuTfnRecognizer(),
            shaped(8, r"\d{3}\s?\d{3}\s?\d{2}"),
            proves_little=True,
        ),
        # The lowest pattern takes every word of ten letters before four digits.
        _wrapped(
            presidio.InPanRecognizer(),
            shaped(4, r"(?i)[a-z]{5}\d{4}[a-z]", "aaaaa0000a"),
            left_out="PAN (Low)",
        ),
        _wrapped(
            presidio.InAadhaarRecognizer(),
            shaped(12, _GROUPED % 11),
            first=_DIGIT,
            proves_little=True,
        ),
        _wrapped(presidio.SgFinRecognizer(), shaped(7, r"(?i)[a-z]\d{7}[a-z]", "a0000000a")),
        _wrapped(
            presidio.FiPersonalIdentityCodeRecognizer(),
            shaped(6, r"(?i)\d{6}[-+ABCDEFYXWVU]\d{3}", "000000"),
        ),
        _license_of_physicians(),
    ]


def shaped(least_digits: int, pattern: str, shape: str = "") -> Gate:
    """A gate: at least so many digits, and something of this pattern.

    Args:
        pattern: Best begins with a digit or a sign: letters are many, and each is a start to try.
        shape: What `Traits.may_hold` finds wherever the pattern matches; so many digits in a row
            where it is not given.
    """
    compiled, rough = re.compile(pattern), (shape or "0" * least_digits).encode()
    return Gate(
        digits=least_digits,
        check=lambda t: t.may_hold(rough) and compiled.search(t.text) is not None,
    )


def _wrapped(
    stock: Any,
    gate: Gate,
    *,
    left_out: str = "",
    first: str = "",
    can_match: Callable[[str, str], bool] = lambda *_: True,
    proves_little: bool = False,
) -> Recognizer:
    """Presidio's patterns, validators and context words under our loop; one deadline for all.

    Args:
        left_out: The name of a pattern that is not used.
        first: A pattern with which every match begins. Asking for it up front makes a search three
            to ten times as fast: what `regex` would try at every word, it skips.
        can_match: A necessary condition of one pattern; takes its name and the text.
        proves_little: One number in ten passes its check, so that a run of bare digits (an id, a
            power of two) is no proof without a word beside it.
    """
    entity = str(stock.supported_entities[0])
    words = _ContextWords(stock.context) if stock.context else None
    ahead = f"(?={first})" if first else ""
    patterns = [
        (
            p.name,
            regex.compile(f"{ahead}(?:{p.regex})", stock.global_regex_flags),
            round(p.score * 100),
        )
        for p in stock.patterns
        if p.name != left_out
    ]

    def find(text: str, seconds: float) -> Iterator[Hit]:
        deadline = time.monotonic() + seconds
        is_near: Callable[[int, int], bool] | None = None
        scores: dict[tuple[str, int], int] = {}
        for name, pattern, base in patterns:
            if not can_match(name, text):
                continue
            for match in pattern.finditer(text, timeout=_left(deadline)):
                value = match.group()
                score = scores.get((value, base))
                if score is None:
                    score = _validated(stock, value, base)
                    if proves_little and value.isdigit():
                        score = min(score, _BARE_PCT)
                    scores[value, base] = score
                if 0 <= score < 100 and words is not None:
                    is_near = is_near or words.locate(text, _left(deadline))
                    if is_near(*match.span()):
                        score = min(100, max(score + _BOOST_PCT, _FLOOR_PCT))
                if score != _DROPPED:
                    yield Hit(match.start(), match.end(), entity, score)

    return Recognizer(entity, gate, find)


class _ContextWords:
    """Words or phrases near a hit: matched whole, in any case, in singular and plural.

    Presidio compares every hit with the tokens around it, quadratic in hits and half of the time
    on dense text. One pass here, two bisections per hit.
    """

    def __init__(self, words: Iterable[str]) -> None:
        spelled = sorted({regex.escape(word.strip()) for word in words}, key=len, reverse=True)
        either = "|".join(spelled)
        self._pattern = regex.compile(rf"(?<![^\W_])(?:{either})s?(?![^\W_])", regex.I)

    def locate(self, text: str, seconds: float) -> Callable[[int, int], bool]:
        """Find every word in one pass; the answer tells whether one is near a span.

        Raises:
            TimeoutError: the pass took longer than `seconds`.
        """
        found = [match.span() for match in self._pattern.finditer(text, timeout=seconds)]
        return near(found)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:  # a zero would mean "no limit" to `regex`
        raise TimeoutError
    return left


def _validated(stock: Any, value: str, base: int) -> int:
    """The score after Presidio's own validators; 100 for a hit that they prove."""
    if not value or stock.invalidate_result(value):
        return _DROPPED
    verdict = stock.validate_result(value)
    return base if verdict is None else 100 if verdict else _DROPPED


def _license_of_physicians() -> Recognizer:
    return _only_where(
        _wrapped(
            presidio.MedicalLicenseRecognizer(),
            shaped(7, r"(?i)(?<![a-z0-9])[a-z][a-z9]\d{7}(?![a-z0-9])", "a0000000"),
        ),
        stands_alone,
    )


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether no letter or digit touches a span: many an IBAN holds a number that would pass."""
    around = text[max(0, start - 1) : start] + text[end : end + 1]
    return not any(c.isascii() and c.isalnum() for c in around)


def _address() -> Recognizer:
    # A text without a digit names no host in either version.
    return _only_where(
        _wrapped(
            presidio.IpRecognizer(),
            Gate(digits=1, check=_address_gate),
            # Every other pattern of it is about version six, which has two colons at least.
            can_match=lambda name, text: name == "IPv4" or text.count(":") >= 2,
        ),
        lambda text, start, end: names_a_host(text[start:end]),
    )


def _only_where(recognizer: Recognizer, holds: Callable[[str, int, int], bool]) -> Recognizer:
    def find(text: str, seconds: float) -> Iterator[Hit]:
        for hit in recognizer.find(text, seconds):
            if holds(text, hit.start, hit.end):
                yield hit

    return replace(recognizer, find=find)


def _address_gate(traits: Traits) -> bool:
    text = traits.text
    # Counting first: prose of any length has many colons, but few texts reach the search.
    has_v6 = "::" in text or (text.count(":") >= 6 and _V6.search(text) is not None)
    return has_v6 or (traits.digits >= 4 and _V4.search(text) is not None)


def names_a_host(address: str) -> bool:
    """Code is full of `[1::2]` and `abc::fed`; no host is named with so few or no digits."""
    groups = [group for group in address.split(":") if group]
    return ":" not in address or (
        len(groups) >= 2 and len("".join(groups)) >= 5 and any(map(str.isdigit, address))
    )


def _has_run(traits: Traits, chars: int) -> bool:
    """Whether so many letters and digits stand in a row."""
    return b"x" * chars in traits.text.encode("ascii", "replace").translate(_ALPHANUMERIC)


def _mac_gate(traits: Traits) -> bool:
    text = traits.text
    has_pairs = text.count(":") >= 5 or text.count("-") >= 5
    if has_pairs and _PAIRS.search(text) is not None:
        return True
    return text.count(".") >= 2 and _DOTTED.search(text) is not None


_ALPHANUMERIC: Final = bytes(120 if b < 128 and chr(b).isalnum() else 32 for b in range(256))
_V4: Final = re.compile(r"\d\.\d{1,3}\.\d")
_V6: Final = re.compile(r"(?i)[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){5}:")
_PAIRS: Final = re.compile(r"(?i)([:-])[0-9a-f]{2}\1[0-9a-f]{2}\1")
_DOTTED: Final = re.compile(r"(?i)[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}")
_CRYPTO: Final = re.compile(r"(?i)(?:bc1|[13])[a-z0-9]{24}")
_FISCAL_CODE: Final = re.compile(r"(?i)[a-z]{6}[0-9a-z]{10}")
LICENSE_WORDS: Final = frozenset(
    word.removesuffix("s") + plural
    for word in presidio.UsLicenseRecognizer().context
    for plural in ("", "s")
) | {"licence", "licences"}
