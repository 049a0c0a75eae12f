"""One simulated deployment that speaks OpenAI's protocol, and can be told to fail.

Answers depend on the model and on what it is sent alone (`voices`). `POST /_behave {"mode": …}`
switches failures on at run time (`MODES` lists them). `GET /_received` shows what arrived, and the
last answer; both are kept in memory only.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from transire.demo.voices import (
    WRONG_TYPE,
    Model,
    as_json,
    instance,
    is_noted,
    last_text,
    mode_of,
    say,
)

__all__ = ["MADE_UP", "MODES", "Upstream", "build_upstream"]

MODES: Final = frozenset(
    {"ok", "error_500", "error_400", "error_401", "rate_limit", "hang", "slow", "html", "redirect"}
    | {"huge", "endless", "cut", "wrong_tool", "wrong_model", "bad_json", "empty", "leak"}
    | {"echo", "echo_signs", "hold", "missing_brace", "wrong_type", "makes_up", "refuses"}
)
_ECHOES: Final = frozenset({"echo", "echo_signs"})
"""The prompt comes back, in words or sign by sign."""
MADE_UP: Final = "Use the key AKIA2E4Q7RT3XYZWUVKL, or write to dora.lindqvist@made-up.example."
"""What a deployment says that `makes_up`: a credential and a person's address nobody gave it."""
REFUSAL: Final = "I'm sorry, but I can't help with that."
_MAX_KEPT: Final = 1_000
_CREATED: Final = 1_764_000_000


@dataclass(slots=True)
class Upstream:
    """One simulated deployment."""

    name: str
    model: Model
    mode: str = "ok"
    count: int = 0
    cancelled: int = 0
    received: list[dict[str, Any]] = field(default_factory=list)
    said: str = ""

    async def complete(self, request: Request) -> Response:
        """`POST /v1/chat/completions`."""
        body = orjson.loads(await request.body())
        self.count += 1
        if len(self.received) < _MAX_KEPT:
            self.received.append({"headers": dict(request.headers), "body": body})
        if (failure := await self._failure()) is not None:
            return failure
        await asyncio.sleep(self.model.first_ms / 1_000)
        message, finish = self._message(body)
        self.said = message.get("content") or ""
        usage = _usage(body, message)
        model = "somebody-else" if self.mode == "wrong_model" else body["model"]
        if body.get("stream"):
            events = self._events(body, message, finish, usage, model)
            return StreamingResponse(events, media_type="text/event-stream")
        choices = [
            {"index": i, "message": message, "finish_reason": finish, "logprobs": None}
            for i in range(body.get("n", 1))
        ]
        return JSONResponse(
            {
                "id": "up-1",
                "object": "chat.completion",
                "created": _CREATED,
                "model": model,
                "choices": choices,
                "usage": usage,
            }
        )

    async def _failure(self) -> Response | None:
        if self.mode == "hang":
            await asyncio.sleep(600)
        if self.mode == "slow":
            await asyncio.sleep(2)
        while self.mode == "hold":  # until it is told to behave otherwise
            await asyncio.sleep(0.01)
        if self.mode == "endless":
            return StreamingResponse(_endless(), media_type="text/event-stream")
        if self.mode == "huge":
            return StreamingResponse(_huge(), media_type="application/json")
        answers: dict[str, Response] = {
            "error_500": _error(500, "the deployment is on fire", "server_error"),
            "error_400": _error(400, "this model refuses that field", "invalid_request_error"),
            "error_401": _error(401, "bad upstream key", "invalid_api_key"),
            "rate_limit": _error(429, "too many requests", "rate_limit", {"retry-after": "2"}),
            "html": Response("<html>login</html>", media_type="text/html"),
            "redirect": RedirectResponse("http://127.0.0.1:1/elsewhere"),
            "bad_json": Response(b'{"choices": [', media_type="application/json"),
            "leak": _error(500, "the card 4111 1111 1111 1111 was declined", "server_error"),
        }
        return answers.get(self.mode)

    def _message(self, body: dict[str, Any]) -> tuple[dict[str, Any], str]:
        prompt = last_text(body)
        mode = "ok" if self.mode == WRONG_TYPE and is_noted(body) else self.mode
        written = mode_of(self.model, body) if mode == "ok" else mode
        odd: dict[str, Callable[[], tuple[dict[str, Any], str]]] = {
            "makes_up": lambda: _echo(body, MADE_UP),
            "refuses": lambda: _echo(body, REFUSAL),
            "empty": lambda: ({"role": "assistant", "content": ""}, "stop"),
            "wrong_tool": lambda: (_calls([("nobody_offered_this", {})]), "tool_calls"),
            **dict.fromkeys(_ECHOES, lambda: _echo(body, prompt)),
        }
        if self.mode in odd:
            return odd[self.mode]()
        tools = [t["function"] for t in body.get("tools", ()) if t["type"] == "function"]
        has_result = any(m["role"] == "tool" for m in body["messages"])
        if tools and not has_result and body.get("tool_choice") != "none":
            wanted = tools if "parallel" in prompt.lower() else tools[:1]
            made = [(t["name"], instance(t.get("parameters") or {}, prompt)) for t in wanted]
            return _calls(made, mode), "tool_calls"
        form = body.get("response_format", {})
        if form.get("type") == "json_schema":
            value = instance(form["json_schema"].get("schema", {}), prompt)
            return {"role": "assistant", "content": as_json(value, written)}, "stop"
        text = say(self.name, self.model, prompt)
        if form.get("type") == "json_object":
            return {"role": "assistant", "content": as_json({"answer": text}, written)}, "stop"
        limit = body.get("max_tokens", body.get("max_completion_tokens", 10_000))
        words = text.split(" ")
        finish = "length" if len(words) > limit else "stop"
        return {"role": "assistant", "content": " ".join(words[:limit])}, finish

    async def _events(
        self,
        body: dict[str, Any],
        message: dict[str, Any],
        finish: str,
        usage: dict[str, int],
        model: str,
    ) -> AsyncIterator[bytes]:
        def frame(delta: dict[str, Any], index: int, reason: str | None = None) -> bytes:
            choice = {"index": index, "delta": delta, "finish_reason": reason}
            return _event({"model": model, "created": _CREATED, "choices": [choice]})

        try:
            for index in range(body.get("n", 1)):
                yield frame({"role": "assistant", "content": ""}, index)
                for i, piece in enumerate(self._pieces(message.get("content") or "")):
                    if self.mode == "cut" and i == 3:
                        return
                    await asyncio.sleep(self.model.word_ms / 1_000)
                    yield frame({"content": piece}, index)
                for delta in _interleaved(message.get("tool_calls") or []):
                    yield frame({"tool_calls": [delta]}, index)
                yield frame({}, index, finish)
            if body.get("stream_options", {}).get("include_usage"):
                yield _event({"model": model, "choices": [], "usage": usage})
            yield b"data: [DONE]\n\n"
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise

    def _pieces(self, text: str) -> list[str]:
        """What one event of a stream says: a word, or a single sign."""
        if self.mode in {"echo_signs", "makes_up"}:
            return list(text)
        first, *rest = text.split(" ")
        return [first, *(f" {word}" for word in rest)]

    async def behave(self, request: Request) -> Response:
        """`POST /_behave`."""
        mode = orjson.loads(await request.body()).get("mode")
        if mode not in MODES:
            return JSONResponse({"modes": sorted(MODES)}, 400)
        self.mode = mode
        return JSONResponse({"name": self.name, "mode": mode})

    async def seen(self, _request: Request) -> Response:
        """`GET /_received`."""
        return JSONResponse(
            {
                "count": self.count,
                "cancelled": self.cancelled,
                "received": self.received,
                "said": self.said,
            }
        )

    async def forget(self, _request: Request) -> Response:
        """`DELETE /_received`."""
        self.count = self.cancelled = 0
        self.received.clear()
        self.said = ""
        return JSONResponse({})


