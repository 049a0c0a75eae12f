"""Where a text is prose, and where it is code, markup or an address. Pure, incremental.

A restored value must not travel: a link, an image or a query in an answer would carry it to
whoever wrote the address, and code may be run. The reader below follows Markdown and HTML as far
as is needed to be on the safe side; where it cannot know yet, the text is no prose.

- Code: fenced and indented blocks, inline code (CommonMark 0.31 §4.4, §4.5, §6.1), and elements
  such as `<pre>` and `<script>`.
- Markup: inside a tag (WHATWG HTML §13.2.5), inside a link's destination (CommonMark §6.3).
- Addresses: the whole run between white space, because link finders read on to the next space
  (GFM §6.9), with whatever is glued to it on either side.

INVARIANT: every state depends on what was read before alone, so a text in pieces is judged like
the whole, wherever it was cut.
"""

import re
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Prose", "is_address"]

_TOKEN: Final = re.compile(r"[^\s`~<>\"'\]()=]+|.", re.DOTALL)
_ADDRESS: Final = re.compile(
    r"//|\\\\|\bwww\d{0,3}\."
    # Schemes that are followed without `//` (IANA's registry, and what renderers click).
    r"|\b(?:https?|ftp|wss?|mailto|sms|data|javascript|vbscript|file|blob|about|sips?|skype|xmpp|magnet|geo"
    r"|facetime|intent|whatsapp|tg|view-source|cid|urn):"
    # A name with a dot in it; U+3002 and its kin separate labels too (RFC 5895 §2).
    r"|[\w-]\.[^\W\d_]|[A-Za-z0-9-][\u3002\uff0e\uff61][A-Za-z0-9]|\d\.\d+\.\d"
    # A query, or a path from the root.
    r"|[?&;][\w.%\[\]-]*=|^[(\[\"'*_]*\.{0,2}/\w",
    re.IGNORECASE,
)
_MARKER: Final = re.compile(r"[-*+]|\d{1,9}[.)]")
_TAG_NAME: Final = re.compile(r"/?([A-Za-z][A-Za-z0-9-]*)")
_CODE_ELEMENTS: Final = frozenset(
    {"code", "pre", "script", "style", "textarea", "kbd", "samp", "tt", "xmp", "svg", "math"}
    | {"template", "iframe", "object", "noscript", "title"}
)
_RUN_CHARS: Final = 512
"""A longer run without white space is looked at in windows of this many characters."""
_RUN_KEPT: Final = 128
"""What one window shares with the next."""
_TAB: Final = 4
_CODE_INDENT: Final = 4
_FENCE: Final = 3


def is_address(run: str) -> bool:
    """Whether text without white space in it is, or holds, something that can be followed."""
    return _ADDRESS.search(run) is not None


@dataclass(slots=True)
class _Tag:
    """The markup we stand in.

    Attributes:
        head: What follows `<` up to the first space: the name.
        quote: The quotation mark of the attribute's value we stand in.
        element: The code element we stand in, whose end tag ends it.
    """

    is_open: bool = False
    head: str = ""
    has_head: bool = False
    quote: str = ""
    element: str = ""


@dataclass(slots=True)
class _Line:
    """The line we stand in; `first` is its first word so far, after `>` and list markers."""

    is_blank: bool = True
    indent: int = 0
    first: str = ""
    is_first: bool = True
    is_item: bool = False
    is_quoted: bool = False
    is_code: bool = False


@dataclass(slots=True)
class _Fence:
    char: str
    length: int
    indent: int
    is_quoted: bool
    is_opening: bool = True
    """Its own first line is not over: a further backtick there makes it inline code."""
    is_closing: bool = False


