"""From likelihoods of pieces to spans of names in the text. Pure.

A word is a name where its likeliest kind reaches the threshold; words of one kind with nothing but
a blank, an apostrophe or a hyphen between them are one name, and so are those with a full stop that
closes an initial or a title and not a sentence. Handles (`@name`) are no
names, nor is the jargon of the trade; a name of several words found once is one wherever it recurs.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias

import numpy as np
import regex

from transire.classify.names.jargon import is_jargon
from transire.classify.names.wordpiece import Piece
from transire.classify.recognizer import MODEL, Hit
from transire.classify.scan import MAX_HITS

__all__ = ["PERSON", "is_excused", "names_in"]

PERSON: Final = "PERSON"
_PERSON_AT: Final = 0
"""Column of PERSON among the kinds."""
_LEAST: Final = 0.15
"""Likelihood from which a word with a capital counts in a text that has small letters too."""
_THRESHOLD_PCT: Final = 20
"""From so many percent any other word counts: the lowest at which seven of ten findings in noisy
web text are right (docs/reference/names.md). The taxonomy's `min_score_pct` may ask for more."""
_SMALL_PCT: Final = 50
"""In a text with capitals a name without any needs so much: four of five below it are wrong. The
models cannot see letters' case, and take words of languages they hardly know for names."""
_CASED: Final = regex.compile(r"\p{Lu}\p{Ll}")
_SPELLED: Final = re.compile(r"\w+")
_JOINS: Final = re.compile(r"[ \t'’-]{1,2}|\.")
_JOINS_SHORTENED: Final = re.compile(r"\.[ \t]|\.-")
_SHORTENED: Final = frozenset(
    {"dr", "mr", "mrs", "ms", "st", "jr", "sr", "prof", "rev", "hr", "fr", "wm", "chr", "jos"}
)
"""Words, besides single letters, whose full stop ends no sentence; in lower case."""
_OFFICES: Final = frozenset(
    {"president", "vice", "prime", "minister", "senator", "governor", "chancellor", "secretary"}
    | {"ambassador", "congressman", "congresswoman", "sheriff", "majesty", "highness", "royal"}
    | {"queen", "princess", "lord", "lady", "sir", "madam", "ceo", "professor", "doctor", "god"}
    | {"allah", "mom", "mum", "dad", "mommy", "daddy", "grandma", "grandpa", "uncle", "aunt"}
    | {"the", "a", "mr", "mrs", "ms", "my", "your", "his", "her", "our", "their"}
)
"""Words that name nobody by themselves, however many stand together. Offices that are surnames too
(King, Pope, Judge, Dean) are not among them."""
_MAX_RECURRING: Final = 200
"""Distinct names looked for again in one text."""
_MAX_WORDS: Final = 8
"""Words, signs included, of a name that is looked for again."""
_SHORTEST_RECURRING: Final = 4

_Words: TypeAlias = list[tuple[int, int]]


def names_in(text: str, pieces: Sequence[Piece], likely: Any) -> list[Hit]:
    """Every name of a person, sorted by start. Linear in the text.

    Args:
        likely: `[pieces, kinds]`, PERSON first.

    Raises:
        OverflowError: more than `MAX_HITS` names.
    """
    is_cased = _CASED.search(text) is not None
    words, scores = _words(pieces, likely)
    scores = [_counting(text, *both, is_cased=is_cased) for both in zip(words, scores, strict=True)]
    found = (
        hit
        for hit in _joined(text, words, scores)
        if not is_excused(text, hit) and not (is_cased and _is_small(text, hit))
    )
    kept = list(islice(found, MAX_HITS + 1))
    again = (hit for hit in _recurring(text, words, kept) if not is_excused(text, hit))
    kept += islice(again, MAX_HITS + 1)
    if len(kept) > MAX_HITS:
        raise OverflowError
    return sorted(kept, key=lambda hit: (hit.start, hit.end))


def _counting(text: str, word: tuple[int, int], score: int, *, is_cased: bool) -> int:
    """A word's score, or 0 where it is too low for a word in such letters."""
    if score >= _THRESHOLD_PCT or not score:
        return score
    return score if is_cased and any(map(str.isupper, text[slice(*word)])) else 0


def _is_small(text: str, hit: Hit) -> bool:
    return hit.score_pct < _SMALL_PCT and not any(map(str.isupper, text[hit.start : hit.end]))


