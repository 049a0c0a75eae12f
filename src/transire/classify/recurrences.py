"""Where values that were found once stand again, found or not. Pure.

A recognizer may find `4111 1111 1111 1111` beside the word "card" and not in a tool's arguments;
a name may be written in capitals. What is taken out in one place must not leave from another.
"""

import json
import re
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Final

__all__ = ["Recurrences"]

_LEAST_CHARS: Final = 2
"""A single sign is everywhere and tells nothing."""
_WORD_CHARS: Final = 8
"""A shorter value of letters and digits alone must stand as a word: `Ann` is not in `Annual`."""
_FEW: Final = 64
_PREFIX_CHARS: Final = 6
"""Values are looked up by their first characters."""
_PLACEHOLDER: Final = re.compile(r"<[A-Za-z0-9_]+>")
_JSON_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*')
"""Strings and numbers of a valid JSON document (RFC 8259 §6, §7)."""

Spot = tuple[int, int, str]
"""Half-open range, and the value as it was found."""


class Recurrences:
    """Finds again a fixed set of values. One pass over a text, however many they are.

    Args:
        values: Each with whether other letters' case is the same value.
        placeholders: What stands in a value's place already, and is not looked into.
    """

    def __init__(
        self, values: Iterable[tuple[str, bool]], placeholders: Container[str] = ()
    ) -> None:
        self._placeholders = placeholders
        kept = [(v, case) for v, case in values if len(v) >= _LEAST_CHARS and not v.isspace()]
        self._size = min((len(v) for v, _ in kept), default=1)
        self._size = min(self._size, _PREFIX_CHARS)
        self._values: dict[str, list[tuple[str, bool]]] = {}
        self._lengths: dict[str, list[int]] = {}
        for value, any_case in kept:
            folded = _folded(value)
            self._values.setdefault(folded, []).append((value, any_case))
            lengths = self._lengths.setdefault(folded[: self._size], [])
            if len(value) not in lengths:
                lengths.append(len(value))
        for lengths in self._lengths.values():
            lengths.sort(reverse=True)
        # Few beginnings are looked for at C's speed; of many, each position's own is looked up.
        few = "|".join(map(re.escape, self._lengths)) if len(self._lengths) <= _FEW else ""
        self._start = re.compile(f"(?={few})") if few else None

    def spots(self, text: str) -> Iterator[Spot]:
        """Every recurrence in order, the longest first, none overlapping."""
        at = 0
        if not self._lengths:
            return
        for found in _PLACEHOLDER.finditer(text):
            if found[0] in self._placeholders:
                yield from self._within(text[at : found.start()], at)
                at = found.end()
        yield from self._within(text[at:], at)

    def _within(self, text: str, offset: int) -> Iterator[Spot]:
        folded, size, lengths_of = _folded(text), self._size, self._lengths
        free = 0
        for at in self._starts(folded):
            lengths = lengths_of.get(folded[at : at + size])
            if lengths is None or at < free:
                continue
            spot = self._at(text, folded, at, lengths)
            if spot is not None:
                yield spot[0] + offset, spot[1] + offset, spot[2]
                free = spot[1]

    def _starts(self, folded: str) -> Iterable[int]:
        if self._start is None:
            return range(len(folded) - self._size + 1)
        return (found.start() for found in self._start.finditer(folded))

    def replaced(self, text: str, name: Callable[[str, str], str]) -> tuple[str, int]:
        """The text with every recurrence renamed, and how many there were.

        Args:
            name: (value as it was found, value as it stands here) → placeholder.
        """
        pieces, at, count = list[str](), 0, 0
        for start, end, value in self.spots(text):
            pieces += [text[at:start], name(value, text[start:end])]
            at, count = end, count + 1
        return ("".join([*pieces, text[at:]]), count) if count else (text, 0)

    def replaced_in_json(self, text: str, name: Callable[[str, str], str]) -> tuple[str, int]:
        """The same in a valid JSON document: in keys and strings, whatever their escapes.

        A number that is a value becomes a string, so that the document stays one.
        """
        count = 0

        def renamed(token: re.Match[str]) -> str:
            nonlocal count
            is_string = token[0].startswith('"')
            value = json.loads(token[0]) if is_string else token[0]
            new, found = self.replaced(value, name)
            count += found
            return json.dumps(new, ensure_ascii=False) if found else token[0]

        return _JSON_TOKEN.sub(renamed, text), count

    def found_in_json(self, text: str) -> Iterator[str]:
        """Values that stand somewhere in a valid JSON document."""
        for token in _JSON_TOKEN.findall(text):
            value = json.loads(token) if token.startswith('"') else token
            yield from (found for _, _, found in self.spots(value))

    def _at(self, text: str, folded: str, at: int, lengths: Iterable[int]) -> Spot | None:
        for length in lengths:
            end = at + length
            for value, any_case in self._values.get(folded[at:end], ()):
                if _is_same(value, text, at, end, any_case=any_case):
                    return at, end, value
        return None


def _is_same(value: str, text: str, start: int, end: int, *, any_case: bool) -> bool:
    found = text[start:end]
    if found != value and not (any_case and _is_name_like(value, found)):
        return False
    if len(value) >= _WORD_CHARS or not value.isalnum():
        return True
    before, after = text[start - 1 : start], text[end : end + 1]
    return not before.isalnum() and not after.isalnum()


def _is_name_like(value: str, found: str) -> bool:
    """Whether another spelling is the same value.

    One word of letters without any capital is a word like any other (`will`, `rose`), unless it
    was found so.
    """
    return not value.isalpha() or found != found.lower() or not value.isascii()


def _folded(text: str) -> str:
    """Lower case, sign by sign, so that offsets hold."""
    folded = text.lower()
    if len(folded) == len(text):
        return folded
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)
