"""Server-sent events, however the bytes are cut."""

import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.forward.sse import EventTooLargeError, SseReader

STREAM = 'data: {"a": "é"}\n\n: a comment\nid: 7\ndata: one\ndata: two\n\ndata:[DONE]\n\n'.encode()
EVENTS = ['{"a": "é"}'.encode(), b"one\ntwo", b"[DONE]"]


def read(pieces: Sequence[bytes]) -> list[bytes]:
    reader = SseReader()
    return [event for piece in pieces for event in reader.feed(piece)]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_a_stream_cut_at_any_place_gives_the_same_events(newline: bytes) -> None:
    stream = STREAM.replace(b"\n", newline) + b":\n"

    for cut in range(len(stream) + 1):
        assert read([stream[:cut], stream[cut:]]) == EVENTS, cut


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_a_stream_in_many_pieces_gives_the_same_events(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]

    assert read([STREAM[a:b] for a, b in pairwise(edges)]) == EVENTS


def test_a_long_line_in_small_pieces_costs_what_it_weighs() -> None:
    def cpu_s(pieces: int) -> float:
        reader, began = SseReader(), time.process_time()
        list(reader.feed(b"data: "))
        for _ in range(pieces):
            list(reader.feed(b"x" * 1_000))
        return time.process_time() - began

    # Four times the text; quadratic would be sixteen times the work.
    assert any(cpu_s(4_000) <= 8 * cpu_s(1_000) for _ in range(4))


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_a_failure(data: bytes) -> None:
    reader = SseReader()

    assert all(isinstance(e, bytes) for e in [*reader.feed(data), *reader.feed(b"\n\n")])


@pytest.mark.parametrize("piece", [b"x" * 65_536, b"data: " + b"x" * 65_530])
def test_an_event_that_never_ends_is_refused(piece: bytes) -> None:
    reader = SseReader()

    def feed_for_ever() -> None:
        for _ in range(100):
            list(reader.feed(piece))

    with pytest.raises(EventTooLargeError):
        feed_for_ever()


def test_many_lines_of_one_event_count_together() -> None:
    reader = SseReader()

    def feed_lines() -> None:
        for _ in range(100):
            list(reader.feed(b"data: " + b"x" * 65_530 + b"\n"))

    with pytest.raises(EventTooLargeError):
        feed_lines()
