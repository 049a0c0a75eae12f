"""Which language a conversation is in, among those the installation expects.

Below a length and a confidence floor nothing is claimed: the identifier calls "hello" Breton.
"""

from functools import cache
from typing import Any, Final

__all__ = ["LanguageJudge"]

_MIN_LETTERS: Final = 24
_SAMPLE_CHARS: Final = 1_000
_MIN_CONFIDENCE: Final = 0.90


class LanguageJudge:
    """Judges among fixed languages.

    Args:
        languages: ISO 639-1 codes.
    """

    def __init__(self, languages: tuple[str, ...]) -> None:
        self._identifier = _identifier(languages)

    def judge(self, text: str) -> str | None:
        """The language, or None below the floors."""
        sample = text[:_SAMPLE_CHARS]
        if sum(map(str.isalpha, sample)) < _MIN_LETTERS:
            return None
        language, confidence = self._identifier.classify(sample)
        return str(language) if confidence >= _MIN_CONFIDENCE else None


@cache
def _identifier(languages: tuple[str, ...]) -> Any:
    """Loads the model once per set of languages (two seconds: at start-up, never in a request)."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(languages))
    return identifier
