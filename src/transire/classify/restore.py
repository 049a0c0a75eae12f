"""Putting values back where placeholders stand in an answer. Pure; one object per answer.

Only what this request itself replaced is known here, so a placeholder that somebody made up, or
that another conversation taught, is a word like any other. A known one becomes its value in prose
alone (`prose`), JSON-escaped where the text is JSON, and in a tool's arguments only where policy
says so. What is put back is counted by class; values are kept nowhere else.
"""

import json
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from transire.classify.addresses import BLANKS, is_address
from transire.classify.prose import Prose
from transire.classify.redact import is_json
from transire.domain.answer import AnswerChoice, Chunk, ChunkChoice, Completion, ToolCall
from transire.domain.ids import DataClass
from transire.domain.request import JsonValue

__all__ = ["AnswerRestorer", "Original", "TextRestorer"]

_CANDIDATE: Final = re.compile(r"<[A-Za-z0-9_]*>?")
_FOLLOWING: Final = re.compile(rf"[^{BLANKS}]{{0,64}}")
"""What may make a placeholder a host's label, of at most 63 characters (RFC 1035 §2.3.4)."""
_LABEL_CHARS: Final = 64
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
"""A string of a valid JSON document (RFC 8259 §7)."""
_TEXTS: Final = ("content", "refusal")


@dataclass(frozen=True, slots=True)
class Original:
    """What a placeholder stands for, in memory and for one request."""

    value: str = field(repr=False)
    entity: str
    data_class: DataClass


@dataclass(slots=True)
class _Tally:
    """Counts, no values."""

    restored: Counter[DataClass] = field(default_factory=Counter)
    kept: int = 0


class TextRestorer:
    """One text that may come in pieces; what could be the beginning of a placeholder waits.

    Args:
        known: Placeholder → what it stands for.
        note: Told of each known placeholder, and whether its value was put back.
    """

    def __init__(
        self, known: Mapping[str, Original], note: Callable[[Original, bool], None]
    ) -> None:
        self._known = known
        self._sorted = sorted(known)
        self._note = note
        self._prose = Prose()
        self._held = ""

    def feed(self, piece: str) -> str:
        """As much of the restored text as is certain."""
        return self._read(piece, is_end=False)

    def close(self) -> str:
        """The rest: nothing follows."""
        return self._read("", is_end=True)

    def _read(self, piece: str, *, is_end: bool) -> str:
        text, at, out = self._held + piece, 0, list[str]()
        while at < len(text):
            start = text.find("<", at)
            plain = text[at:] if start < 0 else text[at:start]
            self._prose.read(plain)
            out.append(plain)
            at += len(plain)
            if start < 0:
                break
            candidate = _CANDIDATE.match(text, at)
            assert candidate is not None  # it begins with `<`
            name, end = candidate[0], candidate.end()
            if end == len(text) and not is_end and self._may_become(name):
                break
            original = self._known.get(name)
            if original is None:
                self._prose.read("<")
                out.append("<")
                at += 1
                continue
            is_free = self._is_free(text, end, is_end=is_end)
            if is_free is None:
                break
            self._note(original, is_free)
            self._prose.read_placeholder()
            out.append(original.value if is_free else name)
            at = end
        self._held = text[at:]
        return "".join(out)

    def _may_become(self, beginning: str) -> bool:
        """Whether more could make a known placeholder of this, or tell a tag from a `<`."""
        if beginning == "<":
            return True
        at = bisect_left(self._sorted, beginning)
        return (
            at < len(self._sorted)
            and self._sorted[at].startswith(beginning)
            and self._sorted[at] != beginning
        )

    def _is_free(self, text: str, end: int, *, is_end: bool) -> bool | None:
        """Whether a value may stand here; None where what follows must be seen first."""
        if not self._prose.is_prose():
            return False
        found = _FOLLOWING.match(text, end)
        following = "" if found is None else found[0]
        is_cut = not is_end and end + len(following) == len(text)
        words = _CANDIDATE.sub(lambda m: "x" if m[0] in self._known else m[0], following)
        if is_address(f"{self._prose.run}x{words}"):
            return False
        return None if is_cut and len(following) < _LABEL_CHARS else True


