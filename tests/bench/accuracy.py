"""python -m tests.bench.accuracy: how much of what is known stock Presidio finds, and ours.

Reads the two sets of presidio-research below `TRANSIRE_DEV_DATA` (nothing of them was trained on,
and they are synthetic: read differences, not levels). Stock is its default engine for English with
its default threshold, 0, over a blank pipeline or, for names, over a spaCy model of your own. Ours
is the starter pack, *accurate* names included. Overlap counts; F2 weighs recall twice.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tests.stock import default_engine

from transire import __version__
from transire.cli.reader import BundleReader
from transire.workbench.measure import LABELS, Found, Row, Score, Span, evaluate, labelled

DATA: Final = Path(os.environ.get("TRANSIRE_DEV_DATA", "../shared/data")) / "detection"
SETS: Final = ("presidio_research_small.json", "presidio_research_synth_v2.json")
NAMES: Final = {**LABELS, "DOMAIN_NAME": "URL"}
"""The sets' labels → Presidio's."""
Read = Callable[[str], Iterable[Found]]
Texts = list[tuple[str, tuple[Span, ...]]]


def texts(file: str) -> Texts:
    """Every text of a set, with its spans."""
    return [
        (
            row["full_text"],
            tuple(
                (s["start_position"], s["end_position"], labelled(s["entity_type"], NAMES))
                for s in row["spans"]
            ),
        )
        for row in json.loads((DATA / file).read_text())
    ]


def scores(read: Read, rows: Texts) -> dict[str, Score]:
    """Counts per label."""
    return evaluate([Row(spans, tuple(read(text))) for text, spans in rows])


def rates(score: Score, *, is_read: bool) -> str:
    """Precision, recall and F2; a dash where nobody looks for it."""
    if not is_read:
        return "–"
    kinds = score.entities()["overlap"]
    return f"{kinds['precision']:.2f} / {kinds['recall']:.2f} / {kinds['f2']:.2f}"


def table(before: Read, after: Read, known: tuple[set[str], set[str]], file: str) -> Iterator[str]:
    """One line per label of a set."""
    rows = texts(file)
    first, second = scores(before, rows), scores(after, rows)
    yield f"{file}, {len(rows)} texts\n\nentity | spans | stock P / R / F2 | ours P / R / F2"
    for label, score in sorted(first.items(), key=lambda one: -one[1].wanted):
        cells = (
            rates(some[label], is_read=label in read)
            for some, read in zip((first, second), known, strict=True)
        )
        yield f"{label} | {score.wanted} | {' | '.join(cells)}"
    yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spacy", help="a spaCy model for stock's names, by its folder")
    given = parser.parse_args()
    engine = default_engine(given.spacy)
    names = {"PERSON", "LOCATION", "NRP", "ORGANIZATION", "AGE"}  # from the model alone
    looked_for = set(engine.get_supported_entities("en")) - (set() if given.spacy else names)

    def before(text: str) -> Iterator[Found]:
        for found in engine.analyze(text, "en"):
            yield found.start, found.end, found.entity_type, round(found.score * 100)

    with closing(BundleReader(None)) as reader:

        def after(text: str) -> Iterator[Found]:
            for f in reader.read(text)["findings"]:
                yield f["start"], f["end"], f["entity"], round(f["score"] * 100)

        pipeline = Path(given.spacy).name if given.spacy else "blank pipeline"
        print(
            f"{datetime.now(UTC):%Y-%m-%d}: presidio-analyzer {version('presidio-analyzer')} "
            f"({pipeline}), transire {__version__}\n"
        )
        for file in SETS:
            for line in table(before, after, (looked_for, set(reader.rules)), file):
                print(line, flush=True)


if __name__ == "__main__":
    main()
