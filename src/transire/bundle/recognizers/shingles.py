"""Documents known by digests of their word runs, so that the bundle holds none of their text.

A shingle is a run of words, case and punctuation aside; of every few neighbouring shingles the
one with the smallest digest is kept (winnowing: Schleimer, Wilkerson, Aiken, SIGMOD 2003), so that
any run of `words + WINDOW - 1` words copied unchanged holds at least one kept digest. A text is
compared by all its shingles. Rewritten text is not recognised.

The salt makes tables computed beforehand useless. Whoever holds the bundle can still test whether
a run of words that he guesses stands in a document; eight words are seldom guessed.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from transire.bundle.recognizers.tokens import WORDS, folded, tokens_of
from transire.domain.pack import RegisteredDocument

__all__ = ["DIGEST_BYTES", "WINDOW", "canary_text", "document_finder", "fingerprint", "salted"]

DIGEST_BYTES: Final = 8
"""100,000 digests against a million shingles meet by chance once in 10⁸ texts."""
WINDOW: Final = 4
_READ_S: Final = 600.0
"""For registering, which nobody waits for."""


def fingerprint(text: str, *, salt: bytes, words: int) -> frozenset[bytes]:
    """The digests to register of a text; empty for a text shorter than one shingle."""
    digests = [d for _, _, d in _shingles(text, salt, words, _READ_S)]
    windows = max(1, len(digests) - WINDOW + 1)
    return frozenset(min(digests[at : at + WINDOW]) for at in range(windows) if digests)


def salted(
    documents: Sequence[RegisteredDocument], *, salt: bytes, words: int
) -> tuple[RegisteredDocument, ...]:
    """The documents, each with digests of its canary text beside its own."""
    return tuple(
        RegisteredDocument(
            name=d.name,
            entity=d.entity,
            min_matches=d.min_matches,
            digests=d.digests
            | {digest for _, _, digest in _shingles(canary_text(d, words), salt, words, _READ_S)},
        )
        for d in documents
    )


def canary_text(document: RegisteredDocument, words: int) -> str:
    """A made-up text that must be recognised as this document while the machinery works."""
    return " ".join(f"{document.name} canary {n}" for n in range(words + document.min_matches))


def document_finder(
    document: RegisteredDocument, *, salt: bytes, words: int
) -> Callable[[str, float], Iterator[tuple[int, int, int]]]:
    """A function (text, seconds) → one span from the first to the last shingle that recurs."""
    known = document.digests

    def find(text: str, seconds: float) -> Iterator[tuple[int, int, int]]:
        met = [s for s in _shingles(text, salt, words, seconds) if s[2] in known]
        if len({digest for _, _, digest in met}) >= document.min_matches:
            yield met[0][0], max(end for _, end, _ in met), 100

    return find


def _shingles(
    text: str, salt: bytes, words: int, seconds: float
) -> Iterator[tuple[int, int, bytes]]:
    tokens = [
        (s, e, folded(t).encode(errors="surrogatepass"))
        for s, e, t in tokens_of(text, WORDS, seconds)
    ]
    for at in range(len(tokens) - words + 1):
        run = tokens[at : at + words]
        joined = b" ".join([word for _, _, word in run])
        digest = hashlib.blake2b(joined, digest_size=DIGEST_BYTES, key=salt).digest()
        yield run[0][0], run[-1][1], digest
