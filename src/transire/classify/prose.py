"""Where a text is prose, and where it is code, markup or an address. Pure, incremental.

A restored value must not travel: a link, an image or a query in an answer would carry it to
whoever wrote the address, and code may be run. The reader below follows Markdown and HTML as far
as is needed to be on the safe side; where it cannot know yet, the text is no prose.

- Code: fenced and indented blocks, inline code (CommonMark 0.31 §4.4, §4.5, §6.1), and elements
  such as `<pre>` and `<script>`.
- Markup: inside a tag (`markup`), inside a link's destination (`addresses`).
- Addresses: the whole run between white space, because link finders read on to the next space
  (GFM §6.9), with whatever is glued to it on either side.

INVARIANT: every state depends on what was read before alone, so a text in pieces is judged like
the whole, wherever it was cut.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from transire.classify.addresses import BLANKS, Destination, is_address
from transire.classify.markup import Markup

__all__ = ["Prose"]

_TOKEN: Final = re.compile(rf"[^{BLANKS}`~<>\"'\]()=\\\\]+|.", re.DOTALL)
_MARKER: Final = re.compile(r"[-*+]|\d{1,9}[.)]")
_NO_PARAGRAPH: Final = re.compile(r"#{1,6}|[*_-]+|=+")
"""The first word of a heading, a break or an underline: none goes on in the next line."""
_RUN_CHARS: Final = 512
"""A longer run without white space is looked at in windows of this many characters."""
_RUN_KEPT: Final = 128
"""What one window shares with the next."""
_TAB: Final = 4
_CODE_INDENT: Final = 4
_FENCE: Final = 3
_MAX_ITEMS: Final = 32
"""Lists inside one another whose indentation is followed."""


@dataclass(slots=True)
class _Line:
    """The line we stand in.

    Attributes:
        is_blank: Nothing but blanks so far.
        is_empty: Nothing but blanks and the markers of quotations so far.
        is_fresh: At the beginning of a text: of the line, or after a marker.
        is_new: A list's item or a quotation begins here, and so a paragraph does.
        is_vague: But a paragraph may go on instead (CommonMark §5.2): it is indented, or numbered.
        is_indented: As far as code is, which it may be or not; no fence is.
        is_item: A list's marker was read, and nothing of its text.
        indent: Columns before the first visible sign.
        column: Columns read, as long as there is no second word.
        base: The column where the text after the last marker begins at the earliest.
        at: The column where the first word begins.
        first: The first word so far, after markers.
    """

    is_blank: bool = True
    is_empty: bool = True
    is_fresh: bool = True
    is_new: bool = False
    is_vague: bool = False
    is_indented: bool = False
    is_item: bool = False
    is_quoted: bool = False
    is_code: bool = False
    is_first: bool = True
    indent: int = 0
    column: int = 0
    base: int = 0
    at: int = 0
    first: str = ""


@dataclass(slots=True)
class _Fence:
    char: str
    length: int
    indent: int
    base: int
    """Where the text of the list's item that it stands in begins; less indentation ends both."""
    is_quoted: bool
    is_doubtful: bool = False
    """A backtick was open before: where this is no fence, its mark may close as well as open."""
    is_lost: bool = False
    """Ended so; nothing says that the code has, but the next fence opens and closes nothing."""
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
    _markup: Markup = field(default_factory=Markup)
    _is_html: bool = False
    """A line of this paragraph begins with `<`: Markdown may mean nothing in it."""
    _line: _Line = field(default_factory=_Line)
    _is_after_blank: bool = True
    _is_after_code: bool = False
    _is_after_quoted: bool = False
    _items: list[int] = field(default_factory=list)
    """Where the texts of the lists' items we stand in begin: columns, rising."""
    _has_quoted_items: bool = False
    _is_after_item: bool = False
    """The last line was a list's marker alone."""
    _is_unsure: bool = False
    """An open backtick of a line of code, or before a list's item: the next may open or close."""
    _destination: Destination = field(default_factory=Destination)
    _is_after_return: bool = False

    def is_prose(self) -> bool:
        """Whether what comes next would be plain text, glued to no address."""
        self._end_mark()
        self._begin_text("x")
        return not (
            self._fence
            or self._ticks
            or self._is_unsure
            or self._line.is_code
            or self._markup.is_open()
            or self._destination.is_open()
            or self._is_far
            or is_address(f"{self.run}x")
        )

    def read(self, text: str) -> None:
        """Read on."""
        for sign in _TOKEN.findall(text):
            if sign in "\n\r":
                # CR LF is one end of a line, also where a piece ends between the two.
                if sign == "\r" or not self._is_after_return:
                    self._newline()
                self._is_after_return = sign == "\r"
                continue
            self._is_after_return = False
            if sign in BLANKS:
                self._space(sign)
            else:
                self._visible(sign)

    def read_placeholder(self) -> None:
        """Read on over a placeholder: one word, whatever signs it is made of."""
        self._is_after_return = False
        self._visible("x")

    def _visible(self, sign: str) -> None:
        if self._mark and sign != self._mark[0]:
            self._end_mark()
        is_marker = self._begin_text(sign)
        if self._fence is not None:
            self._fence.is_closing = False
        if sign in "`~":
            if not self._mark:
                self._is_mark_first = self._line.is_first and not self._line.first
            self._mark += sign
        self._markup.read(sign)
        if not is_marker:
            self._destination.read(sign)
            self._read_line(sign)
        self._read_run(sign)

    def _read_run(self, sign: str) -> None:
        self.run += sign
        # By position in the run alone, so that it does not matter where the text was cut.
        while len(self.run) >= _RUN_CHARS:
            self._is_far = self._is_far or is_address(self.run[:_RUN_CHARS])
            self.run = self.run[_RUN_CHARS - _RUN_KEPT :]

    def _space(self, sign: str) -> None:
        self._end_mark()
        line = self._line
        if sign == "\f":  # it makes no line blank (CommonMark §2.1)
            self._begin_text(sign)
            line.is_first = False
            if self._fence is not None:
                self._fence.is_closing = False
        elif line.is_first:
            if line.first:
                self._end_first()
            # After a marker, renderers differ about tabs: the most that it may be.
            width = _TAB - (0 if line.base else line.column % _TAB) if sign == "\t" else 1
            line.column += width
            if line.is_blank:
                line.indent += width
        self._destination.blank()
        self._end_run()

    def _newline(self) -> None:
        self._end_mark()
        if self._line.is_first and self._line.first:
            self._end_first()
        is_closed = False
        if self._fence is not None:
            self._fence.is_opening = False
            if self._fence.is_closing:
                is_closed = True
                self._fence = None
                self._markup.leave_code(is_html=self._is_html)
        line = self._line
        if line.is_blank:
            self._ticks, self._is_unsure = 0, False
            self._is_html = False
            self._markup.end_paragraph()
        else:
            self._is_after_code = line.is_code
            self._is_unsure = self._is_unsure or (line.is_code and self._ticks > 0)
        self._end_items()
        self._destination.end_line(is_blank=line.is_blank)
        no_paragraph = _NO_PARAGRAPH.fullmatch(line.first)
        if no_paragraph:
            # No code goes on behind a heading, whatever was open in it.
            self._is_unsure = self._is_unsure or self._ticks > 0
            self._items = [item for item in self._items if item <= line.at]
        self._is_after_blank = line.is_empty or line.is_item or is_closed or bool(no_paragraph)
        self._is_after_quoted, self._is_after_item = line.is_quoted, line.is_item
        self._line = _Line()
        self._end_run()

    def _end_items(self) -> None:
        """What the end of a line says about lists."""
        line = self._line
        if line.is_item and self._is_after_blank:  # or it may be an underline
            self._push(line.base)
        elif line.is_empty and self._is_after_item:  # such an item is over (CommonMark §5.2)
            self._items = self._items[:-1]
        if line.is_blank and self._has_quoted_items:
            self._items, self._has_quoted_items = [], False

    def _end_run(self) -> None:
        self.run, self._is_far = "", False
        self._markup.blank()

    def _begin_text(self, sign: str) -> bool:
        """At the first visible sign of a text: is it indented code? Whether a quotation begins."""
        line = self._line
        if not line.is_fresh:
            return False
        line.is_fresh = line.is_blank = False
        line.at = line.column
        self._leave_items(sign)
        base = max((line.base, *(item for item in self._items if item <= line.column)))
        is_indented = line.column - base >= _CODE_INDENT
        if sign == ">" and not is_indented:
            line.is_quoted = line.is_fresh = True
            line.is_new = line.is_new or not self._is_after_quoted
            line.column += 1
            line.base = line.column + 1
            return True
        line.is_empty = False
        line.is_indented = is_indented
        is_left = self._is_after_quoted and not line.is_quoted  # renderers differ
        is_apart = self._is_after_blank or self._is_after_code or line.is_new or is_left
        if is_indented and is_apart:
            line.is_code = True
        line.is_vague = line.is_vague or is_indented
        if line.is_new and self._ticks:
            self._leave_ticks()
        if line.is_item:
            line.is_item = False
            self._push(line.base if is_indented else line.column)
        fence = self._fence
        if fence is not None and line.column < fence.base:
            fence.is_lost = True
        if sign == "<" and (fence is None or fence.is_lost):
            self._is_html = True
        self._destination.begin_line(sign)
        return False

    def _leave_ticks(self) -> None:
        """A new paragraph in the line after an open backtick: no code goes on into it."""
        if self._line.is_vague:
            self._is_unsure = True
        else:
            self._ticks = 0
            self._markup.leave_code(is_html=self._is_html)

    def _leave_items(self, sign: str) -> None:
        """Less indentation ends lists, but for a paragraph that goes on."""
        line = self._line
        is_out = self._has_quoted_items and not line.is_quoted
        if sign == ">":
            if not self._has_quoted_items:
                self._items = [item for item in self._items if item <= line.column]
        elif is_out and (self._is_after_blank or self._is_after_code):
            self._items, self._has_quoted_items = [], False
        elif (self._is_after_blank or self._is_after_code) and not line.is_item:
            self._items = [item for item in self._items if item <= line.column]

    def _push(self, column: int) -> None:
        if len(self._items) < _MAX_ITEMS:
            self._items.append(column)
            self._has_quoted_items = self._has_quoted_items or self._line.is_quoted

    def _read_line(self, sign: str) -> None:
        line = self._line
        if line.is_first:
            line.column += len(sign)
            if sign not in "`~":
                line.first += sign

    def _end_first(self) -> None:
        """The line's first word is whole: a list marker, or the beginning of a paragraph."""
        line = self._line
        fence = self._fence
        is_fenced = fence is not None and not fence.is_lost
        if not _MARKER.fullmatch(line.first) or line.is_code or is_fenced:
            line.is_first = False
            if line.first.startswith("#") and self._ticks:
                self._is_unsure = True  # a heading ends the paragraph of the open backtick
            return
        self._items = [item for item in self._items if item <= line.at]
        line.is_item = line.is_new = line.is_fresh = True
        line.is_vague = line.is_vague or len(line.first) > 1
        line.first, line.base = "", line.column + 1

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
        elif is_first and length >= _FENCE and not line.is_indented:
            base = max((0, *(item for item in self._items if item <= line.at)))
            self._fence = _Fence(mark[0], length, line.indent, base, line.is_quoted)
            if not self._ticks:
                self._markup.enter_code()
            self._fence.is_doubtful = self._ticks > 0
            self._ticks = 0
        elif mark[0] == "`" and not self._ticks:
            self._ticks = length
            self._markup.enter_code()
        elif mark[0] == "`" and self._ticks == length:
            self._ticks = 0
            self._markup.leave_code(is_html=self._is_html)

    def _end_mark_in(self, fence: _Fence, mark: str, *, is_first: bool) -> None:
        if fence.is_lost and is_first and len(mark) >= _FENCE:
            line = self._line
            self._fence = _Fence(mark[0], len(mark), line.indent, 0, line.is_quoted)
            return
        if mark[0] != fence.char or fence.is_lost:
            return
        if fence.is_opening:
            if fence.char == "`":  # an info string holds no backtick: it was inline code
                self._fence = None
                self._is_unsure = self._is_unsure or fence.is_doubtful
                self._ticks = 0 if len(mark) == fence.length else fence.length
                if not self._ticks:
                    self._markup.leave_code(is_html=self._is_html)
            return
        fence.is_closing = (
            is_first
            and len(mark) >= fence.length
            and self._line.is_quoted == fence.is_quoted
            and self._line.indent < fence.indent + _CODE_INDENT
        )