@dataclass(slots=True)
class Prose:
    """Reads a text in pieces and knows what the next character would stand in."""

    run: str = ""
    _is_far: bool = False
    _fence: _Fence | None = None
    _ticks: int = 0
    _mark: str = ""
    _is_mark_first: bool = False
    _tag: _Tag = field(default_factory=_Tag)
    _outside: _Tag = field(default_factory=_Tag)
    """The markup as it was before the code we stand in."""
    _line: _Line = field(default_factory=_Line)
    _is_after_blank: bool = True
    _is_after_code: bool = False
    _is_in_list: bool = False
    _is_destination: bool = False
    _last: str = ""
    _is_glued: bool = False
    """`_last` stands right before, with no white space between."""

    def is_prose(self) -> bool:
        """Whether what comes next would be plain text, glued to no address."""
        self._end_mark()
        self._begin_line()
        return not (
            self._fence
            or self._ticks
            or self._line.is_code
            or self._tag.is_open
            or self._tag.element
            or self._is_destination
            or self._is_far
            or is_address(f"{self.run}x")
        )

    def read(self, text: str) -> None:
        """Read on."""
        for sign in _TOKEN.findall(text):
            if sign == "\n":
                self._newline()
            elif sign.isspace():
                self._space(sign)
            else:
                self._visible(sign)

    def read_placeholder(self) -> None:
        """Read on over a placeholder: one word, whatever signs it is made of."""
        self._visible("x")

    def _visible(self, sign: str) -> None:
        if self._mark and sign != self._mark[0]:
            self._end_mark()
        self._begin_line()
        if self._fence is not None:
            self._fence.is_closing = False
        if sign in "`~":
            if not self._mark:
                self._is_mark_first = self._line.is_first and not self._line.first
            self._mark += sign
        self._read_tag(sign)
        if sign == "(" and self._last == "]" and self._is_glued:
            self._is_destination = True
        elif sign == ")":
            self._is_destination = False
        self._read_line(sign)
        self._read_run(sign)
        self._last, self._is_glued = sign[-1], True

    def _read_run(self, sign: str) -> None:
        self.run += sign
        # By position in the run alone, so that it does not matter where the text was cut.
        while len(self.run) >= _RUN_CHARS:
            self._is_far = self._is_far or is_address(self.run[:_RUN_CHARS])
            self.run = self.run[_RUN_CHARS - _RUN_KEPT :]

    def _space(self, sign: str) -> None:
        self._end_mark()
        line = self._line
        if line.is_blank:
            line.indent += _TAB - line.indent % _TAB if sign == "\t" else 1
        elif line.is_first and line.first:
            self._end_first()
        self._end_run()

    def _newline(self) -> None:
        self._end_mark()
        if self._line.is_first and self._line.first:
            self._end_first()
        if self._fence is not None:
            self._fence.is_opening = False
            if self._fence.is_closing:
                self._fence = None
                self._leave_code()
        if self._line.is_blank:
            self._ticks = 0
            self._is_destination = False
            if not self._tag.quote:
                self._tag.is_open = False
        else:
            self._is_after_code = self._line.is_code
        self._is_after_blank = self._line.is_blank
        self._line = _Line()
        self._end_run()

    def _end_run(self) -> None:
        self.run, self._is_far, self._is_glued = "", False, False
        self._tag.has_head = True
        if self._last == "<":
            self._last = ""

    def _begin_line(self) -> None:
        """At the first visible sign of a line: is it indented code?"""
        line = self._line
        if not line.is_blank:
            return
        line.is_blank = False
        line.is_code = (
            line.indent >= _CODE_INDENT
            and (self._is_after_blank or self._is_after_code)
            and not self._is_in_list
        )

    def _read_line(self, sign: str) -> None:
        line = self._line
        if line.is_first:
            if sign == ">" and not line.first:
                line.is_quoted = True
            elif sign not in "`~":
                line.first += sign

    def _end_first(self) -> None:
        """The line's first word is whole: a list marker, or the beginning of a paragraph."""
        line = self._line
        if _MARKER.fullmatch(line.first):
            self._is_in_list = line.is_item = True
            line.first = ""
            return
        line.is_first = False
        if not line.is_item and self._is_after_blank and line.indent < _CODE_INDENT // 2:
            self._is_in_list = False

    def _end_mark(self) -> None:
        """A run of backticks or tildes is whole: it opens or closes code, or is nothing."""
        mark, self._mark = self._mark, ""
        if not mark:
            return
        is_first, length = self._is_mark_first, len(mark)
        line = self._line
        if is_first and line.is_first:
            self._end_first()
            line.is_first = False
        fence = self._fence
        if fence is not None:
            self._end_mark_in(fence, mark, is_first=is_first)
        elif is_first and length >= _FENCE:
            self._fence = _Fence(mark[0], length, line.indent, line.is_quoted)
            if not self._ticks:
                self._enter_code()
            self._ticks = 0
        elif mark[0] == "`" and not self._ticks:
            self._ticks = length
            self._enter_code()
        elif mark[0] == "`" and self._ticks == length:
            self._ticks = 0
            self._leave_code()

    def _end_mark_in(self, fence: _Fence, mark: str, *, is_first: bool) -> None:
        if mark[0] != fence.char:
            return
        if fence.is_opening:
            if fence.char == "`":  # an info string holds no backtick: it was inline code
                self._fence = None
                self._ticks = 0 if len(mark) == fence.length else fence.length
                if not self._ticks:
                    self._leave_code()
            return
        fence.is_closing = (
            is_first
            and len(mark) >= fence.length
            and self._line.is_quoted == fence.is_quoted
            and self._line.indent < fence.indent + _CODE_INDENT
        )

    def _enter_code(self) -> None:
        tag = self._tag
        self._outside = _Tag(tag.is_open, tag.head, tag.has_head, tag.quote, tag.element)

    def _leave_code(self) -> None:
        """Code is full of `<`; only an attribute still open says it was markup after all."""
        if not self._tag.quote:
            self._tag = self._outside

    def _read_tag(self, sign: str) -> None:
        tag = self._tag
        if tag.quote:
            if sign == tag.quote:
                tag.quote = ""
            return
        if self._last == "<" and self._is_glued and _opens(sign):
            tag.is_open, tag.head, tag.has_head = True, sign, False
        elif not tag.is_open:
            return
        elif sign == ">":
            self._end_tag()
        elif sign in "\"'" and self._last == "=":
            tag.quote = sign
        elif not tag.has_head:
            tag.head += sign

    def _end_tag(self) -> None:
        tag = self._tag
        tag.is_open = False
        named = _TAG_NAME.match(tag.head)
        name = named[1].lower() if named else ""
        if tag.head.startswith("/"):
            if name == tag.element:
                tag.element = ""
        elif name in _CODE_ELEMENTS and not tag.element and self._last != "/":
            tag.element = name


def _opens(sign: str) -> bool:
    return sign[0] in "/!?" or (sign[0].isascii() and sign[0].isalpha())
