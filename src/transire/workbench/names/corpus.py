"""Sentences to learn from: real ones with spans, and framed ones that Faker fills with names.

Real rows are `{"source", "text", "spans": [[start, end, label]]}` with half-open ranges and the
labels PERSON, LOCATION, ORGANIZATION; other labels (diseases, chemicals) make a row an example of
text without any. Framed sentences carry names of thirty locales, because the real sources know few
but English ones; most frames hold no name at all, or the model would learn that chat means names.
"""

import gzip
import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = [
    "LABELS",
    "MOST_PLAIN",
    "Row",
    "exchanged",
    "framed",
    "is_held_out",
    "joined",
    "plain_rows",
    "read_rows",
    "read_sources",
]

LABELS: Final = ("PERSON", "LOCATION", "ORGANIZATION")
MOST_PLAIN: Final = 2_000
"""Biomedical rows, which hold nobody, that a model may learn from; the others measure it."""
_HELD_OUT_OF_256: Final = 21
_NAMELESS: Final = "bio:"
"""How the source of a biomedical row begins."""
_JOINED_CHARS: Final = (200, 500)
"""A joined row ends after so many characters: with its last row about one window of pieces."""

_LOCALES: Final = (
    *("en_US", "en_GB", "en_IN", "de_DE", "fr_FR", "es_ES", "es_MX", "it_IT", "nl_NL", "pl_PL"),
    *("pt_BR", "pt_PT", "sv_SE", "da_DK", "fi_FI", "no_NO", "cs_CZ", "sk_SK", "hu_HU", "ro_RO"),
    *("hr_HR", "sl_SI", "tr_TR", "id_ID", "en_PH", "en_NG", "et_EE", "lt_LT", "lv_LV", "fr_CA"),
)

_WITH_NAMES: Final = (
    "Hi {first}, could you call me back about the invoice?",
    "Dear {person},\nplease find the contract attached.\nBest regards,\n{person}",
    "Dear Mr {last}, thank you for your letter.",
    "Please book a meeting with {person} and {person} on Tuesday.",
    "My name is {person} and I live in {city}.",
    "{person} from {company} wants a refund.",
    "the customer {lower} called twice, she is in {city}",
    "who is {lower}?",
    "Summarise the complaint of {person} ({city}) in two sentences.",
    '{{"name": "{person}", "city": "{city}", "amount": 40}}',
    '{{"first_name": "{first}", "last_name": "{last}"}}',
    "name,city,total\n{person},{city},12\n{person},{city},7",
    "From: {person}\nTo: {person}\nSubject: shipment",
    "patient {person} was admitted on Monday with chest pain",
    "Patient: {last}, {first}. Seen by Dr {last}.",
    "Thanks!\n{first}",
    "- {person}\n- {person}\n- {person}",
    "Translate this for {first}: the parcel is late.",
    "{first} {last} asked {first} whether {company} would deliver to {city}.",
    "assigned to {person}, reviewed by {last}",
)
_WITHOUT_NAMES: Final = (
    "What are your opening hours?",
    "Rename the variable total to sum in this function.",
    "def parse(line):\n    return line.split(',')",
    "Please summarise the quarterly report in {number} sentences.",
    "error: could not find module {word} in line {number}",
    '{{"status": "ok", "items": {number}, "kind": "{word}"}}',
    "id,status,total\n{number},open,12\n{number},closed,7",
    "SELECT count(*) FROM {word} WHERE total > {number};",
    "How do I reset my password?",
    "Write a haiku about the sea.",
    "Deploy the service to EKS and copy the logs to S3.",
    "The meeting is on Monday at {number}:00 in room {number}.",
    "the {word} of the {word} is {number} percent",
    "git commit -m 'fix {word}'",
    "Translate into German: where is the station?",
    "Explain Kubernetes, Terraform and the C4 model to a beginner.",
    "Order {number} was shipped in March.",
    "const {word} = await fetch(url);",
    "Thank you very much, that was helpful!",
    "TODO: {word} {word} before release {number}",
)


@dataclass(frozen=True, slots=True)
class Row:
    """A text and its spans, sorted by start."""

    text: str
    spans: tuple[tuple[int, int, str], ...]
    source: str


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a gzipped JSON-lines file, spans of unknown labels left out."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            spans = sorted((int(s), int(e), str(k)) for s, e, k in row["spans"] if k in LABELS)
            yield Row(row["text"], tuple(spans), str(row["source"]))


def read_sources(data: Path) -> tuple[list[Row], list[Row]]:
    """Rows that may hold names, English then German; and all English ones, for `plain_rows`.

    Args:
        data: The folder of `ner_train.jsonl.gz` and `ner_train_de.jsonl.gz`.
    """
    english = list(read_rows(data / "ner_train.jsonl.gz"))
    named = [row for row in english if not row.source.startswith(_NAMELESS)]
    return [*named, *read_rows(data / "ner_train_de.jsonl.gz")], english


