"""Credentials: the prefix families, old and new, without lookalikes; AWS and Twilio key ids."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import regex

from transire.classify.gate import Gate
from transire.classify.recognizer import Hit, Recognizer, pattern_recognizer
from transire.classify.recognizers.families import family_recognizers
from transire.classify.secret import secret_recognizers

__all__ = ["credential_recognizers"]

_LOOKALIKES: Final = {
    # Lower-case words with dashes: a style class such as `sk-fading-circle`, not a random token.
    "SECRET": regex.compile(r"[a-z]{2,3}[-_][a-z]+(?:[-_][a-z]+)*"),
    # A private name, as in the annotation `api_key: _ApiKeyType | None`.
    "PASSWORD": regex.compile(r"_[A-Za-z_]+"),
}


_KEY_VARIETY: Final = 6
"""Distinct characters below which a key is an example, such as `ASIAXXXXXXXXXXXXXXXX`."""


def credential_recognizers() -> list[Recognizer]:
    """Every recognizer of class CREDENTIAL."""
    shared = map(_without_lookalikes, secret_recognizers())
    return [*shared, _aws(), _twilio(), *family_recognizers()]


def _without_lookalikes(recognizer: Recognizer) -> Recognizer:
    lookalike = _LOOKALIKES.get(recognizer.entity)
    if lookalike is None:
        return recognizer

    def find(text: str, seconds: float) -> Iterator[Hit]:
        for hit in recognizer.find(text, seconds):
            if not lookalike.fullmatch(text, hit.start, hit.end):
                yield hit

    return replace(recognizer, find=find)


def _aws() -> Recognizer:
    # The shared family is gated on `AKIA`, so the other kinds of key id never reach its pattern.
    kinds = ("ASIA", "ABIA", "ACCA")
    return pattern_recognizer(
        "SECRET",
        Gate(longest=20, check=lambda t: any(kind in t.text for kind in kinds)),
        [(rf"(?<![A-Za-z0-9_])(?:{'|'.join(kinds)})[A-Z2-7]{{16}}(?![A-Z0-9])", 100)],
        validate=lambda key: None if len(set(key[4:])) >= _KEY_VARIETY else False,
    )


def _twilio() -> Recognizer:
    # Account ids `AC…` are no secret; API key ids `SK…` and tokens are hexadecimal, so the key id
    # is told from a hash by its prefix alone, and a bare token only by the word beside it.
    return pattern_recognizer(
        "SECRET",
        Gate(longest=32, check=lambda t: "SK" in t.text or "twilio" in t.lower),
        [
            (r"(?<![A-Za-z0-9_])SK[0-9a-f]{32}(?![A-Za-z0-9])", 80),
            (r"(?i)\btwilio\w{0,12}[^\n]{0,16}?[:= ]['\"]?(?P<v>[0-9a-f]{32})\b", 80),
        ],
    )
