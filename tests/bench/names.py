"""python -m tests.bench.names: how good and how dear the embedded name models are, as a table.

Reads `detection/ner_dev.jsonl.gz` (WNUT17's test set) and `presidio_research_synth_v2.json` below
`TRANSIRE_DEV_DATA`, biomedical sentences that training left out, and chat framed here in ten
locales; nothing of them was trained on. Overlap counts; a message is three rows.

    python -m tests.bench.names --sibling FILE

measures a model that was trained as ours was, but for one row in twelve of the sources
(`workbench.names.train --hold-out`), on those rows: what ours can do with texts of these kinds.
"""

import argparse
import gzip
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.bench.framed import LOCALES, framed_chat

from transire.classify.names.chain import TaggerChain
from transire.classify.names.finder import EMBEDDED, NameFinder
from transire.classify.names.forms import FormReader
from transire.classify.names.spans import PERSON
from transire.classify.names.tagger import load_tagger
from transire.classify.names.wordpiece import WordPieces
from transire.workbench.measure import Row as Measured
from transire.workbench.measure import evaluate
from transire.workbench.names.corpus import is_held_out, plain_rows, read_rows

_BIOMEDICAL = 1_500
DATA = Path(os.environ.get("TRANSIRE_DEV_DATA", "../shared/data")) / "detection"
Row = tuple[str, list[tuple[int, int]]]


def web() -> Iterator[Row]:
    with gzip.open(DATA / "ner_dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield row["text"], [(s, e) for s, e, label in row["spans"] if label == "PERSON"]


def synthetic() -> Iterator[Row]:
    for row in json.loads((DATA / "presidio_research_synth_v2.json").read_text()):
        spans = [s for s in row["spans"] if s["entity_type"] == "PERSON"]
        yield row["full_text"], [(s["start_position"], s["end_position"]) for s in spans]


def biomedical() -> Iterator[Row]:
    """Sentences of the training sources that no model saw; nobody is in them."""
    rows = list(read_rows(DATA / "ner_train.jsonl.gz"))
    seen = {row.text for row in plain_rows(rows, seed=1)}
    left = dict.fromkeys(row.text for row in rows if row.source.startswith("bio:"))
    return ((text, []) for text in list(left)[:_BIOMEDICAL] if text not in seen)


def held_out(file: str) -> Iterator[Row]:
    """Rows of the training sources that a sibling was trained without; biomedical ones aside."""
    for row in read_rows(DATA / file):
        if is_held_out(row) and not row.source.startswith("bio:"):
            yield row.text, [(s, e) for s, e, label in row.spans if label == PERSON]


def cased(rows: Iterable[Row], change: Callable[[str], str]) -> Iterator[Row]:
    """The same rows in another case, where that keeps every place."""
    return ((change(t), spans) for t, spans in rows if len(change(t)) == len(t))


def by_length(rows: Iterable[Row], low: int, high: int) -> Iterator[Row]:
    return ((t, spans) for t, spans in rows if low <= len(t) < high)


def measure(finder: NameFinder, rows: Iterable[Row]) -> str:
    read = []
    for text, spans in rows:
        hits = finder.find_now([text], 60.0)[0].hits
        found = tuple((hit.start, hit.end, PERSON, hit.score_pct) for hit in hits)
        read.append(Measured(tuple((s, e, PERSON) for s, e in spans), found))
    score = evaluate(read).get(PERSON)
    if score is None:  # nobody is in these rows, and nobody was found
        return "0 | – | – / 0.00"
    rates, message = score.entities()["overlap"], score.message()
    return (
        f"{score.wanted} | {rates['precision']:.2f} / {rates['recall']:.2f} | "
        f"{message['recall']:.2f} / {message['fpr']:.2f}"
    )


def cost_ms(finder: NameFinder, chars: int) -> float:
    """Milliseconds of one core, whatever else the machine does."""
    words = "please explain to the team in Hamburg how the report should be written "
    took = []
    for number in range(9):
        text = (f"{number} " + words * (chars // len(words) + 1))[:chars]
        began = time.thread_time()
        finder.find_now([text], 600.0)
        took.append((time.thread_time() - began) * 1e3)
    return statistics.median(took)


def embedded() -> None:
    for names in ("accurate", "fast"):
        finder = NameFinder.load((names,), time.monotonic)
        assert finder is not None  # both are names of models
        show(
            names,
            finder,
            (
                ("web, noisy (WNUT17 test)", web()),
                ("the same in lower case", cased(web(), str.lower)),
                ("the same in upper case", cased(web(), str.upper)),
                ("the same, under 80 characters", by_length(web(), 0, 80)),
                ("the same, 80 and more", by_length(web(), 80, 10_000)),
                ("synthetic (presidio-research v2)", synthetic()),
                ("biomedical, left out of training", biomedical()),
                *((f"framed chat, {locale}", framed_chat(locale)) for locale in LOCALES),
            ),
        )
        costs = "  ".join(f"{n}: {cost_ms(finder, n):.1f} ms" for n in (200, 2_000, 10_000))
        print(f"\none thread, characters: {costs}\n", flush=True)


def sibling(path: Path) -> None:
    pieces = WordPieces.load(EMBEDDED["accurate"].parent / "vocab.txt")
    readers = (TaggerChain([load_tagger(path)], pieces), FormReader())
    english, german = "ner_train.jsonl.gz", "ner_train_de.jsonl.gz"
    lengths = ((0, 80), (80, 160), (160, 10_000))
    show(
        "sibling",
        NameFinder(readers, time.monotonic),
        (
            ("web, noisy (WNUT17 test)", web()),
            ("held out, English", held_out(english)),
            ("the same in lower case", cased(held_out(english), str.lower)),
            ("the same in upper case", cased(held_out(english), str.upper)),
            *(
                (
                    f"the same, {low} to {high - 1} characters",
                    by_length(held_out(english), low, high),
                )
                for low, high in lengths
            ),
            ("held out, German", held_out(german)),
            ("the same in lower case", cased(held_out(german), str.lower)),
            ("the same in upper case", cased(held_out(german), str.upper)),
        ),
    )


def show(names: str, finder: NameFinder, sets: Iterable[tuple[str, Iterable[Row]]]) -> None:
    print(f"{names}\n\nset | persons | precision / recall | message recall / false positives")
    for title, rows in sets:
        print(f"{title} | {measure(finder, rows)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sibling", type=Path, help="an ONNX file of `train --hold-out`")
    given = parser.parse_args()
    if given.sibling is None:
        embedded()
    else:
        sibling(given.sibling)


if __name__ == "__main__":
    main()
