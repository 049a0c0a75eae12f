"""When a recognizer is worth running: necessary conditions, and all recognizers' at once.

A gate is *necessary*: what it shuts out the recognizer could not have matched, so skipping loses
nothing. Sixty gates asked one after another would be most of a short prompt's scan; a `Panel`
sorts them by what each needs first, so that a text without digits, signs, capitals in a row, long
words and trigger words asks none of them.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from transire.classify.traits import LONG_CHARS, SIGNS, Traits, word_bytes

__all__ = ["Gate", "Gated", "Panel"]


def _always(_: Traits) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """All of these must hold of a text.

    Attributes:
        digits: The least number of digits.
        longest: The least length of the longest run without a blank; at least `LONG_CHARS`, or 0.
        words: Lower-case words, one of which must stand in it; empty for none.
        signs: Characters of `SIGNS`, one of which must stand in it; empty for none.
        shouts: Three capitals in a row.
        check: Whatever else; asked last.
    """

    digits: int = 0
    longest: int = 0
    words: frozenset[str] = frozenset()
    signs: str = ""
    shouts: bool = False
    check: Callable[[Traits], bool] = _always
    _ascii_words: frozenset[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ascii_words = frozenset(word.encode() for word in self.words if word.isascii())
        object.__setattr__(self, "_ascii_words", ascii_words)
        assert self.longest == 0 or self.longest >= LONG_CHARS
        assert set(self.signs) <= set(SIGNS)

    def __call__(self, traits: Traits) -> bool:
        """Whether the text can hold what the recognizer looks for."""
        return (
            traits.digits >= self.digits
            and traits.longest >= self.longest
            and (traits.shouts or not self.shouts)
            and (not self.signs or any(sign in traits.text for sign in self.signs))
            and (not self.words or self._has_word(traits))
            and self.check(traits)
        )

    def _has_word(self, traits: Traits) -> bool:
        if traits.text.isascii():  # its pieces are its words
            return not self._ascii_words.isdisjoint(traits.pieces)
        return not self.words.isdisjoint(traits.words)


class Gated(Protocol):
    """What a panel sorts."""

    @property
    def gate(self) -> Callable[[Traits], bool]:
        """A `Gate`, or any other condition, which is then asked of each text."""


G = TypeVar("G", bound=Gated)


class Panel(Generic[G]):
    """Recognizers, sorted by what a text must have before their gates are worth asking.

    Each stands in one of the indexes, under the rarest of its gate's conditions.
    """

    def __init__(self, members: Iterable[G]) -> None:
        self.members: Final = tuple(members)
        self._always: list[int] = []
        self._shouting: list[int] = []
        self._by_sign: dict[int, list[int]] = {}
        self._by_word: dict[bytes, list[int]] = {}
        by_digits: list[tuple[int, int]] = []
        by_longest: list[tuple[int, int]] = []
        for at, member in enumerate(self.members):
            gate = member.gate if isinstance(member.gate, Gate) else Gate()
            if gate.longest:
                by_longest.append((gate.longest, at))
            elif gate.digits > _FEW_DIGITS or (gate.digits and not gate.words):
                by_digits.append((gate.digits, at))
            elif gate.words:
                for word in gate.words:
                    self._by_word.setdefault(_key(word), []).append(at)
            elif gate.shouts:
                self._shouting.append(at)
            elif gate.signs:
                for sign in gate.signs.encode():
                    self._by_sign.setdefault(sign, []).append(at)
            else:
                self._always.append(at)
        self._digits, self._with_digits = _columns(by_digits)
        self._longest, self._with_longest = _columns(by_longest)
        self._words = frozenset(self._by_word)

    def due(self, traits: Traits) -> Sequence[G]:
        """Those whose gate is worth asking, in order; what is not among them matches nothing."""
        due = self._always[:]
        if traits.digits:
            due += self._with_digits[: bisect_right(self._digits, traits.digits)]
        if traits.longest:
            due += self._with_longest[: bisect_right(self._longest, traits.longest)]
        if traits.shouts:
            due += self._shouting
        for sign in set(traits.signs):
            due += self._by_sign.get(sign, ())
        for word in self._words & traits.pieces:
            due += self._by_word[word]
        return [self.members[at] for at in sorted(set(due))] if due else ()


_FEW_DIGITS: Final = 4
"""Most texts have so many digits, and few of them a trigger word."""


def _columns(pairs: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """(bound, place) pairs by bound, as two lists that can be bisected together."""
    pairs.sort()
    return [bound for bound, _ in pairs], [at for _, at in pairs]


def _key(word: str) -> bytes:
    """The longest run of ASCII letters in a word, which any text that holds the word holds."""
    return max(word_bytes(word.encode("ascii", "replace")), key=len)
