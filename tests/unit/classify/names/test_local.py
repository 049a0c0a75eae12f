"""Models of one's own: real ones, small, made here."""

import json
import random
import time
from pathlib import Path

import numpy as np
import pytest
from tests.unit.classify.names.onnx_file import table_model

from transire.classify.names.finder import NameFinder
from transire.classify.names.local import path_digest
from transire.classify.scan import Scan
from transire.errors import BundleError

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "ask", "today", "maria", "Maria", "paris", "."]
LABELS = ["O", "B-PER", "I-PER", "B-LOC"]
TAGS = {"maria": "B-PER", "Maria": "B-PER", "paris": "B-LOC"}
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def onnx_folder(path: Path, *, labels: list[str] = LABELS, is_lower: bool = True) -> Path:
    table = np.zeros((len(VOCABULARY), len(labels)))
    for number, word in enumerate(VOCABULARY):
        table[number, LABELS.index(TAGS.get(word, "O"))] = 9.0
    path.mkdir()
    (path / "model.onnx").write_bytes(table_model(table, INPUTS))
    (path / "vocab.txt").write_text("\n".join(VOCABULARY))
    (path / "config.json").write_text(json.dumps({"id2label": dict(enumerate(labels))}))
    (path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": is_lower}))
    return path


def named(kind: str, path: Path) -> str:
    return f"{kind}:{path}#sha256={path_digest(path)}"


def read(text: str, *names: str) -> Scan:
    finder = NameFinder.load(names, time.monotonic)
    assert finder is not None
    return finder.find_now([text], 60.0)[0]


def found(text: str, *names: str) -> list[str]:
    scan = read(text, *names)
    assert scan.failed == ()
    return [text[hit.start : hit.end] for hit in scan.hits]


def test_an_onnx_model_of_ones_own_reads_names(tmp_path: Path) -> None:
    model = named("onnx", onnx_folder(tmp_path / "m"))

    assert found("Ask MARIA today . Paris", model) == ["MARIA"]


def test_a_cased_onnx_model_sees_case(tmp_path: Path) -> None:
    model = named("onnx", onnx_folder(tmp_path / "m", is_lower=False))

    assert found("ask Maria and MARIA today", model) == ["Maria"]


def test_readers_are_united(tmp_path: Path) -> None:
    model = named("onnx", onnx_folder(tmp_path / "m"))
    text = "my colleague John Smith asked ; maria"

    assert {"John Smith", "maria"} <= {*found(text, "fast", model)}


def test_a_model_that_was_changed_is_refused(tmp_path: Path) -> None:
    folder = onnx_folder(tmp_path / "m")
    model = named("onnx", folder)
    (folder / "vocab.txt").write_text("\n".join([*VOCABULARY, "anna"]))

    with pytest.raises(BundleError, match="not the one in the bundle"):
        read("x", model)


@pytest.mark.parametrize("kind", ["onnx", "spacy"])
def test_a_folder_that_is_no_model_is_refused_in_a_sentence(tmp_path: Path, kind: str) -> None:
    (tmp_path / "config.json").write_text("{}")

    with pytest.raises(BundleError, match=f"is no {kind} model"):
        read("x", named(kind, tmp_path))


def test_an_onnx_model_without_persons_is_refused(tmp_path: Path) -> None:
    folder = onnx_folder(tmp_path / "m", labels=["O", "B-ORG", "I-ORG", "B-LOC"])

    with pytest.raises(BundleError, match="no label for PERSON"):
        read("x", named("onnx", folder))


def test_an_onnx_model_of_another_shape_is_refused(tmp_path: Path) -> None:
    folder = onnx_folder(tmp_path / "m", labels=[*LABELS, "I-LOC", "B-ORG"])
    table = np.zeros((len(VOCABULARY), 2))
    (folder / "model.onnx").write_bytes(table_model(table, INPUTS))

    with pytest.raises(BundleError, match="is no onnx model"):
        read("x", named("onnx", folder))


@pytest.fixture(scope="module")
def spacy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline trained here on eight sentences; it knows little, and that for certain."""
    import spacy
    from spacy.training import Example

    spacy.util.fix_random_seed(1)  # type: ignore[attr-defined] # documented, not exported
    pipeline = spacy.blank("en")
    recognizer = pipeline.add_pipe("ner")
    sentences = [
        (f"please {verb} {name} today", [(len(f"please {verb} "), name)])
        for verb in ("ask", "call")
        for name in ("Maria Schneider", "John Smith")
    ]
    plain: list[tuple[str, list[tuple[int, str]]]]
    plain = [("please call the office today", []), ("ask for the price", [])]
    examples = [
        Example.from_dict(
            pipeline.make_doc(text),
            {"entities": [(at, at + len(name), "PERSON") for at, name in names]},
        )
        for text, names in [*sentences, *plain]
    ]
    recognizer.add_label("PERSON")  # type: ignore[attr-defined] # of the entity recognizer
    optimizer = pipeline.initialize(lambda: examples)
    draw = random.Random(1)
    for _ in range(30):
        draw.shuffle(examples)
        pipeline.update(examples, sgd=optimizer)
    folder = tmp_path_factory.mktemp("spacy") / "model"
    pipeline.to_disk(folder)
    return folder


@pytest.mark.slow
def test_a_spacy_pipeline_of_ones_own_reads_names(spacy_folder: Path) -> None:
    text = "please ask Maria Schneider today"

    assert found(text, named("spacy", spacy_folder)) == ["Maria Schneider"]


@pytest.mark.slow
def test_a_long_text_is_read_by_spacy_in_pieces_at_their_places(spacy_folder: Path) -> None:
    text = "ask for the price \n" * 400 + "please call John Smith today"

    assert found(text, named("spacy", spacy_folder)) == ["John Smith"]


@pytest.mark.slow
def test_spacy_is_given_up_at_the_deadline(spacy_folder: Path) -> None:
    ticks = iter(range(1_000))
    finder = NameFinder.load((named("spacy", spacy_folder),), lambda: float(next(ticks)))
    assert finder is not None

    assert finder.find_now(["ask for the price \n" * 4_000], 5.0)[0].failed == ("PERSON",)


@pytest.mark.slow
def test_a_spacy_pipeline_without_persons_is_refused(tmp_path: Path) -> None:
    import spacy

    spacy.blank("en").to_disk(tmp_path / "blank")

    with pytest.raises(BundleError, match="no recognizer for PERSON"):
        read("x", named("spacy", tmp_path / "blank"))
