"""What can be followed: addresses in a run of text, and the destinations of links. Pure.

Written as a renderer reads it: character references and backslash escapes are undone (CommonMark
0.31 §2.4, §2.5), and only ASCII blanks end a word (§2.1), for `http://e.example/<U+00A0>x` is one.

INVARIANT: what `Destination` says depends on the signs it has read alone, however they were cut.
"""

import html
import re
from dataclasses import dataclass
from typing import Final

__all__ = ["BLANKS", "Destination", "is_address"]

BLANKS: Final = " \t\n\r\f"
"""White space of HTML (WHATWG Infra §4.7), and all that ends a destination of CommonMark."""
_ADDRESS: Final = re.compile(
    r"//|\\\\|\bwww\d{0,3}\."
    # Schemes that are followed without `//` (IANA's registry, and what renderers click).
    r"|\b(?:https?|ftp|wss?|mailto|sms|data|javascript|vbscript|file|blob|about|sips?|skype|xmpp|magnet|geo"
    r"|facetime|intent|whatsapp|tg|view-source|cid|urn):"
    # A name with a dot in it; U+3002 and its kin separate labels too (RFC 5895 §2).
    r"|[\w-]\.[^\W\d_]|[A-Za-z0-9-][\u3002\uff0e\uff61][A-Za-z0-9]|\d\.\d+\.\d"
    # A query, or a path from the root.
    r"|[?&;][\w.%\[\]-]*=|^[(\[\"'*_]*\.{0,2}/\w"
    # In angle brackets mail needs no dot, and any scheme will do (CommonMark §6.5).
    r"|<[^<>]*@|<[A-Za-z][\w+.-]*:",
    re.IGNORECASE,
)
_ESCAPED: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
"""An escape of ASCII punctuation (CommonMark §2.4)."""
_UNSEEN: Final = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
"""What browsers take out of a host (UTS #46 maps it to nothing)."""


def is_address(run: str) -> bool:
    """Whether text without white space in it is, or holds, something that can be followed."""
    if _ADDRESS.search(run) is not None:
        return True
    plain = html.unescape(run) if "&" in run else run
    plain = _ESCAPED.sub(r"\1", plain) if "\\" in plain else plain
    plain = plain if plain.isascii() else _UNSEEN.sub("", plain)
    return plain != run and _ADDRESS.search(plain) is not None


@dataclass(slots=True)
class Destination:
    """Whether the next character would stand in the destination of a link.

    An inline one (CommonMark §6.3) lasts to its bracket, title included; that of a definition
    (§4.7) to the first blank, on its own line or the next. Both may stand in angle brackets. The
    two are followed apart, for what looks like both may be either.
    """

    _inline: "_Inline | None" = None
    _defined: "_Defined | None" = None
    _has_label: bool = False
    """A line of this paragraph begins with `[`: a label, which may go on to the next line."""
    _is_after_label: bool = False
    """The last sign was `]`, and no blank follows."""
    _is_escaping: bool = False

    def is_open(self) -> bool:
        """Whether it would."""
        return self._inline is not None or self._defined is not None

    def begin_line(self, sign: str) -> None:
        """The first sign of a line's text, after the markers of lists and quotations."""
        self._has_label = self._has_label or sign[0] == "["

    def read(self, sign: str) -> None:
        """One visible sign, or several in a row of which only the first may mean something."""
        is_after, self._is_after_label = self._is_after_label, sign == "]"
        is_escaped, self._is_escaping = self._is_escaping, False
        if sign == "\\":
            self._is_escaping = not is_escaped
        if self._inline is not None:
            if self._inline.ends(sign, is_escaped=is_escaped):
                self._inline = None
        elif is_after and sign == "(":
            self._inline = _Inline()
        if self._defined is not None:
            if self._defined.ends(sign, is_escaped=is_escaped):
                self._defined = None
        elif is_after and sign[0] == ":" and self._has_label:
            self._defined = _Defined(is_begun=len(sign) > 1)

    def blank(self) -> None:
        """A blank, or the end of a line."""
        self._is_after_label = self._is_escaping = False
        defined = self._defined
        if defined is not None and defined.is_begun and not defined.is_angled:
            self._defined = None

    def end_line(self, *, is_blank: bool) -> None:
        """The end of a line; a blank one ends the paragraph."""
        self.blank()
        if is_blank:
            self._inline = self._defined = None
            self._has_label = False


@dataclass(slots=True)
class _Defined:
    is_begun: bool
    is_angled: bool = False

    def ends(self, sign: str, *, is_escaped: bool) -> bool:
        if not self.is_begun:
            self.is_begun, self.is_angled = True, sign == "<"
            return False
        return self.is_angled and sign == ">" and not is_escaped


@dataclass(slots=True)
class _Inline:
    """Brackets inside of angle brackets open, but close nothing.

    So it is never taken to end before a renderer would, whichever `](` it lets count.
    """

    is_begun: bool = False
    is_angled: bool = False
    depth: int = 0

    def ends(self, sign: str, *, is_escaped: bool) -> bool:
        if not self.is_begun:
            self.is_begun, self.is_angled = True, sign == "<"
        if is_escaped:
            return False
        if sign == ">":
            self.is_angled = False
        elif sign == "(":
            self.depth += 1
        elif sign == ")" and not self.is_angled:
            self.depth -= 1
        return self.depth < 0
