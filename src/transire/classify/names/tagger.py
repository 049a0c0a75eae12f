"""One token classifier in ONNX: pieces in, the likelihood of each kind of name per piece out.

A model takes ids and a mask, both `[batch, length]` of int64, and gives scores, `[batch, length,
tags]`; ours have their tags in the order of `TAGS`. Long texts are read in windows: 128 pieces and
not 512, because short windows find more and cost less.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from transire.classify.names.spans import PERSON
from transire.classify.names.wordpiece import Piece
from transire.errors import BundleError

__all__ = ["TAGS", "Tagger", "load_tagger", "windows"]

TAGS: Final = (
    *("O", "B-PERSON", "I-PERSON", "B-LOCATION", "I-LOCATION"),
    *("B-ORGANIZATION", "I-ORGANIZATION"),
)
_OUR_KINDS: Final = tuple(tag[2:] or None for tag in TAGS)
_PIECES: Final = 126
"""Pieces of one window; with `[CLS]` and `[SEP]` it is 128 long."""
_EDGE: Final = 8
"""Pieces at a window's inner edges that are judged by its neighbour, which sees both sides."""


class Tagger:
    """One model; thread-safe, as onnxruntime's sessions are.

    Args:
        kinds: What each tag of the model stands for, None for no name; PERSON is among them.
        digest: Names the model (hex) where more than this file makes it; else the file's.
    """

    def __init__(
        self, path: Path, kinds: Sequence[str | None] = _OUR_KINDS, *, digest: str = ""
    ) -> None:
        data = path.read_bytes()
        self.digest = digest or hashlib.sha256(data).hexdigest()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"]
        )
        inputs = {given.name for given in self._session.get_inputs()}
        self._ids = "ids" if "ids" in inputs else "input_ids"
        self._mask = "mask" if "mask" in inputs else "attention_mask"
        self._zeros = inputs - {self._ids, self._mask}  # `token_type_ids`: one sentence
        self._scores = self._session.get_outputs()[0].name
        others = sorted({kind for kind in kinds if kind is not None} - {PERSON})
        ordered = [PERSON, *others]
        self._kind_of_tag = np.array([[kind == k for k in ordered] for kind in kinds], np.float32)

    def try_out(self) -> None:
        """Read one piece; whatever is raised says that this is no such model."""
        self.judge([Piece(1, 0, 1, starts_word=True)], 2, 3)

    def judge(self, pieces: Sequence[Piece], first: int, last: int) -> Any:
        """Likelihoods `[pieces, kinds]` of one window, PERSON first, then the others by name.

        Args:
            first, last: Ids that stand before and after the pieces.
        """
        ids = np.array([[first, *(piece.id for piece in pieces), last]], dtype=np.int64)
        fed = {self._ids: ids, self._mask: np.ones_like(ids)}
        fed |= {name: np.zeros_like(ids) for name in self._zeros}
        scores = self._session.run([self._scores], fed)[0]
        inner = scores[0, 1:-1]
        weights = np.exp(inner - inner.max(axis=1, keepdims=True))
        likely = weights / weights.sum(axis=1, keepdims=True)
        return likely @ self._kind_of_tag


@lru_cache(maxsize=8)
def load_tagger(path: Path) -> Tagger:
    """The model of a file, loaded once per process (about 0.1 s, 30 to 90 MB).

    Raises:
        BundleError: there is no such model, or it is not one of this shape.
    """
    if not path.is_file():
        raise BundleError([f"taxonomy.yaml: `detector.names` names no model at `{path}`"])
    try:
        tagger = Tagger(path)
        tagger.try_out()
    except Exception:  # noqa: BLE001 - onnxruntime's errors share no base, and quote the file
        raise BundleError(
            [f"taxonomy.yaml: `{path.name}` is no token classifier over {len(TAGS)} tags"]
        ) from None
    return tagger


def windows(pieces: Sequence[Piece]) -> list[tuple[int, int, int, int]]:
    """How to read a text: (from, to, judged from, judged to) per window, all half-open.

    Every piece is judged exactly once, with at least `_EDGE` pieces seen on both of its sides
    where the text has them.
    """
    found: list[tuple[int, int, int, int]] = []
    start = judged = 0
    while judged < len(pieces):
        end = min(start + _PIECES, len(pieces))
        until = end if end == len(pieces) else end - _EDGE
        found.append((start, end, judged, until))
        judged, start = until, until - _EDGE
    return found
