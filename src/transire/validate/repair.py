"""Repair the syntax of one JSON text, or leave it: nothing is guessed, nothing is invented. Pure.

An answer that is meant to be JSON and is not is read once more by a slightly wider grammar. What
the wider grammar allows is rewritten, rule by rule (`RULES`); everything else is left broken:

- an unterminated string, a key without a value, a missing comma, a bracket missing in the middle:
  nobody knows what was meant;
- a comma at the very end, or a comment with an ellipsis: more was to come;
- brackets or double quotes in the text around the value: it may not be the only one.

INVARIANT: a repair is a list of edits, and an edit deletes what stands outside strings and numbers,
or writes quotes, brackets, escapes and the three literals. So every string and every number of the
repaired value stands in the answer.

JSON: RFC 8259. Reading is one pass without recursion, O(n), and stops at the first bound.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from transire.validate.strict_json import NOT_JSON, read

__all__ = ["MAX_CHARS", "MAX_CLOSERS", "MAX_DEPTH", "MAX_EDITS", "RULES", "Edit", "apply", "repair"]

RULES: Final = frozenset(
    {"fence", "prose", "closing", "trailing_comma", "single_quotes", "python_literal"}
    | {"raw_newline", "comment"}
)
"""Names of the rules, as the record, the header and the metric say them."""

MAX_CHARS: Final = 128 * 1024
"""32,000 tokens of output; 0.3 s at worst, 4 µs for two characters (measured)."""
MAX_DEPTH: Final = 64
"""Twice what a caller's schema may describe (`schema.MAX_DEPTH`)."""
MAX_EDITS: Final = 4_096
MAX_CLOSERS: Final = 4
"""Brackets that may be missing at the end. A text that lacks more was rather cut than ended."""

_BLANK: Final = " \t\r\n"
_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_BRACKET: Final = re.compile(r"[\[{]")
_FENCE: Final = "```"
_OPENING: Final = re.compile(r"```[A-Za-z0-9_+.-]*[ \t\r\n]*")
_TELLING: Final = re.compile(r'[\[\]{}"]|```')
"""In text around the value: it may then not be the only value, or not the whole of it."""
_ELLIPSIS: Final = re.compile(r"\.\.\.|…")
_QUOTED: Final = re.compile(r"'[^']*'")
_OTHER_LINE_END: Final = re.compile(r"[\r\v\f\x1c-\x1e\x85\u2028\u2029](?!\n|$)")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD: Final = re.compile(r"[A-Za-z]+")
_GLUED: Final = re.compile(r"[\w.+\-]")
_PLAIN: Final = {
    '"': re.compile(r'[^"\\\x00-\x1f]*'),
    "'": re.compile(r"[^'\"\\\x00-\x1f]*"),
}
_ESCAPE: Final = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_CONTROL: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LITERALS: Final = {"True": "true", "False": "false", "None": "null"}
_JSON_LITERALS: Final = frozenset(_LITERALS.values())
_CLOSER: Final = {"{": "}", "[": "]"}

_VALUE: Final = "value"
_FIRST: Final = "first element"
_ELEMENT: Final = "element"
_FIRST_KEY: Final = "first key"
_KEY: Final = "key"
_COLON: Final = "colon"
_AFTER: Final = "after"
_CLOSABLE: Final = frozenset({_FIRST, _ELEMENT, _FIRST_KEY, _KEY, _AFTER})
"""Where a closing bracket may stand; after a comma it takes the comma with it."""
_SEPARATOR: Final = {_COLON: ":", _AFTER: ","}


class Edit(NamedTuple):
    """`text[start:end]` becomes `new`, by this rule."""

    start: int
    end: int
    new: str
    rule: str


class _BrokenError(Exception):
    """No rule reads this."""


def repair(text: str) -> Sequence[Edit] | None:
    """The edits that make one strict JSON document of the text, in order.

    None where it is one already, where no rule applies, and beyond the bounds.
    """
    if len(text) > MAX_CHARS or read(text) is not NOT_JSON:
        return None
    try:
        edits = _Reading(text).edits()
    except _BrokenError:
        return None
    return edits if edits and read(apply(text, edits)) is not NOT_JSON else None


def apply(text: str, edits: Sequence[Edit]) -> str:
    """The text after edits that `repair` returned for it."""
    at, out = 0, list[str]()
    for edit in edits:
        out += (text[at : edit.start], edit.new)
        at = edit.end
    return "".join((*out, text[at:]))


