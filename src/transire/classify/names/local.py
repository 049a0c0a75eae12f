"""Models on the disk: spaCy pipelines and token classifiers in ONNX, by path and digest.

Nothing is fetched and nothing of a model runs as code: spaCy reads data by functions that are
installed already, ONNX graphs hold standard operators.
"""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from transire.bundle.namemodels import LocalModel
from transire.classify.names.chain import Deadline, Reading, TaggerChain
from transire.classify.names.spans import PERSON, is_excused
from transire.classify.names.tagger import Tagger
from transire.classify.names.wordpiece import WordPieces
from transire.classify.recognizer import MODEL, Hit
from transire.classify.scan import MAX_HITS, Scan
from transire.errors import BundleError

__all__ = ["SpacyReader", "load_local", "path_digest"]

_PERSON_LABELS: Final = frozenset({"PERSON", "PER"})
_SPACY_SCORE_PCT: Final = 85
"""spaCy's recognizer gives no likelihood; Presidio counts its finds so."""
_CHUNK_CHARS: Final = 4_000
"""Read at once: some tens of milliseconds, between which the deadline is looked at."""


def path_digest(path: Path) -> str:
    """SHA-256 (hex) over a file, or over the names, sizes and bytes of all files of a folder.

    Raises:
        OSError: something cannot be read.
    """
    digest = hashlib.sha256()
    if path.is_file():
        digest.update(path.read_bytes())
        return digest.hexdigest()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            name = file.relative_to(path).as_posix()
            digest.update(f"{name}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=8)
def load_local(model: LocalModel) -> Reading:
    """The reader of a model, loaded once per process.

    Raises:
        BundleError: there is nothing at the path, its digest is another one, or it is no such
            model.
    """
    path = Path(model.path)
    where = f"taxonomy.yaml: `detector.names`: `{model.kind}:{model.path}`"
    if not path.is_dir():
        raise BundleError([f"{where}: there is no such folder on this machine"])
    try:
        found = path_digest(path)
    except OSError as error:
        raise BundleError([f"{where}: cannot be read: {os.strerror(error.errno or 0)}"]) from None
    if found != model.sha256:
        raise BundleError([f"{where}: its files have sha256 {found}, not the one in the bundle"])
    try:
        return SpacyReader(path, found) if model.kind == "spacy" else _tagger(path, found)
    except BundleError:
        raise
    except Exception as error:  # noqa: BLE001 - spaCy and onnxruntime raise what they like
        what = type(error).__name__
        raise BundleError(
            [f"{where}: is no {model.kind} model that can be read ({what})"]
        ) from None


class SpacyReader:
    """The entity recognizer of a spaCy pipeline.

    One text at a time: spaCy does not promise that a pipeline may be used by several threads.
    """

    def __init__(self, path: Path, digest: str) -> None:
        import spacy

        self.digest = digest
        self._lock = threading.Lock()
        self._pipeline = spacy.load(path)
        labels = {*self._pipeline.pipe_labels.get("ner", ())}
        self._labels = labels & _PERSON_LABELS
        if not self._labels:
            raise BundleError(
                [f"taxonomy.yaml: `spacy:{path}` has no recognizer for PERSON or PER"]
            )

    def read(self, text: str, handover: float, deadline: Deadline) -> Scan:  # noqa: ARG002 - one model
        """See `chain.Reading`."""
        hits: list[Hit] = []
        for start, chunk in _chunks(text):
            deadline.check()
            with self._lock:
                found = self._pipeline(chunk).ents
            hits += (
                Hit(start + e.start_char, start + e.end_char, PERSON, _SPACY_SCORE_PCT, by=MODEL)
                for e in found
                if e.label_ in self._labels
            )
            if len(hits) > MAX_HITS:
                raise OverflowError
        return Scan(tuple(hit for hit in hits if not is_excused(text, hit)), ())


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """The text in pieces that end at a line or a blank where they can."""
    start = 0
    while start < len(text):
        end = min(start + _CHUNK_CHARS, len(text))
        if end < len(text):
            cut = max(text.rfind("\n", start, end), text.rfind(" ", start, end))
            end = cut + 1 if cut > start else end
        yield start, text[start:end]
        start = end


def _tagger(path: Path, digest: str) -> TaggerChain:
    """`model.onnx`, `vocab.txt` and `config.json` (`id2label`), as BERT-shaped models are saved."""
    labels = json.loads((path / "config.json").read_text(encoding="utf-8"))["id2label"]
    ordered = [str(labels[str(number)]) for number in range(len(labels))]
    kinds = [_kind(label) for label in ordered]
    if PERSON not in kinds:
        raise BundleError([f"taxonomy.yaml: `onnx:{path}` has no label for PERSON or PER"])
    manner = path / "tokenizer_config.json"
    told = json.loads(manner.read_text(encoding="utf-8")) if manner.is_file() else {}
    pieces = WordPieces.load(path / "vocab.txt", is_cased=not told.get("do_lower_case", True))
    tagger = Tagger(path / "model.onnx", kinds, digest=digest)
    tagger.try_out()
    return TaggerChain((tagger,), pieces)


def _kind(label: str) -> str | None:
    """`B-PER` → PERSON; None for what is no name."""
    _, _, kind = label.rpartition("-")
    if kind == "O":
        return None
    return PERSON if kind in _PERSON_LABELS else kind
