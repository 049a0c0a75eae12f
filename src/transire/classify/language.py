"""Which language a text is in, among those the installation expects.

Below a length and a confidence floor nothing is claimed: the identifier calls "hello" Breton. A
conversation is judged by its last message; coverage is judged per long segment, because three
kilobytes of English around a Finnish paragraph do not make that paragraph English.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from functools import cache
from threading import Lock
from typing import Any, Final, NamedTuple

__all__ = ["PASSAGE_LEAST_CHARS", "Heard", "HeardCache", "LanguageJudge", "segments_of"]

_MIN_LETTERS: Final = 24
_SAMPLE_CHARS: Final = 100
"""Read of a message: right on 99 % of 150-character prompts at half the cost of reading all."""
PASSAGE_LEAST_CHARS: Final = 200
"""Shortest passage judged on its own."""
_PASSAGE_CHARS: Final = 400
_MAX_SEGMENTS: Final = 1_000
"""Passages judged in one request, about 0.2 s; past it every expected language counts as met."""
_MIN_CONFIDENCE: Final = 0.90
_MAX_HEARD: Final = 10_000
"""Long texts remembered: 3 MB at most."""


class Heard(NamedTuple):
    """What one text's long passages are in, and how many were judged."""

    languages: frozenset[str]
    passages: int


class LanguageJudge:
    """Judges among fixed languages.

    Args:
        languages: ISO 639-1 codes, at least one. The model is loaded here, once per process
            (half a second): at start-up, never in a request.
    """

    def __init__(self, languages: tuple[str, ...]) -> None:
        self._languages = languages
        self._identifier = _identifier(languages)

    def judge(self, text: str, chars: int = _SAMPLE_CHARS) -> str | None:
        """The language of the text's first `chars` characters, or None below the floors."""
        sample = text[:chars]
        if sum(map(str.isalpha, sample)) < _MIN_LETTERS:
            return None
        language, confidence = self._identifier.classify(sample)
        return str(language) if confidence >= _MIN_CONFIDENCE else None

    def spoken(self, texts: Sequence[str]) -> frozenset[str]:
        """Every language some long passage is confidently in."""
        return self.joined(map(self.heard, texts))

    def heard(self, text: str) -> Heard:
        """What the long passages of one text are in; 0.2 ms for each."""
        found: set[str] = set()
        judged = 0
        for segment in segments_of(text):
            judged += 1
            if judged > _MAX_SEGMENTS:
                break
            language = self.judge(segment, _PASSAGE_CHARS)
            if language is not None:
                found.add(language)
        return Heard(frozenset(found), judged)

    def joined(self, heard: Iterable[Heard]) -> frozenset[str]:
        """Of several texts; looks at no more of them than it must."""
        found: set[str] = set()
        judged = 0
        for languages, passages in heard:
            judged += passages
            if judged > _MAX_SEGMENTS:
                return frozenset(self._languages)
            found |= languages
        return frozenset(found)


class HeardCache:
    """What texts were in, least recently used out first; safe from several threads.

    Args:
        size: Texts remembered; a keyed digest and a set of codes each.
    """

    def __init__(self, size: int = _MAX_HEARD) -> None:
        self._size = size
        self._held: OrderedDict[bytes, Heard] = OrderedDict()
        self._lock = Lock()

    def of(self, key: bytes, hear: Callable[[], Heard]) -> Heard:
        """What is remembered under a key, or is heard now."""
        with self._lock:
            held = self._held.pop(key, None)
        made = hear() if held is None else held
        with self._lock:
            self._held[key] = made
            if len(self._held) > self._size:
                self._held.popitem(last=False)
        return made


def segments_of(text: str) -> Iterator[str]:
    """Passages of at least 200 characters that together are the text; none for a shorter text.

    Lines are kept whole where they can be; a line that is longer is cut, and a short rest belongs
    to the passage before it.
    """
    starts, at = [0], 0
    for line in text.splitlines(keepends=True):
        end = at + len(line)
        while end - starts[-1] >= 2 * PASSAGE_LEAST_CHARS:
            starts.append(starts[-1] + PASSAGE_LEAST_CHARS)
        if end - starts[-1] >= PASSAGE_LEAST_CHARS:
            starts.append(end)
        at = end
    if len(starts) > 1 and len(text) - starts[-1] < PASSAGE_LEAST_CHARS:
        starts.pop()
    ends = [*starts[1:], len(text)]
    for start, end in zip(starts, ends, strict=True):
        if end - start >= PASSAGE_LEAST_CHARS:
            yield text[start:end]


@cache
def _identifier(languages: tuple[str, ...]) -> Any:
    identifier = copy(_model())  # its tables are read alone, and shared
    identifier.set_languages(list(languages))
    return identifier


@cache
def _model() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
