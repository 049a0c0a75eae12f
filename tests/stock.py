"""Presidio as it comes, and texts to compare it on; nothing is downloaded.

Its engine wants a spaCy model from a hub. A blank pipeline with lemmas in lower case makes its
context words work (without lemmas they silently do nothing) and finds no names.
"""

import gzip
import json
import os
import random
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, predefined_recognizers
from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine

from transire.bundle.canaries import CANARIES
from transire.classify.presidio import structured

__all__ = [
    "ENTITIES",
    "blank_engine",
    "default_engine",
    "generated",
    "real_texts",
    "stock_engine",
    "stock_recognizers",
]

ENTITIES: Final = tuple(recognizer.entity for recognizer in structured())
"""What we take from Presidio."""


class BlankEngine(SpacyNlpEngine):
    """A tokenizer alone."""

    def load(self) -> None:
        self.nlp: Any = {"en": spacy.blank("en")}

    def _doc_to_nlp_artifact(self, doc: Any, language: str) -> NlpArtifacts:
        for token in doc:
            token.lemma_ = token.lower_
        return super()._doc_to_nlp_artifact(doc, language)


def stock_recognizers(entities: Sequence[str] = ENTITIES) -> list[Any]:
    """Presidio's own recognizers for these entities, all under one language."""
    found = []
    for name in predefined_recognizers.__all__:
        kind = getattr(predefined_recognizers, name)
        if not name.endswith("Recognizer") or not hasattr(kind, "PATTERNS"):
            continue
        built = kind(supported_language="en")
        if built.supported_entities[0] in entities:
            found.append(built)
    return found


@cache
def stock_engine() -> AnalyzerEngine:
    """Presidio with the recognizers we wrap."""
    registry = RecognizerRegistry(recognizers=stock_recognizers(), supported_languages=["en"])
    return AnalyzerEngine(registry=registry, nlp_engine=blank_engine(), supported_languages=["en"])


def default_engine(model: str | None = None) -> AnalyzerEngine:
    """Presidio's default engine for English.

    Its look-ups are answered from the list that travels with the library.

    Args:
        model: The folder of a spaCy model; None is a blank pipeline, which finds no names.
    """
    offline: Any = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    tldextract.extract = offline
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    if model is None:
        return AnalyzerEngine(registry=registry, nlp_engine=blank_engine())
    engine = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": model}])
    engine.load()
    return AnalyzerEngine(registry=registry, nlp_engine=engine)


def blank_engine() -> SpacyNlpEngine:
    """A tokenizer with lemmas, loaded; English alone."""
    engine = BlankEngine(models=[{"lang_code": "en", "model_name": "blank"}])
    engine.load()
    return engine


_PROSE: Final = re.findall(
    r"\S+",
    "please check the invoice for the customer before noon and send the number to accounting "
    "her card was declined twice so the bank asked for an account or passport number again "
    "my license is in the car, tax id on the form; the wallet, the host, the server and the mac "
    "address are in the ticket; patient nhs doctor medical certificate driver's permit dni nie",
)
_SHAPES: Final = (
    *("9999 9999 9999 9999", "9999-9999-9999-9999", "4111 1111 1111 1111", "9999999999999999"),
    *("DE99 9999 9999 9999 9999 99", "GB99AAAA99999999999999", "AA99 **** **** **** ****"),
    *("999-99-9999", "999 99 9999", "999.99.9999", "999999999", "9999999", "99999999999"),
    *(
        "99.99.99.99",
        "192.168.9.99:8080",
        "hh:hh:hh:hh:hh:hh",
        "hhhh.hhhh.hhhh",
        "hh-hh-hh-hh-hh-hh",
    ),
    *("hhhh:hhhh:hhhh:hhhh:hhhh:hhhh:hhhh:hhhh", "hhhh::hhh", "::1", "fe80::hhhh%eth0"),
    *("bc1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", "1******************************"),
    *("99999999A", "A9999999A", "9999999-A", "X9999999A", "AAAAAA99A99A999A", "AAAAA9999A"),
    *("999 999 999", "9999 9999 9999", "999-999-9999", "A99999999", "AA9999999", "AB 99 99 99 C"),
    *("999999-999A", "999999+999A", "A9", "99", "9.99", "12:30:45", "2026-11-25", "v9.9.9"),
)


def _filled(draw: random.Random, shape: str) -> str:
    """Digits for 9, capitals for A, hexadecimal for h, letters and digits for * and q."""
    kinds = {"9": "0123456789", "A": "ABCDEFGHKLMNPRSTVXYZ", "h": "0123456789abcdef"}
    kinds |= {
        "*": "123456789ABCDEFGHJKLMNPQabcdefghjkmnpqrs",
        "q": "023456789acdefghjklmnpqrstuvwxyz",
    }
    return "".join(draw.choice(kinds[c]) if c in kinds else c for c in shape)


def generated(count: int, seed: int = 1) -> Iterator[str]:
    """Texts of prose, identifiers and what nearly is one; the same for the same seed."""
    draw = random.Random(seed)
    values = [CANARIES[entity] for entity in ENTITIES]
    signs = (
        " ",
        " ",
        " ",
        ", ",
        ". ",
        ": ",
        " (",
        ") ",
        "\n",
        '"',
        " = ",
        "; ",
        "-",
        "/",
        "\u00a0",
        "é ",
    )
    for _ in range(count):
        text = ""
        for _ in range(draw.randint(2, 25)):
            kind = draw.random()
            if kind < 0.6:
                piece = draw.choice(_PROSE)
            elif kind < 0.9:
                piece = _filled(draw, draw.choice(_SHAPES))
            else:
                piece = draw.choice(values)
            text += piece + draw.choice(signs)
        yield text if draw.random() < 0.9 else text.upper()


def real_texts(limit: int) -> list[str]:
    """Texts people and fake-data generators wrote, from `TRANSIRE_DEV_DATA`; else none."""
    root = os.environ.get("TRANSIRE_DEV_DATA")
    folder = Path(root or "nowhere") / "detection"
    if not folder.is_dir():
        return []
    texts = []
    for path in sorted(folder.glob("presidio_research_*.json")):
        texts += [row["full_text"] for row in json.loads(path.read_text())]
    with gzip.open(folder / "ner_dev.jsonl.gz", "rt") as lines:
        texts += [json.loads(line)["text"] for line in lines]
    random.Random(2).shuffle(texts)
    return [re.sub(r"\s+\Z", "", text) for text in texts[:limit]]
