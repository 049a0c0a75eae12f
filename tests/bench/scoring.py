"""python -m tests.bench.scoring: what choosing costs, of the largest question it is asked.

Thirty-two permitted deployments, prompts of 8,192 characters that are all different, a predictor of
eight models that knows a quarter of all word buckets: reading the prompt, and ranking. CPU time of
one thread, so that a busy machine counts less; the collector runs as in a router after its start.
"""

import random
import time
from dataclasses import replace
from typing import Final

import numpy as np
from tests.unit.score.fleets import (
    authorization_of,
    bundle_of,
    classification_of,
    deployment,
    end,
    price,
    request_of,
    verdict,
)
from tests.unit.score.models import ANY_LENGTH, EARNED

from transire.clock import SystemClock
from transire.domain.ids import DecisionId
from transire.heap import settle_heap
from transire.score.health import FleetHealth
from transire.score.quality.features import BUCKETS, TRAITS
from transire.score.quality.model import QualityModel
from transire.score.quality.reader import Predictor, PromptReader
from transire.score.quality.standing import standing_of
from transire.score.scorer import BundleScorer

CANDIDATES: Final = 32
MODELS: Final = 8
CHARS: Final = 8_192
QUESTIONS: Final = 4_000
ASKED_MS: Final = 1.0


def _model() -> QualityModel:
    known = np.arange(0, BUCKETS, 4, dtype=np.int32)
    numbers = np.random.default_rng(7)
    models = tuple(f"m{i}" for i in range(MODELS))
    width = len(TRAITS)
    return QualityModel(
        models=models,
        means=np.linspace(0.4, 0.9, MODELS, dtype=np.float32),
        buckets=known,
        words=numbers.normal(0, 0.01, (MODELS, len(known))).astype(np.float32),
        trait_means=np.zeros(width, np.float32),
        trait_scales=np.ones(width, np.float32),
        traits=numbers.normal(0, 0.01, (MODELS, width)).astype(np.float32),
        tags={},
        facts={
            "held_out": {**EARNED, "weak": models[0], "strong": models[-1]},
            "domain": {**ANY_LENGTH, "least_known_permille": 0},
        },
    )


def _text(draw: random.Random, words: list[str]) -> str:
    return " ".join(draw.choices(words, k=CHARS // 4))[:CHARS]


def _measure() -> None:
    draw = random.Random(11)
    fleet = [
        deployment(
            f"d{i}",
            price=price(1_000 * (1 + i % 7)),
            latency_ms=300 + 40 * i,
            quality_permille={"default": 500 + 10 * i},
            context_tokens=32_000,
        )
        for i in range(CANDIDATES)
    ]
    model, health = _model(), FleetHealth(SystemClock())
    served = {m: tuple(fleet[i::MODELS]) for i, m in enumerate(model.models)}
    reader = PromptReader(Predictor(model, standing_of(model), served), None)
    scorer = BundleScorer(
        bundle_of(*fleet, task_quality_target_permille={"default": 700}, dearer_permille=1_000),
        health,
    )
    for one in fleet:
        for _ in range(20):
            end(health, one.id, "", draw.randrange(200, 2_000))
    permitted = authorization_of(*(verdict(one.id) for one in fleet))
    letters = "abcdefghiklmnoprstu"
    words = ["".join(draw.choices(letters, k=draw.randrange(2, 9))) for _ in range(9_000)]
    request = request_of(size_bytes=CHARS, tokens_estimate=CHARS // 4)
    settle_heap()
    both: list[float] = []
    alone: list[float] = []
    predicted = 0
    for number in range(QUESTIONS):
        text = _text(draw, words)
        asked = replace(request, id=DecisionId(f"dec_{number}"))
        began = time.thread_time_ns()
        gains = reader.read(text, None, None).gains
        read = time.thread_time_ns()
        ranking = scorer.rank(
            asked, classification_of(gains=gains), permitted, exclude=frozenset(), seed=number
        )
        done = time.thread_time_ns()
        predicted += ranking.quality_target_permille is not None
        assert len(ranking.candidates) == CANDIDATES
        both.append((done - began) / 1e6)
        alone.append((done - read) / 1e6)
    assert predicted > QUESTIONS // 2, "the predictor counted"
    print(f"choosing among {CANDIDATES}, prompts of {CHARS:,} characters, CPU ms of one thread:\n")
    _say("reading with a predictor, and ranking", both, ASKED_MS)
    _say("ranking", alone, None)


def _say(what: str, took: list[float], asked: float | None) -> None:
    ordered = sorted(took)
    p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    judged = ""
    if asked is not None:
        judged = f"   (asked: p99 < {asked:g}) {'met' if p99 < asked else 'MISSED'}"
    print(f"  {what:38} p50 {p50:.3f}   p99 {p99:.3f}{judged}")


if __name__ == "__main__":
    _measure()
