"""Redaction of a whole body: found values out, wherever they stand, and what was left judged again.

Rounds, because a placeholder beside a number can make that number a finding. What cannot be taken
out (a tool's definition, a schema) keeps its class: policy then judges the redacted form as it
judges the raw one.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

from transire.classify.normalize import rebuild_with
from transire.classify.placeholders import PlaceholderBook
from transire.classify.recurrences import Recurrences
from transire.classify.redact import is_json, replacements
from transire.domain.classification import Classification
from transire.domain.ids import DataClass
from transire.domain.request import Body, Part, PartKind, Pointer, RoutingRequest
from transire.domain.taxonomy import Taxonomy

__all__ = ["Aside", "Redacted", "conversation_of", "redact_body"]

T = TypeVar("T")

_ROUNDS: Final = 6
"""Numbers glued together come to light one a round; what six rounds leave stays found."""
_CHARS_PER_PIECE: Final = 50
"""So much text is looked through again in the time that one hit takes to be replaced."""


class Aside(Protocol):
    """Runs work of some size (hits and pieces of text) where it holds up nobody else."""

    async def __call__(self, size: int, work: Callable[[], T]) -> T:
        """What the work returns."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """A body without what was found in it.

    Attributes:
        judged: Of this body.
        kept: Classes of values that still stand in it, where nothing can be replaced.
        count: Spans replaced, recurrences included; none means that nothing could be.
    """

    body: Body
    judged: Classification
    kept: frozenset[DataClass]
    count: int


async def redact_body(
    body: Body,
    judged: Classification,
    book: PlaceholderBook,
    *,
    taxonomy: Taxonomy,
    message_level: frozenset[str],
    judge: Callable[[Body], Awaitable[Classification]],
    aside: Aside,
) -> Redacted:
    """Replace and judge again, until nothing more is replaced.

    Args:
        judged: Of the raw body.
        book: Takes up every value that is replaced.
        message_level: Entities that speak of the whole message; never replaced.
        judge: Classifies a body like the raw one.
    """
    count = 0
    size = sum(len(part.text) for part in body.parts) // _CHARS_PER_PIECE
    for _ in range(_ROUNDS):
        rewrite = partial(_rewritten, body, judged, book, taxonomy, message_level)
        rewritten = await aside(len(judged.findings) + size, rewrite)
        if rewritten is None:
            break
        body, replaced = rewritten
        count += replaced
        judged = await judge(body)
    kept = await aside(size, partial(_kept, body.parts, book, taxonomy))
    return Redacted(body, judged, kept, count)


def _rewritten(
    body: Body,
    judged: Classification,
    book: PlaceholderBook,
    taxonomy: Taxonomy,
    message_level: frozenset[str],
) -> tuple[Body, int] | None:
    """One round: what was found, then wherever it recurs; None where nothing was replaced."""
    texts, found = replacements(body.parts, judged.findings, book.name, message_level)
    if not found:
        return None
    body = rebuild_with(body, texts)
    texts, again = _recurring(body.parts, book, taxonomy)
    return (rebuild_with(body, texts) if again else body), found + again


def conversation_of(request: RoutingRequest) -> str:
    """What names the conversation: the caller's session, or how the conversation began.

    A caller sends all of it with every turn; up to the first words of its user it stays the same.
    """
    session = request.assertions.session_id
    if session is not None:
        return f"session {session}"
    opening = list[str]()
    first = None
    for part in request.body.parts:
        if part.pointer[:1] != ("messages",) or first not in (None, part.pointer[:2]):
            continue
        if part.role == "user":
            first = part.pointer[:2]
        opening.append(f"{part.role} {len(part.text)} {part.text}")
    return "opening " + "".join(opening)


def _recurring(
    parts: tuple[Part, ...], book: PlaceholderBook, taxonomy: Taxonomy
) -> tuple[dict[Pointer, str], int]:
    """New texts of parts in which a value of the book stands once more, and how many did."""
    finder, entities = _finder(book, taxonomy), _entities(book)

    def name(value: str, spelled: str) -> str:
        return book.name(entities[value], spelled)

    texts, count = dict[Pointer, str](), 0
    for part in parts:
        if not part.is_redactable:
            continue
        if part.kind is PartKind.JSON and is_json(part.text):
            text, found = finder.replaced_in_json(part.text, name)
        elif part.kind is PartKind.NAME:
            text, found = finder.replaced(part.text, lambda v, s: name(v, s).strip("<>"))
        else:
            text, found = finder.replaced(part.text, name)
        if found:
            texts[part.pointer] = text
            count += found
    return texts, count


def _kept(
    parts: tuple[Part, ...], book: PlaceholderBook, taxonomy: Taxonomy
) -> frozenset[DataClass]:
    fixed = [p.text for p in parts if p.kind is PartKind.SCHEMA and not p.is_redactable]
    if not fixed or not book.originals:
        return frozenset()
    finder, entities = _finder(book, taxonomy), _entities(book)
    values = {value for text in fixed for value in finder.found_in_json(text)}
    return frozenset(taxonomy.entities[entities[value]].data_class for value in values)


def _finder(book: PlaceholderBook, taxonomy: Taxonomy) -> Recurrences:
    originals = book.originals.values()
    return Recurrences(
        {o.value: o.data_class not in taxonomy.case_matters for o in originals}.items(),
        book.originals,
    )


def _entities(book: PlaceholderBook) -> dict[str, str]:
    return {original.value: original.entity for original in book.originals.values()}
