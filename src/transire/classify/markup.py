"""Whether a text stands inside a tag or a code element of HTML. Pure, incremental.

Markdown, a browser and a renderer that cleans up read the same `<` apart: one sees a tag where
another sees text, and from there on each quotation mark means something else. So every reading is
followed at once (`_State`), and a text is outside only where all of them say so. They are few:
equal ones are one, and where there are too many the rest of the text counts as markup.

The states are those of WHATWG HTML §13.2.5.6 to §13.2.5.39.
"""

import re
from enum import IntEnum, auto
from typing import Final, NamedTuple

__all__ = ["Markup"]

_TAG_NAME: Final = re.compile(r"[a-z][a-z0-9-]*")
_CODE_ELEMENTS: Final = frozenset(
    {"code", "pre", "script", "style", "textarea", "kbd", "samp", "tt", "xmp", "svg", "math"}
    | {"template", "iframe", "object", "noscript", "title"}
)
_HEAD_CHARS: Final = 12
"""Of a tag's name: more than the longest code element and `![CDATA[` have."""
_MAX_STATES: Final = 12
_RAW: Final = {"!--": "-->", "?": "?>", "![cdata[": "]]>"}
"""What lasts beyond a blank line, and its end (CommonMark 0.31 §4.6, kinds 2, 3 and 5)."""


class _Phase(IntEnum):
    TEXT = auto()
    LESS = auto()
    NAME = auto()
    BOGUS = auto()
    BETWEEN = auto()
    ATTRIBUTE = auto()
    AFTER = auto()
    VALUE = auto()
    UNQUOTED = auto()
    DOUBLE = auto()
    SINGLE = auto()
    LOST = auto()


_QUOTES: Final = {'"': _Phase.DOUBLE, "'": _Phase.SINGLE}
_QUOTED: Final = frozenset({_Phase.DOUBLE, _Phase.SINGLE, _Phase.LOST})
_OUTSIDE: Final = frozenset({_Phase.TEXT, _Phase.LESS})


class _State(NamedTuple):
    """One reading.

    Attributes:
        head: The beginning of the tag's name, in lower case.
        element: The code element we stand in, whose end tag ends it.
    """

    phase: _Phase = _Phase.TEXT
    head: str = ""
    element: str = ""

    def ends_element(self) -> bool:
        """Whether a `>` here would end the element."""
        return self.phase in _UNQUOTED and self.head == f"/{self.element}"


_UNQUOTED: Final = frozenset(_Phase) - _QUOTED - _OUTSIDE
_TEXT: Final[tuple[_State, ...]] = (_State(),)
_LOST: Final = (_State(_Phase.LOST),)


