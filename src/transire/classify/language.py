"""Which language a text is in, among those the installation expects.

Below a length and a confidence floor nothing is claimed: the identifier calls "hello" Breton. A
conversation is judged by its last message; coverage is judged per long segment, because three
kilobytes of English around a Finnish paragraph do not make that paragraph English.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

__all__ = ["LanguageJudge", "segments_of"]

_MIN_LETTERS: Final = 24
_SAMPLE_CHARS: Final = 100
"""Read of a message: right on 99 % of 150-character prompts at half the cost of reading all."""
_SEGMENT_CHARS: Final = 200
"""Shortest passage judged on its own."""
_PASSAGE_CHARS: Final = 400
_MAX_SEGMENTS: Final = 1_000
"""Passages judged in one request, about 0.2 s; past it every expected language counts as met."""
_MIN_CONFIDENCE: Final = 0.90


class LanguageJudge:
    """Judges among fixed languages.

    Args:
        languages: ISO 639-1 codes, at least one. The model is loaded here, once per process and
            set of languages (two seconds): at start-up, never in a request.
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
        found: set[str] = set()
        judged = 0
        for text in texts:
            for segment in segments_of(text):
                judged += 1
                if judged > _MAX_SEGMENTS:
                    return frozenset(self._languages)
                language = self.judge(segment, _PASSAGE_CHARS)
                if language is not None:
                    found.add(language)
        return frozenset(found)


def segments_of(text: str) -> Iterator[str]:
    """Passages of at least 200 characters that together are the text; none for a shorter text.

    Lines are kept whole where they can be; a line that is longer is cut, and a short rest belongs
    to the passage before it.
    """
    starts, at = [0], 0
    for line in text.splitlines(keepends=True):
        end = at + len(line)
        while end - starts[-1] >= 2 * _SEGMENT_CHARS:
            starts.append(starts[-1] + _SEGMENT_CHARS)
        if end - starts[-1] >= _SEGMENT_CHARS:
            starts.append(end)
        at = end
    if len(starts) > 1 and len(text) - starts[-1] < _SEGMENT_CHARS:
        starts.pop()
    ends = [*starts[1:], len(text)]
    for start, end in zip(starts, ends, strict=True):
        if end - start >= _SEGMENT_CHARS:
            yield text[start:end]


@cache
def _identifier(languages: tuple[str, ...]) -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(languages))
    return identifier