class _Reading:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._last = 0
        """Where the newest token ended."""
        self._is_fenced = False
        self._edits: list[Edit] = []

    def edits(self) -> list[Edit]:
        is_alone = self._begin()
        self._value()
        self._finish(is_alone=is_alone)
        return sorted(self._edits)

    def _begin(self) -> bool:
        """Go to where the value starts; True where nothing but the value may stand there."""
        text = self._text
        bracket = _BRACKET.search(text)
        fence = text.find(_FENCE, 0, bracket.start() if bracket else len(text))
        opening = _OPENING.match(text, fence) if fence >= 0 else None
        if opening is not None:
            self._is_fenced, start, before = True, opening.end(), text[:fence]
        elif bracket is not None:
            start, before = bracket.start(), text[: bracket.start()]
        else:
            start, before = 0, ""
        if _TELLING.search(before) or _is_inside(before.rstrip()) or _is_value(before):
            raise _BrokenError
        if opening is not None:
            self._edit(fence, start, "", "fence")
        if before.strip(_BLANK):
            self._edit(0, fence if opening is not None else start, "", "prose")
        self._at = self._last = start
        return bracket is None and opening is None

    def _finish(self, *, is_alone: bool) -> None:
        """Cut off what follows the value."""
        text, at = self._text, self._skip(self._at)
        if text.startswith(_FENCE, at):
            self._edit(at, at + len(_FENCE), "", "fence")
            at += len(_FENCE)
        rest = text[at:]
        is_continued = rest[:1] in (",", ":")
        if _TELLING.search(rest) or is_continued or (is_alone and rest.strip(_BLANK)):
            raise _BrokenError
        if _is_value(rest):
            raise _BrokenError
        if rest.strip(_BLANK):
            self._edit(at, len(text), "", "prose")

    def _value(self) -> None:
        """Read one value; open brackets stand in a list instead of on the stack of calls."""
        open_: list[str] = []
        state, comma = _VALUE, 0
        while True:
            at = self._blank(in_value=bool(open_))
            char = self._text[at : at + 1]
            if not char or (self._is_fenced and self._text.startswith(_FENCE, at)):
                self._close(open_, state)
                return
            if open_ and char == open_[-1] and state in _CLOSABLE:
                if state in (_KEY, _ELEMENT):
                    self._edit(comma, comma + 1, "", "trailing_comma")
                self._at, state = at + 1, _AFTER
                open_.pop()
            elif state in (_COLON, _AFTER):
                if char != _SEPARATOR[state]:
                    raise _BrokenError
                self._at, comma = at + 1, at
                state = _VALUE if state == _COLON else _KEY if open_[-1] == "}" else _ELEMENT
            elif state in (_KEY, _FIRST_KEY):
                self._string(char)
                state = _COLON
            elif char in _CLOSER:
                open_.append(_CLOSER[char])
                if len(open_) > MAX_DEPTH:
                    raise _BrokenError
                self._at, state = at + 1, _FIRST_KEY if char == "{" else _FIRST
            else:
                self._scalar(char)
                state = _AFTER
            self._last = self._at
            if state == _AFTER and not open_:
                return

    def _close(self, open_: list[str], state: str) -> None:
        """The text ended inside the value: write what closes it, right after the last token."""
        is_trailed = bool(self._text[self._last : self._at].strip(_BLANK))
        if state != _AFTER or is_trailed or not 0 < len(open_) <= MAX_CLOSERS:
            raise _BrokenError
        self._edit(self._last, self._last, "".join(reversed(open_)), "closing")

    def _blank(self, *, in_value: bool) -> int:
        """Skip blanks and, inside the value, comments."""
        text, at = self._text, self._skip(self._at)
        while in_value and (text.startswith(("//", "/*"), at) or text.startswith("#", at)):
            is_block = text.startswith("/*", at)
            end = text.find("*/" if is_block else "\n", at + (2 if is_block else 1))
            if end < 0 or _ELLIPSIS.search(text, at, end):
                raise _BrokenError
            if not is_block and _OTHER_LINE_END.search(text, at, end):
                raise _BrokenError  # where the comment ends is anybody's guess
            end += 2 if is_block else 0
            self._edit(at, end, "", "comment")
            at = self._skip(end)
        self._at = at
        return at

    def _skip(self, at: int) -> int:
        found = _BLANKS.match(self._text, at)
        return at if found is None else found.end()

    def _scalar(self, char: str) -> None:
        if char in _PLAIN:
            self._string(char)
            return
        word = _WORD.match(self._text, self._at)
        token = word or _NUMBER.match(self._text, self._at)
        if token is None or _GLUED.match(self._text, token.end()):
            raise _BrokenError
        if word is not None and word[0] not in _JSON_LITERALS:
            new = _LITERALS.get(word[0])
            if new is None:
                raise _BrokenError
            self._edit(word.start(), word.end(), new, "python_literal")
        self._at = token.end()

    def _string(self, quote: str) -> None:
        """Read a string to its closing quote; one without is nobody's to end."""
        plain = _PLAIN.get(quote)
        if plain is None:
            raise _BrokenError
        text, at, is_single = self._text, self._at + 1, quote == "'"
        if is_single:
            self._edit(at - 1, at, '"', "single_quotes")
        while True:
            found = plain.match(text, at)
            at = at if found is None else found.end()
            char = text[at : at + 1]
            if char == quote:
                break
            if char == '"':
                self._edit(at, at + 1, '\\"', "single_quotes")
                at += 1
            elif char in _CONTROL:
                self._edit(at, at + 1, _CONTROL[char], "raw_newline")
                at += 1
            elif is_single and text.startswith("\\'", at):
                self._edit(at, at + 2, "'", "single_quotes")
                at += 2
            elif (escape := _ESCAPE.match(text, at)) is not None:
                at = escape.end()
            else:
                raise _BrokenError
        if is_single:
            self._edit(at, at + 1, '"', "single_quotes")
        self._at = at + 1

    def _edit(self, start: int, end: int, new: str, rule: str) -> None:
        if len(self._edits) >= MAX_EDITS:
            raise _BrokenError
        self._edits.append(Edit(start, end, new, rule))


def _is_value(around: str) -> bool:
    """Whether what stands around the value is a value itself: nobody knows which one is meant."""
    text = around.strip(_BLANK)
    is_literal = text in _LITERALS or _QUOTED.fullmatch(text) is not None
    return bool(text) and (is_literal or read(text) is not NOT_JSON)


def _is_inside(before: str) -> bool:
    """Whether the text before a bracket ends like the inside of a list or an object."""
    return before.endswith(",") or (before.endswith(":") and before[:-1].rstrip().endswith("'"))