class AnswerRestorer:
    """Implements `domain.restoring.Restorer`.

    Args:
        known: Placeholder → what it stands for.
        arguments: Policy lets values into the arguments of tool calls.
        is_json: The whole content of the answer is one JSON document.
    """

    def __init__(self, known: Mapping[str, Original], *, arguments: bool, is_json: bool) -> None:
        self._known = known
        self._arguments = arguments
        self._is_json = is_json
        self._tally = _Tally()
        self._open: dict[tuple[int, str], TextRestorer] = {}

    def whole(self, answer: Completion) -> Completion:
        """See `domain.restoring.Restorer`."""
        return replace(answer, choices=tuple(map(self._choice, answer.choices)))

    def chunk(self, chunk: Chunk) -> Chunk:
        """See `domain.restoring.Restorer`."""
        return replace(chunk, choices=tuple(map(self._delta, chunk.choices)))

    def rest(self) -> Sequence[Chunk]:
        """See `domain.restoring.Restorer`."""
        indexes = sorted({index for index, _ in self._open})
        ends = [self._end(ChunkChoice(index=index)) for index in indexes]
        return [Chunk(choices=(end,)) for end in ends if end.content or end.refusal or end.extras]

    def call(self, call: ToolCall) -> ToolCall:
        """See `domain.restoring.Restorer`."""
        if not self._arguments:
            for found in _CANDIDATE.finditer(call.arguments):
                self._tally.kept += found[0] in self._known
            return call
        is_json = call.kind == "function"
        return replace(call, arguments=self._text(call.arguments, is_json=is_json))

    def facts(self) -> Mapping[str, JsonValue]:
        """See `domain.restoring.Restorer`."""
        tally = self._tally
        facts: dict[str, JsonValue] = {}
        if tally.restored:
            counts = sorted(tally.restored.items())
            facts["restored"] = [{"class": name, "count": count} for name, count in counts]
        if tally.kept:
            facts["placeholders_kept"] = tally.kept
        return facts

    def _choice(self, choice: AnswerChoice) -> AnswerChoice:
        content = choice.content
        return replace(
            choice,
            content=None if content is None else self._text(content, is_json=self._is_json),
            refusal=None if choice.refusal is None else self._text(choice.refusal),
            extras={
                name: self._text(value) if isinstance(value, str) else value
                for name, value in choice.extras.items()
            },
            tool_calls=tuple(map(self.call, choice.tool_calls)),
        )

    def _text(self, text: str, *, is_json: bool = False) -> str:
        if "<" not in text and not (is_json and "\\u003" in text):
            return text
        if is_json:
            return self._document(text)
        restorer = TextRestorer(self._known, self._note)
        return restorer.feed(text) + restorer.close()

    def _document(self, text: str) -> str:
        """A JSON document, each of its strings a text of its own; what is no JSON stays."""
        return _STRING.sub(self._literal, text) if is_json(text) else text

    def _literal(self, literal: re.Match[str]) -> str:
        value = json.loads(literal[0])
        restored = self._text(value)
        return literal[0] if restored == value else json.dumps(restored, ensure_ascii=False)

    def _delta(self, choice: ChunkChoice) -> ChunkChoice:
        fed = replace(
            choice,
            content=self._fed(choice, "content", choice.content),
            refusal=self._fed(choice, "refusal", choice.refusal),
            extras={
                name: self._fed(choice, name, value) if isinstance(value, str) else value
                for name, value in choice.extras.items()
            },
        )
        return fed if choice.finish_reason is None else self._end(fed)

    def _fed(self, choice: ChunkChoice, name: str, piece: str | None) -> str | None:
        if piece is None:
            return None
        key = (choice.index, name)
        if key not in self._open:
            self._open[key] = TextRestorer(self._known, self._note)
        return self._open[key].feed(piece)

    def _end(self, choice: ChunkChoice) -> ChunkChoice:
        """The choice's last delta, with everything that waited."""
        tails = {
            name: tail
            for index, name in list(self._open)
            if index == choice.index and (tail := self._open.pop((index, name)).close())
        }
        extras = {n: f"{choice.extras.get(n, '')}{t}" for n, t in tails.items() if n not in _TEXTS}
        return replace(
            choice,
            content=_joined(choice.content, tails.get("content")),
            refusal=_joined(choice.refusal, tails.get("refusal")),
            extras={**choice.extras, **extras},
        )

    def _note(self, original: Original, is_restored: bool) -> None:
        if is_restored:
            self._tally.restored[original.data_class] += 1
        else:
            self._tally.kept += 1


def _joined(text: str | None, tail: str | None) -> str | None:
    return text if tail is None else f"{text or ''}{tail}"
