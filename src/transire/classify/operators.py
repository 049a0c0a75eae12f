"""Operators' recognizers as the scan loop sees them; compiled once per pack and process."""

from collections.abc import Iterator
from functools import lru_cache

from transire.bundle.recognizers.matchers import Matcher, matchers
from transire.classify.language import LanguageJudge
from transire.classify.recognizer import Hit, Recognizer
from transire.domain.pack import Pack

__all__ = ["operator_recognizers"]


def operator_recognizers(pack: Pack) -> tuple[Recognizer, ...]:
    """The recognizers of a pack, in the order of its file."""
    return _wrapped(_Named(pack))


class _Named:
    """A pack by its digest and languages: hashing 50,000 terms for each scan would cost more."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self._key = (pack.digest, pack.languages)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Named) and self._key == other._key


@lru_cache(maxsize=4)
def _wrapped(named: _Named) -> tuple[Recognizer, ...]:
    pack = named.pack
    made = matchers(pack)
    # Loaded here, at start-up or with a new bundle, and never within a scan's time.
    judge = LanguageJudge(pack.languages) if any(m.languages for m in made) else None
    return tuple(_recognizer(matcher, judge) for matcher in made)


def _recognizer(matcher: Matcher, judge: LanguageJudge | None) -> Recognizer:
    def hit(start: int, end: int, score: int) -> Hit:
        return Hit(start, end, matcher.entity, score, by=matcher.name)

    def find(text: str, seconds: float) -> Iterator[Hit]:
        found = matcher.find(text, seconds)
        if judge is None or not matcher.languages:
            yield from (hit(*one) for one in found)
            return
        first = next(found, None)
        if first is None:
            return
        # Judged only where something was found; a short or doubtful text counts as any language.
        spoken = judge.spoken([text])
        if spoken and spoken.isdisjoint(matcher.languages):
            return
        for start, end, score in (first, *found):
            yield hit(start, end, score)

    return Recognizer(matcher.entity, lambda traits: matcher.gate(traits.text), find)
