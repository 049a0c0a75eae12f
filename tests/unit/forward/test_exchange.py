"""What an upstream answers, read under suspicion: classes of failure, ends of streams, places."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from tests.conftest import FakeClock
from tests.swift import run_swiftly
from tests.unit.forward.test_forwarder import Desk, Keys
from tests.unit.score.fleets import deployment

from transire.domain.answer import Chunk
from transire.domain.outward import Exchange, Wire
from transire.errors import UpstreamError
from transire.forward.forwarder import OpenAIForwarder
from transire.outbound.client import OutboundError

ANSWER = json.dumps(
    {"choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]}
).encode()
CANARY = "CANARY-2b9"


class FakeReply:
    """An open response whose body comes in these pieces; None never comes."""

    def __init__(
        self,
        *pieces: bytes | OutboundError | None,
        status: int = 200,
        kind: str = "application/json",
        **headers: Any,
    ) -> None:
        self.status = status
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.headers = httpx.Headers({"content-type": kind, **named})
        self.closed = 0
        self.taken = 0
        self._pieces = pieces

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.taken += 1
            if piece is None:
                await asyncio.Event().wait()
            elif isinstance(piece, OutboundError):
                raise piece
            else:
                yield piece

    async def body(self) -> bytes:
        return b"".join([piece async for piece in self.chunks()])

    async def close(self) -> None:
        self.closed += 1


class Upstream(Desk):
    """A forwarder before an upstream that answers with this reply."""

    def __init__(self, clock: FakeClock, reply: FakeReply, **place: Any) -> None:
        super().__init__(clock)
        self.reply = reply
        self.headers: dict[str, str] = {}
        self.timeout_s = 0.0
        self.place = deployment("a", **place)
        self.wire = Wire(deployment=self.place, body=b"{}", digest=Keys().digest("wire", b"{}"))
        outbound: Any = self
        self.forwarder = OpenAIForwarder(
            outbound,
            keyed=Keys(),
            secret={"known": "s3cret"}.get,
            vouch=self.vouch,
            clock=clock,
        )

    async def post(
        self,
        url: str,
        headers: dict[str, str],
        body: bytes,
        *,
        timeout_s: float,
        before: Callable[[], None],
    ) -> Any:
        before()
        self.headers, self.timeout_s = dict(headers), timeout_s
        self.wires.posted.append(url)
        self.clock.advance(0.25)
        return self.reply

    async def ask(self, *, is_stream: bool = False, timeout_s: float = 9) -> Exchange:
        return await self.forwarder.send(
            self.recorded, self.wire, is_stream=is_stream, timeout_s=timeout_s
        )


async def failed(upstream: Upstream, **options: Any) -> UpstreamError:
    """The failure of an attempt, after which the connection is closed."""
    with pytest.raises(UpstreamError) as caught:
        await upstream.ask(**options)
    assert upstream.reply.closed == 1
    return caught.value


async def test_an_attempt_is_named_by_its_decision_and_bears_the_deployments_credential(
    clock: FakeClock,
) -> None:
    upstream = Upstream(clock, FakeReply(ANSWER), credential="known")
    await upstream.ask()

    assert upstream.headers == {
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "transire",
        "x-request-id": "dec_1-1",
        "authorization": "Bearer s3cret",
    }
    assert upstream.timeout_s == 9


async def test_a_deployment_without_a_credential_gets_none(clock: FakeClock) -> None:
    upstream = Upstream(clock, FakeReply(kind="text/event-stream"))
    await upstream.ask(is_stream=True)

    assert "authorization" not in upstream.headers
    assert upstream.headers["accept"] == "text/event-stream"


async def test_a_credential_that_is_not_configured_is_a_failure_and_nothing_leaves(
    clock: FakeClock,
) -> None:
    upstream = Upstream(clock, FakeReply(ANSWER), credential="unknown")
    with pytest.raises(UpstreamError) as caught:
        await upstream.ask()

    assert caught.value.facts == {"failure": "no_credential"}
    assert upstream.wires.posted == []


async def test_time_that_is_over_leaves_a_millisecond_and_not_eternity(clock: FakeClock) -> None:
    upstream = Upstream(clock, FakeReply(ANSWER))
    await upstream.ask(timeout_s=-1)

    assert upstream.timeout_s == 0.001


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
async def test_a_whole_answer_is_read_and_the_connection_closed_once(
    clock: FakeClock, kind: str
) -> None:
    upstream = Upstream(clock, FakeReply(ANSWER, kind=kind))
    exchange = await upstream.ask()
    answer = await exchange.completion()
    await exchange.close()

    assert [c.content for c in answer.choices] == ["hi"]
    assert (exchange.http_status, exchange.first_byte_ms) == (200, 250)
    assert upstream.reply.closed == 1


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b"<html>", "bad_shape"),
        (OutboundError("cut"), "cut"),
        (OutboundError("timeout"), "timeout"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_a_failure(
    clock: FakeClock, body: Any, failure: str
) -> None:
    upstream = Upstream(clock, FakeReply(body))
    exchange = await upstream.ask()
    with pytest.raises(UpstreamError) as caught:
        await exchange.completion()

    assert caught.value.facts == {"failure": failure}
    assert upstream.reply.closed == 1


@pytest.mark.parametrize(
    ("kind", "is_stream"),
    [("text/html", False), ("", False), ("text/event-stream", False), ("application/json", True)],
)
async def test_an_answer_of_another_kind_than_asked_for_is_broken(
    clock: FakeClock, kind: str, is_stream: bool
) -> None:
    error = await failed(Upstream(clock, FakeReply(ANSWER, kind=kind)), is_stream=is_stream)

    assert error.facts == {"failure": "bad_shape"}


@pytest.mark.parametrize(
    ("status", "failure", "is_retriable"),
    [
        (201, "status_4xx", False),
        (299, "status_4xx", False),
        (300, "redirect", False),
        (399, "redirect", False),
        (400, "status_4xx", False),
        (401, "auth", False),
        (403, "auth", False),
        (404, "status_4xx", False),
        (429, "status_429", True),
        (499, "status_4xx", False),
        (500, "status_5xx", True),
        (503, "status_5xx", True),
    ],
)
async def test_every_status_but_200_is_a_failure_of_its_class(
    clock: FakeClock, status: int, failure: str, is_retriable: bool
) -> None:
    error = await failed(Upstream(clock, FakeReply(b"no", status=status)))

    assert error.facts == {"failure": failure, "status": status}


@pytest.mark.parametrize(
    "told",
    [
        {"code": "context_length_exceeded", "message": ""},
        {"message": "This model's maximum Context Length is 8192 tokens"},
    ],
)
async def test_a_request_too_long_for_the_deployment_is_told_from_other_bad_requests(
    clock: FakeClock, told: dict[str, str]
) -> None:
    body = json.dumps({"error": told}).encode()
    error = await failed(Upstream(clock, FakeReply(body, status=400)))

    assert error.facts["failure"] == "context_length"


async def test_an_upstreams_words_are_for_the_caller_alone_and_short(clock: FakeClock) -> None:
    body = json.dumps({"error": {"message": CANARY + "é" * 3_000}}).encode()
    error = await failed(Upstream(clock, FakeReply(body, status=500)))
    told = error.facts["upstream"]

    assert CANARY not in str(error)
    assert isinstance(told, str)
    assert told.startswith(CANARY)
    assert 2_046 <= len(told.encode()) <= 2_048


async def test_an_error_text_without_end_is_not_read_to_it(clock: FakeClock) -> None:
    piece = b'{"error": {"message": "' + b"x" * 65_536
    upstream = Upstream(clock, FakeReply(*[piece] * 9, status=500))
    error = await failed(upstream)

    assert upstream.reply.taken == 1
    assert error.facts == {"failure": "status_5xx", "status": 500}


def test_an_error_text_that_never_comes_costs_no_more_than_the_attempt(clock: FakeClock) -> None:
    upstream = Upstream(clock, FakeReply(b"{", None, status=429, retry_after="7"))

    async def ask() -> tuple[UpstreamError, float]:
        return await failed(upstream, timeout_s=9), asyncio.get_running_loop().time()

    error, passed_s = run_swiftly(ask())

    assert passed_s == pytest.approx(9 - 0.25)
    assert error.facts == {
        "failure": "status_429",
        "status": 429,
        "retry_after_s": 7.0,
    }


async def test_an_error_text_that_breaks_off_is_left_out(clock: FakeClock) -> None:
    body = json.dumps({"error": {"message": "half"}}).encode()
    error = await failed(Upstream(clock, FakeReply(body, OutboundError("cut"), status=500)))

    assert "upstream" not in error.facts


@pytest.mark.parametrize(
    ("value", "expected_s"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("600", 600.0),
        ("99999999999999", 600.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("٧x", None),
        ("²", None),
        ("nan", None),
        ("inf", None),
        ("1e9", None),
        ("0x10", None),
        ("9" * 5_000, 600.0),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -9999", None),
    ],
)
async def test_retry_after_in_seconds_is_bounded_and_nonsense_is_ignored(
    clock: FakeClock, value: str, expected_s: float | None
) -> None:
    reply = FakeReply(b"", status=429)
    reply.headers["retry-after"] = value
    error = await failed(Upstream(clock, reply))

    assert error.facts.get("retry_after_s") == expected_s


@pytest.mark.parametrize(("ahead_s", "expected_s"), [(90, 90.0), (-90, 0.0), (9_000, 600.0)])
@pytest.mark.parametrize("zone", ["GMT", "+0200", "-0000"])
async def test_retry_after_as_a_date_counts_from_now(
    clock: FakeClock, ahead_s: int, expected_s: float, zone: str
) -> None:
    hours = 2 if zone == "+0200" else 0
    moment = clock.now() + timedelta(seconds=ahead_s, hours=hours)
    text = f"{format_datetime(moment)[:-5]}{zone}"
    error = await failed(Upstream(clock, FakeReply(b"", status=429, retry_after=text)))

    # A quarter of a second passed on the way.
    assert error.facts["retry_after_s"] == pytest.approx(expected_s, abs=0.25)


@pytest.mark.parametrize(
    ("named", "place"),
    [
        ({}, ""),
        ({"x_ms_region": "West Europe"}, "West Europe"),
        ({"x_transire_region": "DE"}, "DE"),
        ({"x_litellm_model_region": "eu", "x_ms_region": "US"}, "US"),
        ({"x_ms_region": "x" * 999}, "x" * 256),
    ],
)
async def test_the_place_an_answer_names_is_read_from_known_headers(
    clock: FakeClock, named: dict[str, Any], place: str
) -> None:
    exchange = await Upstream(clock, FakeReply(ANSWER, **named)).ask()

    assert exchange.region == place


def piece(index: int = 0, content: str | None = None, finish: str | None = None) -> bytes:
    delta = {} if content is None else {"content": content}
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


HI, END, DONE = piece(content="hi"), piece(finish="stop"), b"data: [DONE]\n\n"


async def read(clock: FakeClock, *pieces: Any) -> tuple[Sequence[Chunk], str]:
    """What a stream of these pieces says, and how it fails; the connection is closed after it."""
    upstream = Upstream(clock, FakeReply(*pieces, kind="text/event-stream"))
    exchange = await upstream.ask(is_stream=True)
    found: list[Chunk] = []
    error: UpstreamError | None = None
    try:
        async for chunk in exchange.chunks():
            found.append(chunk)  # noqa: PERF401 - what came before a failure counts
    except UpstreamError as raised:
        error = raised
    assert CANARY not in str(error)
    assert upstream.reply.closed == 1
    return found, "" if error is None else str(error.facts["failure"])


@pytest.mark.parametrize(
    ("pieces", "count", "failure"),
    [
        ((HI, END, DONE), 2, ""),
        ((HI, DONE), 1, ""),
        ((DONE, HI), 0, ""),
        ((HI, END), 2, ""),
        ((HI,), 1, "cut"),
        ((), 0, "cut"),
        ((HI, piece(1, "ho"), END), 3, "cut"),
        ((HI, piece(1, "ho"), END, piece(1, finish="stop")), 4, ""),
        ((HI, b'data: {"choices": []}\n\n', END, DONE), 2, ""),
        ((HI, OutboundError("cut")), 1, "cut"),
        ((HI, OutboundError("timeout")), 1, "timeout"),
        ((HI, b"data: <html>\n\n"), 1, "bad_shape"),
        ((HI, b'data: {"error": {"message": "CANARY-2b9"}}\n\n'), 1, "upstream_error_event"),
        ((HI, b'data: {"error": {"code": "x"}}\n\n'), 1, "upstream_error_event"),
        ((HI, *[b"data: " + b"x" * 65_536] * 100), 1, "too_large"),
    ],
)
async def test_a_stream_ends_cleanly_only_where_the_upstream_ended_it(
    clock: FakeClock, pieces: tuple[Any, ...], count: int, failure: str
) -> None:
    found, failed_as = await read(clock, *pieces)

    assert (len(found), failed_as) == (count, failure)


async def test_a_stream_that_nobody_reads_on_is_closed(clock: FakeClock) -> None:
    upstream = Upstream(clock, FakeReply(HI, None, kind="text/event-stream"))
    exchange = await upstream.ask(is_stream=True)
    stream: Any = exchange.chunks()
    await anext(stream)
    await stream.aclose()

    assert upstream.reply.closed == 1
