"""Credentials: the shared prefix families, minus words that only look like them, plus Twilio."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import regex

from transire.classify.recognizer import Hit, Recognizer, pattern_recognizer
from transire.classify.secret import secret_recognizers

__all__ = ["credential_recognizers"]

_LOOKALIKES: Final = {
    # Lower-case words with dashes: a style class such as `sk-fading-circle`, not a random token.
    "SECRET": regex.compile(r"[a-z]{2,3}[-_][a-z]+(?:[-_][a-z]+)*"),
    # A private name, as in the annotation `api_key: _ApiKeyType | None`.
    "PASSWORD": regex.compile(r"_[A-Za-z_]+"),
}


def credential_recognizers() -> list[Recognizer]:
    """Every recognizer of class CREDENTIAL."""
    return [*map(_without_lookalikes, secret_recognizers()), _twilio()]


def _without_lookalikes(recognizer: Recognizer) -> Recognizer:
    lookalike = _LOOKALIKES.get(recognizer.entity)
    if lookalike is None:
        return recognizer

    def find(text: str, seconds: float) -> Iterator[Hit]:
        for hit in recognizer.find(text, seconds):
            if not lookalike.fullmatch(text, hit.start, hit.end):
                yield hit

    return replace(recognizer, find=find)


def _twilio() -> Recognizer:
    # Account ids `AC…` are no secret; API key ids `SK…` and tokens are hexadecimal, so the key id
    # is told from a hash by its prefix alone, and a bare token only by the word beside it.
    return pattern_recognizer(
        "SECRET",
        lambda traits: "twilio" in traits.lower or "SK" in traits.text,
        [
            (r"(?<![A-Za-z0-9_])SK[0-9a-f]{32}(?![A-Za-z0-9])", 80),
            (r"(?i)\btwilio\w{0,12}[^\n]{0,16}?[:= ]['\"]?(?P<v>[0-9a-f]{32})\b", 80),
        ],
    )