class Markup:
    """Reads signs: single ones of `<>"'=`, and runs of others."""

    __slots__ = ("_outside", "_raw", "_states", "_tail")

    def __init__(self) -> None:
        self._states: tuple[_State, ...] = _TEXT
        self._raw: tuple[str, ...] = ()
        """The ends that are still to come of what outlasts blank lines."""
        self._outside: tuple[tuple[_State, ...], tuple[str, ...]] = (_TEXT, ())
        """Both as they were before the code of Markdown that we stand in."""
        self._tail = ""

    def is_open(self) -> bool:
        """Whether we may stand inside a tag or a code element."""
        return self._states is not _TEXT and any(
            state.element or state.phase not in _OUTSIDE for state in self._states
        )

    def read(self, sign: str) -> None:
        """A visible sign."""
        if self._raw:
            self._tail = (self._tail + sign)[-3:]
            if sign == ">":
                self._raw = tuple(end for end in self._raw if not self._tail.endswith(end))
        if self._states is _TEXT and sign != "<":
            return
        after: list[_State] = []
        for state in self._states:
            if sign == "<" and state.phase not in _OUTSIDE:
                # It may have been text all along.
                after.append(_State(_Phase.LESS, "", state.element))
            after.append(self._step(state, sign))
        if sign == ">":
            ended = {s.element for s in self._states if s.element and s.ends_element()}
            after = [s._replace(element="") if s.element in ended else s for s in after]
        self._set(after)

    def blank(self) -> None:
        """A blank, or the end of a line."""
        if self._raw:
            self._tail = ""
        if self._states is not _TEXT:
            self._set([_blanked(state) for state in self._states])

    def end_paragraph(self) -> None:
        """A blank line: for Markdown, what is no tag by now is none."""
        if self._states is not _TEXT and not self._raw:
            self._set(
                [
                    state if state.phase in _QUOTED else _State(element=state.element)
                    for state in self._states
                ]
            )

    def enter_code(self) -> None:
        """Code of Markdown begins."""
        self._outside = (self._states, self._raw)

    def leave_code(self, *, is_html: bool) -> None:
        """Code is full of `<`; only an attribute still open says that it was markup after all.

        Args:
            is_html: The paragraph may be HTML, where nothing of Markdown is code.
        """
        kept = [s for s in self._states if is_html or s.phase in _QUOTED]
        states, raw = self._outside
        self._set([*states, *kept])
        self._raw = tuple(dict.fromkeys((*raw, *self._raw))) if is_html else raw

    def _set(self, states: list[_State]) -> None:
        unique = tuple(dict.fromkeys(states))
        if unique == _TEXT:
            self._states = _TEXT
        else:
            self._states = unique if len(unique) <= _MAX_STATES else _LOST

    def _step(self, state: _State, sign: str) -> _State:
        phase = state.phase
        if phase in _OUTSIDE:
            if phase is _Phase.LESS and _opens(sign):
                return self._named(state, sign)
            return state._replace(phase=_Phase.LESS if sign == "<" else _Phase.TEXT)
        if phase in _QUOTED:
            is_end = _QUOTES.get(sign) is phase
            return state._replace(phase=_Phase.BETWEEN) if is_end else state
        if sign == ">":
            return _closed(state)
        if phase in (_Phase.NAME, _Phase.BOGUS):
            return self._named(state, sign)
        return state._replace(phase=_in_tag(phase, sign))

    def _named(self, state: _State, sign: str) -> _State:
        """In a tag's name, or at its first sign; a `/` inside of it ends it."""
        name, slash, rest = sign.partition("/")
        if not state.head and not name and slash:
            state = state._replace(head="/")
            name, slash, rest = rest.partition("/")
        if (state.head or name)[0] in "!?":
            return self._bogus(state, state.head + sign.lower())
        head = "<" if "<" in name else (state.head + name.lower())[:_HEAD_CHARS]
        if not slash:
            return state._replace(phase=_Phase.NAME, head=head)
        phase = _Phase.BETWEEN if sign.endswith("/") else _Phase.ATTRIBUTE
        return state._replace(phase=phase, head=head)

    def _bogus(self, state: _State, head: str) -> _State:
        """A comment, a declaration or an instruction, which for browsers ends at a `>`."""
        for begin, end in _RAW.items():
            if head.startswith(begin) and not state.head.startswith(begin):
                self._raw = tuple(dict.fromkeys((*self._raw, end)))
                self._tail = head[-3:]
        return state._replace(phase=_Phase.BOGUS, head=head[:_HEAD_CHARS])


def _opens(sign: str) -> bool:
    return sign[0] in "/!?" or (sign[0].isascii() and sign[0].isalpha())


def _blanked(state: _State) -> _State:
    match state.phase:
        case _Phase.LESS:
            return state._replace(phase=_Phase.TEXT)
        case _Phase.NAME | _Phase.UNQUOTED:
            return state._replace(phase=_Phase.BETWEEN)
        case _Phase.ATTRIBUTE:
            return state._replace(phase=_Phase.AFTER)
        case _:
            return state


def _in_tag(phase: _Phase, sign: str) -> _Phase:
    """After a visible sign that ends no tag, behind the tag's name."""
    if phase is _Phase.VALUE:
        return _QUOTES.get(sign, _Phase.UNQUOTED)
    if phase is _Phase.UNQUOTED:
        return phase
    if sign == "=" and phase is not _Phase.BETWEEN:
        return _Phase.VALUE
    # A `/` parts attributes, so that a `=` after one begins a name.
    return _Phase.BETWEEN if sign.endswith("/") else _Phase.ATTRIBUTE


def _closed(state: _State) -> _State:
    """Behind the `>` of a tag."""
    named = _TAG_NAME.match(state.head)
    name = named[0] if named else ""
    element = "" if state.ends_element() else state.element
    return _State(element=element or (name if name in _CODE_ELEMENTS else ""))