def _words(pieces: Sequence[Piece], likely: Any) -> tuple[_Words, list[int]]:
    """Every word's range, and its score as a person: 0 for one that is none.

    A word is judged by all its pieces.
    """
    starts = [i for i, piece in enumerate(pieces) if piece.starts_word]
    ends = [*starts[1:], len(pieces)]
    words = [(pieces[a].start, pieces[b - 1].end) for a, b in zip(starts, ends, strict=True)]
    lengths = np.diff([*starts, len(pieces)])
    kinds = np.add.reduceat(likely, starts, axis=0) / lengths[:, None]
    person = kinds[:, _PERSON_AT]
    is_person = (person >= _LEAST) & (person >= kinds.max(axis=1))
    return words, np.where(is_person, np.rint(person * 100), 0).astype(int).tolist()


def _joined(text: str, words: _Words, scores: Sequence[int]) -> Iterator[Hit]:
    open_start, last_start, open_end, joined = -1, -1, -1, list[int]()
    for (start, end), score in zip(words, scores, strict=True):
        # A sign that the model counts to a name is what stands between two of its words.
        if not score or not any(map(str.isalnum, text[start:end])):
            continue
        if joined and _is_one_name(text, last_start, open_end, start):
            last_start, open_end = start, end
            joined.append(score)
            continue
        if joined:
            yield _hit(open_start, open_end, joined)
        open_start, last_start, open_end, joined = start, start, end, [score]
    if joined:
        yield _hit(open_start, open_end, joined)


def _is_one_name(text: str, last_start: int, last_end: int, start: int) -> bool:
    """Whether the word from `start` goes on a name whose last word is given: `lilies. Swift` is two
    sentences, `J. Swift` and `Dr. Swift` are one name.
    """
    if _JOINS.fullmatch(text, last_end, start):
        return True
    last = text[last_start:last_end].lower()
    is_shortened = len(last) == 1 or last in _SHORTENED
    return is_shortened and _JOINS_SHORTENED.fullmatch(text, last_end, start) is not None


def _hit(start: int, end: int, scores: Sequence[int]) -> Hit:
    return Hit(start, end, PERSON, sum(scores) // len(scores), by=MODEL)


def is_excused(text: str, hit: Hit) -> bool:
    """Whether what looks like a name is a handle, a part of an address, jargon or a mere office."""
    spelled = text[hit.start : hit.end]
    around = text[hit.start - 1 : hit.start], text[hit.end : hit.end + 1]
    # `@name` is a handle; between slashes or underscores it is a piece of an address or identifier.
    is_handle = around[0] in ("@", "_", "/") or around[1] in ("_", "/")
    has_letters = sum(map(str.isalpha, spelled)) >= 2
    if is_handle or not has_letters or is_jargon(text, hit.start, hit.end):
        return True
    return _OFFICES.issuperset(_SPELLED.findall(spelled.lower()))


def _recurring(text: str, words: _Words, hits: Sequence[Hit]) -> Iterator[Hit]:
    """Names of several words, and their last ones, wherever else they stand, in any case.

    Words are looked up, not searched for: a search for two hundred names at once would hold the
    interpreter, and with it every other request, for as long as the text is.
    """
    spelled = [text[start:end].lower() for start, end in words]
    known = _to_find_again(words, spelled, hits)
    if not known:
        return
    lengths = sorted({len(name) for name in known}, reverse=True)
    first = {name[0] for name in known}
    following, position = iter([*hits, None]), 0
    taken = next(following)
    while position < len(words):
        start = words[position][0]
        while taken is not None and taken.end <= start:
            taken = next(following)
        step = 1
        for length in lengths if spelled[position] in first else ():
            score = known.get(tuple(spelled[position : position + length]))
            end = words[min(position + length, len(words)) - 1][1]
            if score is not None and (taken is None or end <= taken.start):
                yield Hit(start, end, PERSON, score, by=MODEL)
                step = length
                break
        position += step


def _to_find_again(
    words: _Words, spelled: Sequence[str], hits: Sequence[Hit]
) -> dict[tuple[str, ...], int]:
    """Spelled words → score, of whole names and of what stands after their last blank."""
    starts = [start for start, _ in words]
    known: dict[tuple[str, ...], int] = {}
    for hit in hits:
        begin, end = bisect_left(starts, hit.start), bisect_left(starts, hit.end)
        blanks = [i for i in range(begin + 1, end) if words[i - 1][1] < words[i][0]]
        for low in (begin, blanks[-1]) if blanks else ():
            name = tuple(spelled[low:end])
            if len(name) <= _MAX_WORDS and sum(map(len, name)) >= _SHORTEST_RECURRING:
                known[name] = max(known.get(name, 0), hit.score_pct)
        if len(known) >= _MAX_RECURRING:
            break
    return known
