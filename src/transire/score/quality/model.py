"""A fitted predictor: one linear score per model over the features of a prompt.

Ridge regression is linear in what it is fitted to, so the difference of two models' predictions is
exactly the prediction of their difference: fitting every model's score predicts the *gain* of one
over another, which is what routing needs, and not how hard a prompt is.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from transire.errors import IntegrityError
from transire.score.quality.features import BUCKETS, TRAITS, Features

__all__ = ["FORMAT", "MOST_MODELS", "TAG_WEIGHT", "TRAIT_WEIGHT", "QualityModel"]

Floats: TypeAlias = NDArray[np.float32]

FORMAT: Final = "transire-quality/2"
"""Grows with every change to features or weights that would make an old file predict otherwise."""
MOST_MODELS: Final = 64

TRAIT_WEIGHT: Final = 0.16
"""Weight of the standardized traits beside the words, whose vector has length one: its square
times twelve is the 0.3 at which the fit was best in cross-validation on MMLU."""
TAG_WEIGHT: Final = 0.55
"""Weight of a tag: a bare subject label predicts as well as every reading of the text."""


@dataclass(frozen=True, eq=False, kw_only=True)
class QualityModel:
    """Weights over features; predicts and does nothing else.

    Attributes:
        models: Names as outcomes named them, sorted.
        means: Mean score of each in the rows it was fitted on.
        buckets: The buckets that weigh anything, ascending.
        words: Their weights, (model, bucket).
        trait_means, trait_scales: To standardize the traits with.
        traits: Weights of the traits, (model, trait).
        tags: Tag → weight per model; a tag that was never seen weighs nothing.
        facts: What is known of the fit: rows, penalty, held-out evaluation.
    """

    models: tuple[str, ...]
    means: Floats
    buckets: NDArray[np.int32]
    words: Floats
    trait_means: Floats
    trait_scales: Floats
    traits: Floats
    tags: Mapping[str, Floats]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, read: Features) -> Floats:
        """The expected score of each model, in the order of `models`; not clipped to 0…1."""
        return self.predict_known(read)[0]

    def predict_known(self, read: Features) -> tuple[Floats, int]:
        """As `predict`; and how many of the words and pairs weigh anything, in permille."""
        predicted, known = self.means.copy(), 0
        if read.buckets:
            rows = self._row_of[np.asarray(read.buckets, dtype=np.int32)]
            # Row -1 is a row of zeros: buckets that weigh nothing still lengthen the vector.
            predicted += self._padded[rows].sum(axis=0) / np.float32(len(read.buckets) ** 0.5)
            known = 1000 * int(np.count_nonzero(rows >= 0)) // len(read.buckets)
        standard = (np.asarray(read.traits, np.float32) - self.trait_means) / self.trait_scales
        predicted += np.float32(TRAIT_WEIGHT) * (self.traits @ standard)
        for tag in read.tags:
            predicted += self.tag_part(tag)
        return predicted, known

    def tag_part(self, tag: str) -> Floats:
        """What a tag adds to each model's prediction; nothing for one that was never seen."""
        weights = self.tags.get(tag)
        if weights is None:
            return np.zeros(len(self.models), np.float32)
        part: Floats = np.float32(TAG_WEIGHT) * weights
        return part

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the file's bytes."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """The file: JSON with sorted names; arrays are little-endian, base64 (RFC 4648 §4)."""
        document = {
            "format": FORMAT,
            "models": list(self.models),
            "means": _packed(self.means),
            "buckets": _packed(self.buckets),
            "words": _packed(self.words),
            "trait_names": list(TRAITS),
            "trait_means": _packed(self.trait_means),
            "trait_scales": _packed(self.trait_scales),
            "traits": _packed(self.traits),
            "tags": {tag: _packed(weights) for tag, weights in self.tags.items()},
            "facts": dict(self.facts),
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> "QualityModel":
        """Read `to_bytes` back.

        Raises:
            IntegrityError: it is no such file, of another format, or its parts do not fit.
        """
        try:
            document = json.loads(data)
            if document["format"] != FORMAT or document["trait_names"] != list(TRAITS):
                raise IntegrityError(
                    f"this quality model is not of format `{FORMAT}`; train it again"
                )
            read = cls._of(document)
        except (KeyError, TypeError, ValueError, AttributeError, binascii.Error):
            raise IntegrityError("this is not a quality model, or not a whole one") from None
        return read

    @classmethod
    def _of(cls, document: Mapping[str, Any]) -> "QualityModel":
        models = tuple(map(str, document["models"]))
        count, traits = len(models), len(TRAITS)
        if not 2 <= count <= MOST_MODELS or sorted(set(models)) != list(models):
            raise ValueError("models")
        buckets = _unpacked(document["buckets"], "<i4")
        if np.any(np.diff(buckets) <= 0) or np.any((buckets < 0) | (buckets >= BUCKETS)):
            raise ValueError("buckets")
        return cls(
            models=models,
            means=_floats(document["means"], (count,)),
            buckets=buckets,
            words=_floats(document["words"], (count, len(buckets))),
            trait_means=_floats(document["trait_means"], (traits,)),
            trait_scales=_positive(_floats(document["trait_scales"], (traits,))),
            traits=_floats(document["traits"], (count, traits)),
            tags={str(t): _floats(w, (count,)) for t, w in document["tags"].items()},
            facts=dict(document["facts"]),
        )

    @cached_property
    def _row_of(self) -> NDArray[np.int32]:
        rows = np.full(BUCKETS, -1, np.int32)
        rows[self.buckets] = np.arange(len(self.buckets), dtype=np.int32)
        return rows

    @cached_property
    def _padded(self) -> Floats:
        none = np.zeros((1, len(self.models)), np.float32)
        return np.concatenate([self.words.T, none])


def _packed(array: NDArray[Any]) -> str:
    kind = "<i4" if array.dtype.kind == "i" else "<f4"
    return base64.b64encode(np.ascontiguousarray(array, dtype=kind).tobytes()).decode()


def _unpacked(text: str, kind: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype=kind)


def _floats(text: str, shape: Sequence[int]) -> Floats:
    array = _unpacked(text, "<f4").reshape(shape)
    if not np.all(np.isfinite(array)):
        raise ValueError("a weight is no number")
    return array


def _positive(array: Floats) -> Floats:
    if not np.all(array > 0):
        raise ValueError("a scale is not positive")
    return array
