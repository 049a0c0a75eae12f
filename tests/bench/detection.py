"""python -m tests.bench.detection: what detection costs beside stock Presidio, on this machine.

CPU time of one thread, medians of rounds in which every contender reads the same text in turn; read
the ratios. Stock Presidio is its default engine for English over a blank spaCy pipeline (no model,
no names) and without the look-ups it would make. Repeated texts would measure our cache, so each
round has its own, but for the chat, which is about the cache.
"""

import argparse
import asyncio
import random
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

from tests.stock import default_engine
from tests.unit.classify.detectors import Keys, request_of

from transire.bundle.compile import compile_bundle
from transire.bundle.limits import pack_folder
from transire.bundle.source import read_folder
from transire.classify.detector import EngineDetector
from transire.classify.names.finder import NameFinder
from transire.classify.pool import ScanPool
from transire.classify.scan import panel_of, run
from transire.clock import SystemClock

BUNDLE = compile_bundle(read_folder(pack_folder())).bundle
CLOCK = SystemClock()
PROSE = re.findall(
    r"\S+",
    "Could you please summarise the notes from yesterday's meeting with the marketing team, and "
    "suggest three next steps for the coming quarter? Everybody agreed that the campaign went well "
    "in spring, but nobody could say why sales fell again in the summer months. Keep it short and "
    "friendly, write in plain English, and avoid bullet points where a sentence will do.",
)
PERSONAL = (
    "Reach me at ann.lee{n}@acme.com or +49 30 9018{n:04}.",
    "The card was 4111 1111 1111 1111 and the SSN 536-90-{n:04}.",
    "Host 10.2.{n}.7 was down; IBAN DE89 3704 0044 0532 0130 00.",
)


def text_of(draw: random.Random, chars: int, *, personal: float = 0.0) -> str:
    """Prose of so many characters; this share of its sentences holds identifiers."""
    pieces, length = [], 0
    while length < chars:
        if draw.random() < personal:
            piece = draw.choice(PERSONAL).format(n=draw.randrange(250))
        else:
            piece = " ".join(draw.choices(PROSE, k=12)) + "."
        pieces.append(piece)
        length += len(piece) + 1
    return " ".join(pieces)[:chars]


def stock() -> Callable[[str], object]:
    """The default engine, over a blank pipeline."""
    engine = default_engine()
    return lambda text: engine.analyze(text, "en")


def contenders() -> dict[str, Callable[[str], object]]:
    """Stock Presidio, and our three profiles: patterns alone, with fast, with accurate names."""
    panel = panel_of(frozenset(BUNDLE.taxonomy.entities))

    def structured(text: str) -> object:
        return run(text, time.monotonic() + 60, panel)

    def named(kind: str) -> Callable[[str], object]:
        finder = NameFinder.load((kind,), time.monotonic)
        assert finder is not None
        return lambda text: (structured(text), finder.find_now([text], 60.0))

    return {
        "stock": stock(),
        "structured": structured,
        "fast": named("fast"),
        "accurate": named("accurate"),
    }


def cost_ms(read: Callable[[str], object], text: str) -> float:
    began = time.thread_time()
    read(text)
    return (time.thread_time() - began) * 1e3


def table(rounds: int) -> Iterator[str]:
    read = contenders()
    yield "text | " + " | ".join(f"{name}, ms" for name in read) + " | stock / structured"
    for name, chars, personal in (
        ("prose, 150", 150, 0.0),
        ("prose, 2,000", 2_000, 0.0),
        ("prose, 10,000", 10_000, 0.0),
        ("5 % identifiers, 2,000", 2_000, 0.05),
        ("5 % identifiers, 50,000", 50_000, 0.05),
        ("identifiers alone, 10,000", 10_000, 1.0),
    ):
        took: dict[str, list[float]] = {who: [] for who in read}
        # A short scan is a few clock ticks: many of them, and no round after a cold start.
        for number in range(-2, rounds * 20 if chars < 1_000 else rounds):
            text = text_of(random.Random(number), chars, personal=personal)
            for who, scan in read.items():
                spent = cost_ms(scan, text)
                if number >= 0 and (chars < 20_000 or who in ("stock", "structured")):
                    took[who].append(spent)
        middle = {who: statistics.median(values) for who, values in took.items() if values}
        cells = [f"{middle[who]:.3g}" if who in middle else "–" for who in read]
        ratio = middle["stock"] / middle["structured"]
        yield f"{name} | " + " | ".join(cells) + f" | {ratio:.0f} ×"


def detector(pool: ScanPool | None = None) -> EngineDetector:
    return EngineDetector(BUNDLE, keyed=Keys(), clock=CLOCK, pool=pool)


def chat(turns: int = 20, chars: int = 600) -> str:
    """A chat in which every turn sends everything said before."""
    engine = stock()
    said = [text_of(random.Random(n), chars, personal=0.05) for n in range(turns)]
    talks = [request_of(*said[: turn + 1]) for turn in range(turns)]

    def total_ms(read: Callable[[int], object]) -> float:
        began = time.thread_time()
        for turn in range(turns):
            read(turn)
        return (time.thread_time() - began) * 1e3

    one = detector()
    with_cache = total_ms(lambda turn: asyncio.run(one.classify(talks[turn])))
    panel = panel_of(frozenset(BUNDLE.taxonomy.entities))
    without = total_ms(
        lambda n: [run(text, time.monotonic() + 60, panel) for text in said[: n + 1]]
    )
    bare = total_ms(lambda n: [engine(text) for text in said[: n + 1]])
    return (
        f"{turns} turns of {chars} characters: stock {bare:.0f} ms, patterns without a cache "
        f"{without:.1f} ms, the whole stage with its cache {with_cache:.1f} ms "
        f"({bare / with_cache:.0f} × less than stock)"
    )


async def beside_a_long_text(rounds: int) -> str:
    """64 short requests at once, with and without a text of 200,000 characters under way."""
    pool = ScanPool(workers=1)
    took: dict[bool, list[float]] = {False: [], True: []}
    try:
        await pool.warm_up()
        one = detector(pool)
        for number in range(rounds * 2):
            is_busy = number % 2 == 1
            text = text_of(random.Random(number), 200_000, personal=0.2)
            long = asyncio.create_task(one.classify(request_of(text))) if is_busy else None
            await asyncio.sleep(0.02)
            took[is_busy] += await _short(one, number)
            if long is not None:
                seen = await long
                assert not seen.failures, seen.failures
    finally:
        pool.close()
    alone, beside = (_p99_ms(took[is_busy]) for is_busy in (False, True))
    return (
        f"64 short requests at once, p99: {alone:.1f} ms; beside a text of 200,000 characters: "
        f"{beside:.1f} ms ({beside / alone:.2f} ×, asked: 2)"
    )


async def _short(one: EngineDetector, seed: int) -> list[float]:
    async def timed(n: int) -> float:
        request = request_of(text_of(random.Random(f"{seed} {n}"), 150))
        began = time.perf_counter()
        await one.classify(request)
        return (time.perf_counter() - began) * 1e3

    return list(await asyncio.gather(*map(timed, range(64))))


def _p99_ms(took: Sequence[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    for line in table(rounds):
        print(line, flush=True)
    print(f"\n{chat()}", flush=True)
    print(asyncio.run(beside_a_long_text(rounds)), flush=True)


if __name__ == "__main__":
    main()
