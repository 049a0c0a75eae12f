"""From likelihoods of pieces to spans of names in the text. Pure.

A word is a name where its likeliest kind reaches the threshold; words of one kind with nothing but
a blank, a full stop, an apostrophe or a hyphen between them are one name. Handles (`@name`) are no
names, nor is the jargon of the trade; a name of several words found once is one wherever it recurs.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from transire.classify.names.wordpiece import Piece
from transire.classify.recognizer import Hit

__all__ = ["PERSON", "names_in"]

PERSON: Final = "PERSON"
_PERSON_AT: Final = 0
"""Column of PERSON among the kinds."""
_THRESHOLD: Final = 0.2
"""Likelihood from which a word counts: the lowest at which seven of ten findings in noisy web text
are right (docs/reference/names.md). The taxonomy's `min_score_pct` may ask for more."""
_JOINS: Final = re.compile(r"[ \t.'’-]{1,2}")
_JARGON: Final = frozenset(
    {"s3", "ec2", "eks", "c4", "rds", "iam", "kafka", "redis", "docker", "jenkins", "terraform"}
    | {"kubernetes", "ansible", "grafana", "airflow", "django", "flask", "pandas", "swift"}
    | {"cassandra", "maven", "hadoop", "spark", "julia", "ruby", "perl", "ada", "haskell"}
    | {"cedar", "presidio", "claude", "gemini", "siri", "alexa", "jira", "bert"}
)
"""Products and tools with people's names, or that look like some; in lower case."""
_MAX_RECURRING: Final = 200
"""Distinct names looked for again in one text."""
_SHORTEST_RECURRING: Final = 4


def names_in(text: str, pieces: Sequence[Piece], likely: Any) -> list[Hit]:
    """Every name of a person, sorted by start.

    Args:
        likely: `[pieces, kinds]`, PERSON first.
    """
    found = list(_joined(text, _words(pieces, likely)))
    kept = [hit for hit in found if not _is_excused(text, hit)]
    return sorted({*kept, *_recurring(text, kept)}, key=lambda hit: (hit.start, hit.end))


def _words(pieces: Sequence[Piece], likely: Any) -> Iterator[tuple[int, int, int]]:
    """(start, end, score) of each word that is a person; a word is judged by all its pieces."""
    for begin, end in _word_ranges(pieces):
        kinds = likely[begin:end].mean(axis=0)
        score = float(kinds[_PERSON_AT])
        if score >= _THRESHOLD and score >= float(kinds.max()):
            yield pieces[begin].start, pieces[end - 1].end, round(score * 100)


def _word_ranges(pieces: Sequence[Piece]) -> Iterator[tuple[int, int]]:
    starts = [i for i, piece in enumerate(pieces) if piece.starts_word]
    yield from zip(starts, [*starts[1:], len(pieces)], strict=True)


def _joined(text: str, words: Iterable[tuple[int, int, int]]) -> Iterator[Hit]:
    open_start, open_end, scores = -1, -1, list[int]()
    for start, end, score in words:
        if scores and _JOINS.fullmatch(text[open_end:start]):
            open_end = end
            scores.append(score)
            continue
        if scores:
            yield _hit(open_start, open_end, scores)
        open_start, open_end, scores = start, end, [score]
    if scores:
        yield _hit(open_start, open_end, scores)


def _hit(start: int, end: int, scores: Sequence[int]) -> Hit:
    return Hit(start, end, PERSON, sum(scores) // len(scores))


def _is_excused(text: str, hit: Hit) -> bool:
    spelled = text[hit.start : hit.end]
    around = text[hit.start - 1 : hit.start], text[hit.end : hit.end + 1]
    # `@name` is a handle; between slashes or underscores it is a piece of an address or identifier.
    is_handle = around[0] in ("@", "_", "/") or around[1] in ("_", "/")
    has_letters = sum(map(str.isalpha, spelled)) >= 2
    return is_handle or not has_letters or spelled.lower() in _JARGON


def _recurring(text: str, hits: Sequence[Hit]) -> Iterator[Hit]:
    """The same names, and their last words, wherever else they stand, in any case."""
    scores: dict[str, int] = {}
    for hit in hits:
        words = text[hit.start : hit.end].lower().split()
        for name in (" ".join(words), words[-1]) if len(words) > 1 else ():
            if len(name) >= _SHORTEST_RECURRING:
                scores[name] = max(scores.get(name, 0), hit.score_pct)
    if not scores:
        return
    names = sorted(scores, key=len, reverse=True)[:_MAX_RECURRING]
    either = "|".join(re.escape(name).replace(r"\ ", r"\s+") for name in names)
    taken = [(hit.start, hit.end) for hit in hits]
    for match in re.finditer(rf"(?<!\w)(?:{either})(?!\w)", text, re.IGNORECASE):
        start, end = match.span()
        if not any(a < end and start < b for a, b in taken):
            name = " ".join(match.group().lower().split())
            yield Hit(start, end, PERSON, scores.get(name, 0))
