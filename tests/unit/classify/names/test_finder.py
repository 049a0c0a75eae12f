"""Which model reads how much, and what happens when time or room runs out."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.classify.names.chain import TaggerChain
from transire.classify.names.finder import EMBEDDED, NameFinder, readers_of
from transire.classify.names.tagger import load_tagger, windows
from transire.classify.names.wordpiece import Piece, WordPieces
from transire.classify.scan import Scan
from transire.errors import BundleError

PIECES = WordPieces.load(EMBEDDED["fast"].parent / "vocab.txt")
LONG = "a quiet word about nothing " * 200


class Ticking:
    """A clock that moves by so much at every look."""

    def __init__(self, step: float = 1.0) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


class Counting:
    """A model that finds nothing and counts what it was asked."""

    digest = "0" * 64

    def __init__(self, gate: threading.Event | None = None) -> None:
        self.asked = 0
        self.gate = gate

    def judge(self, pieces: Sequence[Piece], first: int, last: int) -> Any:
        self.asked += 1
        if self.gate is not None:
            self.gate.wait(5)
        return np.zeros((len(pieces), 3))


def chain_of(*models: Any) -> TaggerChain:
    return TaggerChain(models, PIECES)


def finder(*models: Any, **changes: Any) -> NameFinder:
    return NameFinder((chain_of(*models),), changes.pop("monotonic", Ticking()), **changes)


@given(st.integers(0, 2_000))
def test_every_piece_is_judged_once_and_sees_its_neighbours(count: int) -> None:
    plan = windows([Piece(0, 0, 1, starts_word=True)] * count)

    assert [i for _, _, a, b in plan for i in range(a, b)] == list(range(count))
    for start, end, judged, until in plan:
        assert start <= judged < until <= end <= start + 126
        assert start == 0 or judged - start >= 8
        assert end == count or end - until >= 8


def test_the_faster_model_reads_what_the_better_one_had_no_time_for() -> None:
    better, faster = Counting(), Counting()
    count = len(windows(PIECES.split(2 * LONG)))
    clock = Ticking(0.1)

    scan = finder(better, faster, monotonic=clock).find_now([2 * LONG], 10.0)[0]

    assert scan.failed == ()
    assert scan.reduced == ("PERSON",)
    assert better.asked == 9  # one look at the clock a window, for one second
    assert better.asked + faster.asked == count > 9


def test_what_the_better_model_read_alone_is_not_reduced() -> None:
    scans = finder(Counting(), Counting(), monotonic=Ticking(0.01)).find_now([LONG, "one"], 10.0)

    assert [scan.reduced for scan in scans] == [(), ()]


def test_a_single_model_is_never_a_weaker_one() -> None:
    scan = finder(Counting(), monotonic=Ticking(0.1)).find_now([LONG], 100.0)[0]

    assert (scan.failed, scan.reduced) == ((), ())


def test_a_short_deadline_is_shared_three_to_two() -> None:
    better, faster = Counting(), Counting()

    scan = finder(better, faster, monotonic=Ticking(1 / 16)).find_now([LONG], 10 / 16)[0]

    assert better.asked == 5
    assert faster.asked == 3
    assert scan.failed == ("PERSON",)


async def test_a_short_text_does_not_wait_behind_a_long_one() -> None:
    gate = threading.Event()
    model = Counting(gate)
    reading = finder(model)

    long = asyncio.ensure_future(reading.find([LONG], 1e9))
    while not model.asked:
        await asyncio.sleep(0)
    model.gate = None
    short = await reading.find(["one word"], 1e9)
    was_waiting = not long.done()
    gate.set()
    await long
    reading.close()

    assert [scan.failed for scan in short] == [()]
    assert was_waiting


async def test_texts_of_one_party_take_neither_turn_nor_time_of_another() -> None:
    gate = threading.Event()
    model = Counting(gate)
    reading = finder(model, monotonic=(clock := Ticking(0.0)), threads=1, queue=2)
    order: list[str] = []

    async def ask(party: str) -> list[Scan]:
        scans = await reading.find([LONG], 1.0, party)
        order.append(party)
        return scans

    loud = [asyncio.ensure_future(ask("loud")) for _ in range(3)]
    while not model.asked:
        await asyncio.sleep(0)
    quiet = asyncio.ensure_future(ask("quiet"))
    await asyncio.sleep(0)
    clock.now += 0.9  # by now, a deadline that began with the waiting is almost over
    gate.set()
    scans = await quiet
    answers = await asyncio.gather(*loud)
    reading.close()

    assert [scan.failed for scan in scans] == [()]
    assert sorted(scan.failed for (scan,) in answers) == [(), (), ("PERSON",)]
    assert order == ["loud", "loud", "quiet", "loud"]  # gave way, was reading, quiet, waited


def test_names_have_failed_where_the_last_model_runs_out_of_time_too() -> None:
    scan = finder(Counting(), Counting()).find_now([LONG], 5.0)[0]

    assert scan.failed == ("PERSON",)


async def test_a_request_that_finds_no_room_has_failed() -> None:
    gate = threading.Event()
    waiting = finder(Counting(gate), threads=1, queue=1)

    first = [asyncio.ensure_future(waiting.find(["one word"], 1e9)) for _ in range(2)]
    await asyncio.sleep(0)
    refused = await waiting.find(["one word"], 1e9)
    gate.set()
    answered = await asyncio.gather(*first)

    assert [scan.failed for scan in refused] == [("PERSON",)]
    assert [scan.failed for scans in answered for scan in scans] == [(), ()]
    assert [s.failed for s in await waiting.find(["one word"], 1e9)] == [()]
    waiting.close()


async def test_what_nobody_waits_for_is_not_read_to_its_end() -> None:
    gate, model = threading.Event(), Counting()
    model.gate = gate
    reading = finder(model)

    task = asyncio.ensure_future(reading.find([LONG], 1e9))
    while not model.asked:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    gate.set()
    reading.close()
    reading._long.shutdown(wait=True)

    assert model.asked == 1


@pytest.mark.parametrize("unit", ["ａ\u200b", "aс", "①\u200b", "%61"], ids=ascii)
def test_undoing_disguises_ends_at_the_deadline_and_fails_by_name(unit: str) -> None:
    model, clock = Counting(), Ticking()

    scan = finder(model, monotonic=clock).find_now([unit * (200_000 // len(unit))], 5.0)[0]

    assert scan.failed == ("PERSON",)
    assert model.asked == 0
    assert clock.now <= 8.0  # no look was taken after the one that was too late


def test_disguises_that_are_undone_in_time_are_read() -> None:
    model = Counting()

    scan = finder(model, monotonic=Ticking(0.01)).find_now(["ａ\u200bсｂ " * 5_000], 1e9)[0]

    assert scan.failed == ()
    assert model.asked > 0


def test_a_model_that_raises_has_failed() -> None:
    class Broken(Counting):
        def judge(self, pieces: Sequence[Piece], first: int, last: int) -> Any:
            raise RuntimeError

    assert finder(Broken()).find_now(["one word", "12"], 10.0)[0].failed == ("PERSON",)


def test_a_text_without_letters_asks_nobody() -> None:
    model = Counting()

    assert finder(model).find_now(["12 : 30", ""], 10.0)[0].hits == ()
    assert model.asked == 0


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ((), "at least one"),
        (("",), "none of accurate"),
        (("best",), "none of accurate"),
        (("none", "fast"), "stands alone"),
        (("accurate", "fast"), "hands over"),
        (("fast", "fast"), "twice"),
        (("onnx:/models/x",), "sha256=HEX"),
        (("spacy:models/x#sha256=" + "0" * 64,), "absolute"),
        (("spacy:https://models.example/x#sha256=" + "0" * 64,), "absolute"),
        (("spacy:/no/such/model#sha256=" + "0" * 64,), "no such folder"),
        (("gliner:/models/x#sha256=" + "0" * 64,), "not supported"),
    ],
)
def test_a_model_that_there_is_not_is_refused(names: tuple[str, ...], reason: str) -> None:
    with pytest.raises(BundleError, match=reason):
        readers_of(names)


def test_what_any_of_several_readers_finds_is_found() -> None:
    class Finding(Counting):
        def __init__(self, at: int) -> None:
            super().__init__()
            self.at = at

        def judge(self, pieces: Sequence[Piece], first: int, last: int) -> Any:
            likely = super().judge(pieces, first, last)
            likely[self.at, 0] = 0.9
            return likely

    readers = [chain_of(Finding(at)) for at in (1, 3)]
    scan = NameFinder(readers, Ticking()).find_now(["ask anna or bob"], 1e9)[0]

    assert [(hit.start, hit.end) for hit in scan.hits] == [(4, 8), (12, 15)]


def test_one_reader_that_fails_is_a_failure_of_the_class() -> None:
    class Broken(Counting):
        def judge(self, pieces: Sequence[Piece], first: int, last: int) -> Any:
            raise RuntimeError

    readers = [chain_of(model) for model in (Counting(), Broken())]

    assert NameFinder(readers, Ticking()).find_now(["a"], 1e9)[0].failed == ("PERSON",)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"nothing")

    for path in (tmp_path / "x.onnx", tmp_path / "absent.onnx"):
        with pytest.raises(BundleError):
            load_tagger(path)


async def test_a_long_conversation_takes_one_place_and_not_one_a_message() -> None:
    reading = finder(Counting(), queue=1, threads=1)

    scans = await asyncio.gather(*(reading.find(["one word"] * 400, 1e9) for _ in range(2)))
    reading.close()

    assert {scan.failed for answer in scans for scan in answer} == {()}