def build_upstream(upstream: Upstream) -> Starlette:
    """One deployment's application."""
    return Starlette(
        routes=[
            Route("/v1/chat/completions", upstream.complete, methods=["POST"]),
            Route("/_behave", upstream.behave, methods=["POST"]),
            Route("/_received", upstream.seen, methods=["GET"]),
            Route("/_received", upstream.forget, methods=["DELETE"]),
        ]
    )


def _echo(body: dict[str, Any], prompt: str) -> tuple[dict[str, Any], str]:
    """A text (the prompt, as it arrived): said, called with, or as JSON."""
    tools = [t["function"] for t in body.get("tools", ()) if t["type"] == "function"]
    if tools and body.get("tool_choice") != "none":
        return _calls([(tools[0]["name"], {"text": prompt})]), "tool_calls"
    is_json = body.get("response_format", {}).get("type") == "json_object"
    content = json.dumps({"answer": prompt}) if is_json else prompt
    return {"role": "assistant", "content": content}, "stop"


def _calls(made: list[tuple[str, Any]], mode: str = "ok") -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": f"call_{i}",
                "type": "function",
                "function": {"name": name, "arguments": as_json(arguments, mode)},
            }
            for i, (name, arguments) in enumerate(made)
        ],
    }


def _interleaved(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Deltas of parallel calls, mixed as real servers mix them."""
    deltas: list[dict[str, Any]] = [
        {
            "index": i,
            "id": call["id"],
            "type": "function",
            "function": {"name": call["function"]["name"], "arguments": ""},
        }
        for i, call in enumerate(calls)
    ]
    for is_second in (False, True):
        for i, call in enumerate(calls):
            text = call["function"]["arguments"]
            middle = len(text) // 2
            piece = text[middle:] if is_second else text[:middle]
            deltas.append({"index": i, "function": {"arguments": piece}})
    return deltas


def _usage(body: dict[str, Any], message: dict[str, Any]) -> dict[str, int]:
    prompt = len(orjson.dumps(body["messages"])) // 4
    answer = max(1, len(orjson.dumps(message)) // 4)
    total = prompt + answer
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": total}


def _event(fields: dict[str, Any]) -> bytes:
    document = {"id": "up-1", "object": "chat.completion.chunk", **fields}
    return b"data: " + orjson.dumps(document) + b"\n\n"


def _error(
    status: int, message: str, code: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    error = {"message": message, "type": code, "code": code, "param": None}
    return JSONResponse({"error": error}, status, headers=headers)


async def _huge() -> AsyncIterator[bytes]:
    yield b'{"choices": [{"message": {"content": "'
    for _ in range(1_024):
        yield b"x" * (1024 * 1024)


async def _endless() -> AsyncIterator[bytes]:
    for _ in range(1_000_000):
        choice = {"index": 0, "delta": {"content": "again "}, "finish_reason": None}
        yield _event({"choices": [choice]})
        await asyncio.sleep(0.01)