def is_held_out(row: Row) -> bool:
    """Whether a row is kept from a student's training to measure it; one in twelve, by its text."""
    return hashlib.sha256(row.text.encode()).digest()[0] < _HELD_OUT_OF_256


def plain_rows(rows: Sequence[Row], seed: int) -> list[Row]:
    """The biomedical rows of the sources that training draws from, in the order it takes them."""
    plain = [row for row in rows if row.source.startswith(_NAMELESS)]
    random.Random(seed).shuffle(plain)  # noqa: S311 - a sample, not a secret
    return plain[:MOST_PLAIN]


def joined(rows: Sequence[Row], seed: int) -> list[Row]:
    """Neighbouring rows of one source as one text of 200 to 500 characters, as chats are long."""
    draw = random.Random(seed)  # noqa: S311 - sentences, not secrets
    made: list[Row] = []
    open_row, wanted = Row("", (), ""), 0
    for row in rows:
        if open_row.text and (open_row.source != row.source or len(open_row.text) >= wanted):
            made.append(open_row)
            open_row = Row("", (), "")
        if not open_row.text:
            open_row, wanted = row, draw.randint(*_JOINED_CHARS)
            continue
        gap = draw.choice((" ", "\n", "\n\n"))
        at = len(open_row.text) + len(gap)
        moved = tuple((start + at, end + at, label) for start, end, label in row.spans)
        open_row = Row(open_row.text + gap + row.text, open_row.spans + moved, row.source)
    return [*made, open_row] if open_row.text else made


def exchanged(rows: Sequence[Row], seed: int) -> list[Row]:
    """Rows with people in them, each person renamed by one of thirty locales."""
    draw = random.Random(seed)  # noqa: S311 - sentences, not secrets
    fakers = _fakers(seed + 1_000)
    people = [row for row in rows if any(label == "PERSON" for _, _, label in row.spans)]
    return [_renamed(row, fakers, draw) for row in people]


def _renamed(row: Row, fakers: Mapping[str, Any], draw: random.Random) -> Row:
    """Whole names for names of several words, first names for single ones."""
    text, spans, at = "", list[tuple[int, int, str]](), 0
    for start, end, label in row.spans:
        if start < at:  # nested: the outer one has been written
            continue
        value = row.text[start:end]
        if label == "PERSON" and not value.startswith("@"):
            faker = fakers[draw.choice(_LOCALES)]
            value = faker.first_name() if " " not in value else _whole_name(faker)
        text += row.text[at:start]
        spans.append((len(text), len(text) + len(value), label))
        text, at = text + value, end
    return Row(text + row.text[at:], tuple(spans), row.source)


def framed(count: int, seed: int) -> list[Row]:
    """Framed sentences, two in five with names; the same for the same seed."""
    draw = random.Random(seed)  # noqa: S311 - sentences, not secrets
    fakers = _fakers(seed)
    rows = []
    for _ in range(count):
        faker = fakers[draw.choice(_LOCALES)]
        frames = _WITH_NAMES if draw.random() < 0.4 else _WITHOUT_NAMES
        rows.append(_filled(draw.choice(frames), faker, draw))
    return rows


def _fakers(seed: int) -> dict[str, Any]:
    from faker import Faker

    fakers = {locale: Faker(locale) for locale in _LOCALES}
    for number, faker in enumerate(fakers.values()):
        faker.seed_instance(seed + number)
    return fakers


def _whole_name(faker: Any) -> str:
    return f"{faker.first_name()} {faker.last_name()}"


def _filled(frame: str, faker: Any, draw: random.Random) -> Row:
    """Fill a frame's slots from left to right, noting where names came to stand."""
    text, spans = "", list[tuple[int, int, str]]()
    for piece, slot in _pieces(frame):
        text += piece
        if slot:
            value, label = _SLOTS[slot](faker, draw)
            if label:
                spans.append((len(text), len(text) + len(value), label))
            text += value
    return Row(text, tuple(spans), "framed")


def _pieces(frame: str) -> Iterator[tuple[str, str]]:
    from string import Formatter

    for literal, field, _, _ in Formatter().parse(frame):
        yield literal, field or ""


_WORDS: Final = ("report", "invoice", "buffer", "queue", "batch", "region", "price", "layout")

_SLOTS: Final[dict[str, Callable[[Any, random.Random], tuple[str, str]]]] = {
    "person": lambda f, _: (_whole_name(f), "PERSON"),
    "lower": lambda f, _: (_whole_name(f).lower(), "PERSON"),
    "first": lambda f, _: (f.first_name(), "PERSON"),
    "last": lambda f, _: (f.last_name(), "PERSON"),
    "city": lambda f, _: (f.city(), "LOCATION"),
    "company": lambda f, _: (f.company(), "ORGANIZATION"),
    "word": lambda _, d: (d.choice(_WORDS), ""),
    "number": lambda _, d: (str(d.randint(2, 9_999)), ""),
}
