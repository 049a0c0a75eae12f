"""Builders of requests with contracts and of answers to them."""

from typing import Any

from transire.domain.answer import AnswerChoice, Completion, ToolCall, Usage
from transire.domain.ids import DecisionId, KeyId, TenantId
from transire.domain.request import Assertions, Body, Principal, RoutingRequest


def body_of(fields: dict[str, Any] | None = None, **changes: Any) -> Body:
    given = fields or {}
    plain: dict[str, Any] = {
        "fields": given,
        "parts": (),
        "capabilities": frozenset(),
        "needs": frozenset(),
        "ignored": (),
        "size_bytes": 10,
        "tokens_estimate": 3,
        "has_contract": "response_format" in given or "tools" in given,
    }
    return Body(**{**plain, **changes})


def request_of(
    fields: dict[str, Any] | None = None, assertions: Assertions | None = None, **changes: Any
) -> RoutingRequest:
    return RoutingRequest(
        id=DecisionId("dec_1"),
        principal=Principal(kind="application", tenant=TenantId("t"), key_id=KeyId("k")),
        asked_model="auto",
        body=body_of(fields, **changes),
        assertions=assertions or Assertions(),
        is_stream=False,
        wants_usage=False,
        mac=b"",
        content_digest=b"",
        deadline_s=60.0,
    )


def with_schema(schema: Any) -> dict[str, Any]:
    return {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    }


def with_tools(*names: str, strict: bool = False, **fields: Any) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    return {
        "tools": [
            {
                "type": "function",
                "function": {"name": name, "parameters": parameters, "strict": strict},
            }
            for name in names
        ],
        **fields,
    }


def answer_of(
    content: str | None = None,
    *calls: tuple[str, str],
    finish: str | None = "stop",
    refusal: str | None = None,
    tokens: int | None = None,
) -> Completion:
    made = tuple(
        ToolCall(id=f"call_{i}", name=name, arguments=arguments)
        for i, (name, arguments) in enumerate(calls)
    )
    usage = None
    if tokens is not None:
        usage = Usage(prompt_tokens=1, completion_tokens=tokens, total_tokens=tokens + 1)
    choice = AnswerChoice(
        index=0, content=content, refusal=refusal, tool_calls=made, finish_reason=finish
    )
    return Completion(choices=(choice,), usage=usage, model="m", created=0)
