"""python -m tests.bench.names: how good and how dear the embedded name models are, as a table.

Reads `detection/ner_dev.jsonl.gz` (WNUT17's test set) and `presidio_research_synth_v2.json` below
`TRANSIRE_DEV_DATA`, biomedical sentences that training left out, and chat framed here in ten
locales; nothing of them was trained on. Overlap counts; a message is three rows.
"""

import gzip
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.bench.framed import LOCALES, framed_chat

from transire.classify.names.finder import NameFinder
from transire.classify.names.spans import PERSON
from transire.workbench.measure import Row as Measured
from transire.workbench.measure import evaluate
from transire.workbench.names.corpus import plain_rows, read_rows

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


def main() -> None:
    for names in ("accurate", "fast"):
        finder = NameFinder.load((names,), time.monotonic)
        assert finder is not None  # both are names of models
        print(f"{names}\n\nset | persons | precision / recall | message recall / false positives")
        for title, rows in (
            ("web, noisy (WNUT17 test)", web()),
            ("the same in lower case", cased(web(), str.lower)),
            ("the same in upper case", cased(web(), str.upper)),
            ("the same, under 80 characters", by_length(web(), 0, 80)),
            ("the same, 80 and more", by_length(web(), 80, 10_000)),
            ("synthetic (presidio-research v2)", synthetic()),
            ("biomedical, left out of training", biomedical()),
            *((f"framed chat, {locale}", framed_chat(locale)) for locale in LOCALES),
        ):
            print(f"{title} | {measure(finder, rows)}", flush=True)
        costs = "  ".join(f"{n}: {cost_ms(finder, n):.1f} ms" for n in (200, 2_000, 10_000))
        print(f"\none thread, characters: {costs}\n", flush=True)


if __name__ == "__main__":
    main()
