"""Rows as tokens and tags, and batches of them."""

import hashlib
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from transire.workbench.names.corpus import LABELS, Row

__all__ = [
    "IGNORED",
    "TAGS",
    "Example",
    "batches",
    "check_base",
    "examples_of",
    "padded",
    "tokenizer",
    "word_embeddings",
]

TAGS: Final = ("O", *(f"{edge}-{label}" for label in LABELS for edge in "BI"))
IGNORED: Final = -100
"""The tag of tokens that count for nothing."""

_HASHES: Final = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}

Example = tuple[list[int], list[int]]
"""Token ids and tags, of one length."""


def check_base(base: Path) -> None:
    """Refuse weights or a tokenizer that are not the published ones.

    Raises:
        SystemExit: the name of the file and the hash found.
    """
    for name, wanted in _HASHES.items():
        found = hashlib.sha256((base / name).read_bytes()).hexdigest()
        if found != wanted:
            raise SystemExit(f"{name} is not the published file: its SHA-256 is {found}")


def word_embeddings(base: Path) -> Tensor:
    """The published word embeddings, `[vocabulary, width]`."""
    from safetensors.torch import load_file

    words: Tensor = load_file(str(base / "model.safetensors"))["embeddings.word_embeddings.weight"]
    return words


def tokenizer(base: Path, most: int) -> Any:
    """The published tokenizer, cutting texts after `most` tokens."""
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(base / "tokenizer.json"))
    made.enable_truncation(most)
    made.no_padding()
    return made


def _example(row: Row, splits: Any) -> Example | None:
    """Token ids and tags; every piece of a word carries its word's tag."""
    encoded = splits.encode(row.text)
    tags = []
    for (start, end), special in zip(encoded.offsets, encoded.special_tokens_mask, strict=True):
        span = next((s for s in row.spans if s[0] < end and start < s[1]), None)
        if special:
            tags.append(IGNORED)
        elif span is None:
            tags.append(0)
        else:
            tags.append(TAGS.index(f"{'B' if start <= span[0] else 'I'}-{span[2]}"))
    return (encoded.ids, tags) if len(encoded.ids) > 2 else None


def examples_of(rows: Iterable[Row], splits: Any) -> list[Example]:
    """Every row that holds a word, in order."""
    return [made for row in rows if (made := _example(row, splits)) is not None]


def batches(examples: Sequence[Example], seed: int, most: int) -> list[list[int]]:
    """Places of examples of like length together, at most `most` tokens with their padding."""
    draw = random.Random(seed)  # noqa: S311 - an order, not a secret
    ordered = sorted(range(len(examples)), key=lambda i: (len(examples[i][0]), draw.random()))
    made: list[list[int]] = [[]]
    for place in ordered:
        if (len(made[-1]) + 1) * len(examples[place][0]) > most:
            made.append([])
        made[-1].append(place)
    draw.shuffle(made)
    return made


def padded(batch: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, mask and tags, each `[batch, length]`."""
    longest = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([[*i, *([0] * (longest - len(i)))] for i, _ in batch])
    mask = torch.tensor([[*([1] * len(i)), *([0] * (longest - len(i)))] for i, _ in batch])
    tags = torch.tensor([[*t, *([IGNORED] * (longest - len(t)))] for _, t in batch])
    return ids, mask, tags
