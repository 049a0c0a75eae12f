r"""Which regular expressions an operator may write: those whose cost has a bound. Pure.

Every quantifier has an upper bound, so a pattern looks at a bounded stretch from each place and the
cost of a text is linear in its length. *How* bounded is counted: the ways a pattern can try from
one place are at most the product over its repetitions, and a pattern with more than `MAX_WAYS` is
refused (`(a{1,20}){1,20}` has 20²⁰). What still is slow on some text meets the time-out of the
scan, which makes its class *failed*.

Patterns are read by Python's own parser (`re`), whose syntax is the common subset; what the
`regex` module would read as something else (`{e<=1}`, `[[:alpha:]]`) is refused.
"""

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from re import _parser  # type: ignore[attr-defined]  # the only parser of this syntax there is
from typing import Any, Final

import regex

__all__ = ["MAX_WAYS", "Shape", "UnsafePatternError", "shape_of"]

MAX_WAYS: Final = 100_000
"""Ways one place may be tried: about a millisecond each place at worst, and far less on text."""
_MAX_REPEAT: Final = 1_000
_BRACE: Final = re.compile(r"(?<!\\)(?:\\\\)*\{(?!\d{1,4}(?:,\d{0,4})?\})")
_SET_IN_SET: Final = re.compile(r"(?<!\\)(?:\\\\)*\[\^?(?:\[|[^\]]*(?:--|&&|\|\||~~))")


class UnsafePatternError(ValueError):
    """A pattern that may not run; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a safe pattern.

    Attributes:
        ways: Upper bound of what is tried from one place.
        literal: Longest text that every match holds; empty where there is none.
    """

    ways: int
    literal: str


def shape_of(source: str) -> Shape:
    """Prove a pattern bounded.

    Raises:
        UnsafePatternError: it is not, or cannot be read.
    """
    if _BRACE.search(source):
        raise UnsafePatternError(r"a brace that is no quantifier is written `\{`")
    if _SET_IN_SET.search(source):
        raise UnsafePatternError(r"a set holds no set and no set operation; write `\[`, `\-`, `\&`")
    tree = _parsed(source)
    if tree.state.flags & ~re.UNICODE:
        raise UnsafePatternError("no flags inside a pattern; use `ignore_case: true`")
    ways = _ways(tree)
    if ways > MAX_WAYS:
        raise UnsafePatternError(
            f"it can try more than {MAX_WAYS} ways from one place; "
            "shorten its quantifiers, or do not nest them"
        )
    if tree.getwidth()[0] == 0:
        raise UnsafePatternError("it matches the empty text; require at least one character")
    return Shape(ways, max(_literals(tree), key=len, default=""))


def _parsed(source: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(source)
            regex.compile(source)
            return _parser.parse(source)
    except (re.error, regex.error, OverflowError, RecursionError, ValueError) as error:
        reason = getattr(error, "msg", "") or "too large"
        raise UnsafePatternError(f"it cannot be read: {reason}") from None


def _ways(items: Iterable[tuple[Any, Any]]) -> int:
    """Product over a sequence; stops growing once it is too many."""
    total = 1
    for operator, argument in items:
        total = min(total * _ways_of(str(operator), argument), MAX_WAYS + 1)
    return total


def _ways_of(operator: str, argument: Any) -> int:
    if operator in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        return _repeated(*argument)
    if operator == "BRANCH":
        return sum(_ways(branch) for branch in argument[1])
    if operator == "SUBPATTERN":
        if argument[1] or argument[2]:
            raise UnsafePatternError("no flags inside a pattern; use `ignore_case: true`")
        return _ways(argument[3])
    if operator == "ATOMIC_GROUP":
        return _ways(argument)
    if operator in {"ASSERT", "ASSERT_NOT"}:
        return _ways(argument[1])
    if operator.startswith("GROUPREF"):
        raise UnsafePatternError("it refers back to a group; write the alternatives out")
    return 1


def _repeated(least: int, most: int, inner: Any) -> int:
    if most > _MAX_REPEAT:
        raise UnsafePatternError(
            f"it repeats without a bound below {_MAX_REPEAT}; write `{{1,64}}` instead of `+`"
        )
    once, total = _ways(inner), 0
    for times in range(least, most + 1):
        total += min(once, MAX_WAYS + 1) ** min(times, 20)  # 2²⁰ is too many already
        if total > MAX_WAYS:
            break
    return total


def _literals(items: Iterable[tuple[Any, Any]]) -> Iterator[str]:
    """Runs of characters that every match holds, outside alternatives and optional parts."""
    run = ""
    for operator, argument in items:
        name = str(operator)
        if name == "LITERAL":
            run += chr(argument)
            continue
        yield run
        run = ""
        if name == "SUBPATTERN":
            yield from _literals(argument[3])
        elif name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"} and argument[0] >= 1:
            yield from _literals(argument[2])
        elif name == "ATOMIC_GROUP":
            yield from _literals(argument)
    yield run
