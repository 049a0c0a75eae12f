"""Which words a pattern must begin with, read off the pattern itself. Pure.

A phrase that needs one of ten words is not worth a search in a text that has none of them. Worked
out from the pattern, so that no list can fall behind it: in doubt there is no such set, and the
phrase is searched for in every text.
"""

import importlib
import re
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["first_words", "letters_of"]

_MOST: Final = 512
"""Words past which a set is no use."""
_LETTERS: Final = re.compile(rb"[a-z]+")
_UNROLLED: Final = 3
"""Repetitions followed one by one."""
_ZERO_WIDTH: Final = frozenset({"ASSERT", "ASSERT_NOT"})
_REPEATS: Final = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})
_Items = tuple[Any, ...]


class _UnclearError(Exception):
    """A match may begin with something else than one of a few whole words."""


def first_words(source: str) -> frozenset[str] | None:
    """Lower-case words, with one of which every match begins: whole words, of letters alone.

    A word is a run of letters; it is whole where the pattern asks for a border, or for something
    that is no letter, on both of its sides.

    Args:
        source: As `regex` takes it; where `re` reads it otherwise, nothing is said of it.

    Returns:
        None where there is no such finite set.
    """
    try:
        # A private module, the only parser there is: without it no phrase is ever passed over.
        parse = importlib.import_module("re._parser").parse
        found = set[str]()
        for word in _words(tuple(parse(source)), "", is_border=False):
            found.add(word.lower())
            if len(found) > _MOST:
                return None
    except (_UnclearError, re.error, ImportError, AttributeError):
        return None
    return frozenset(found)


def letters_of(word: str) -> bytes:
    """The longest run of ASCII letters in a word, which any text that holds the word holds.

    Raises:
        ValueError: it has none.
    """
    runs: list[bytes] = _LETTERS.findall(word.lower().encode("ascii", "replace"))
    return max(runs, key=len)


def _words(items: _Items, begun: str, *, is_border: bool) -> Iterator[str]:
    """Words that what is left of a pattern can begin with.

    Args:
        begun: Letters of the word that are read already.
        is_border: A word may begin here.

    Raises:
        _UnclearError: as the class says.
    """
    if not items:
        raise _UnclearError  # nothing keeps a letter from following
    (code, argument), rest = items[0], items[1:]
    kind = str(code)
    if kind == "AT":
        yield from _at(str(argument), rest, begun, is_border=is_border)
    elif kind in _ZERO_WIDTH:
        yield from _words(rest, begun, is_border=is_border)
    elif kind == "LITERAL":
        yield from _after(chr(argument), rest, begun, is_border=is_border)
    elif kind == "IN":
        for char in _members(argument):
            yield from _after(char, rest, begun, is_border=is_border)
    elif kind == "SUBPATTERN":
        yield from _words((*argument[3], *rest), begun, is_border=is_border)
    elif kind == "BRANCH":
        for branch in argument[1]:
            yield from _words((*branch, *rest), begun, is_border=is_border)
    elif kind in _REPEATS:
        yield from _repeated(argument, rest, begun, is_border=is_border)
    elif kind == "AGAIN":
        yield from _again(argument, rest, begun, is_border=is_border)
    else:
        raise _UnclearError


def _at(where: str, rest: _Items, begun: str, *, is_border: bool) -> Iterator[str]:
    if where == "AT_BOUNDARY" and begun:
        yield begun
        return
    yield from _words(rest, begun, is_border=is_border or where != "AT_NON_BOUNDARY")


def _after(char: str, rest: _Items, begun: str, *, is_border: bool) -> Iterator[str]:
    """Go on behind one character."""
    if char.isalpha():
        if not begun and not is_border:
            raise _UnclearError
        yield from _words(rest, begun + char, is_border=False)
    elif begun:
        yield begun
    else:
        yield from _words(rest, "", is_border=True)


def _repeated(argument: Any, rest: _Items, begun: str, *, is_border: bool) -> Iterator[str]:
    low, high, inner = argument
    if int(low) > _UNROLLED:
        raise _UnclearError
    more = min(int(high) - int(low), _UNROLLED)
    is_cut = int(high) - int(low) > more
    yield from _words(
        (*tuple(inner) * int(low), ("AGAIN", (more, inner, is_cut)), *rest),
        begun,
        is_border=is_border,
    )


def _again(argument: Any, rest: _Items, begun: str, *, is_border: bool) -> Iterator[str]:
    """Up to so many times more; where that is not all, no word may go on that long."""
    more, inner, is_cut = argument
    if not more and is_cut and begun:
        raise _UnclearError
    yield from _words(rest, begun, is_border=is_border)
    if more:
        once = (*inner, ("AGAIN", (more - 1, inner, is_cut)), *rest)
        yield from _words(once, begun, is_border=is_border)


def _members(items: Any) -> Iterator[str]:
    """The characters of a class; a blank for those that are no letters."""
    for code, argument in items:
        kind = str(code)
        if kind == "LITERAL":
            yield chr(argument)
        elif kind == "CATEGORY" and str(argument) in ("CATEGORY_SPACE", "CATEGORY_DIGIT"):
            yield " "
        else:
            raise _UnclearError
