"""Taking found values out of an answer, for good.

Values are replaced as in a request, wherever they recur; what a reader sees is `[ENTITY]`, and what
stood there is kept nowhere.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from transire.classify.placeholders import PlaceholderBook
from transire.classify.remedy import Aside, redact_body
from transire.domain.classification import Classification
from transire.domain.ids import DataClass
from transire.domain.request import Body, Part
from transire.domain.taxonomy import Taxonomy

__all__ = ["Judge", "redact_texts"]

Judge = Callable[[Sequence[Part]], Awaitable[Classification]]


async def redact_texts(
    parts: Sequence[Part],
    classification: Classification,
    classes: frozenset[DataClass],
    book: PlaceholderBook,
    *,
    taxonomy: Taxonomy,
    message_level: frozenset[str],
    judge: Judge,
    aside: Aside,
) -> tuple[tuple[str, ...], int]:
    """One text per part, without found values of these classes, and how many were replaced.

    Args:
        book: Empty, and of a namer that no request's placeholders come from.
    """

    def only(judged: Classification) -> Classification:
        chosen = tuple(f for f in judged.findings if f.data_class in classes)
        return replace(judged, findings=chosen)

    async def judged(body: Body) -> Classification:
        return only(await judge(body.parts))

    redacted = await redact_body(
        _as_body(parts),
        only(classification),
        book,
        taxonomy=taxonomy,
        message_level=message_level,
        judge=judged,
        aside=aside,
    )
    texts = [part.text for part in redacted.body.parts]
    for placeholder, original in book.originals.items():
        shown = f"[{original.entity}]"
        texts = [text.replace(placeholder, shown) for text in texts]
    return tuple(texts), redacted.count


def _as_body(parts: Sequence[Part]) -> Body:
    """The texts where a body's own would stand."""
    placed = tuple(replace(part, pointer=("texts", at)) for at, part in enumerate(parts))
    return Body(
        fields={"texts": [part.text for part in parts]},
        parts=placed,
        capabilities=frozenset(),
        needs=frozenset(),
        ignored=(),
        size_bytes=0,
        tokens_estimate=0,
    )
