"""OpenAPI for the hot routes, which FastAPI does not see; kept beside them by a test."""

from typing import Any

from transire.classify.fields import BODY, Kind

__all__ = ["hot_paths"]


def hot_paths() -> dict[str, Any]:
    """Paths of chat, advice and models."""
    body = {
        "required": True,
        "content": {"application/json": {"schema": _chat_schema()}},
    }
    secured: dict[str, Any] = {"security": [{"bearer": []}]}
    return {
        "/v1/chat/completions": {
            "post": {
                "summary": "Answer a chat request inside the permitted set.",
                "operationId": "chat_completions",
                "tags": ["chat"],
                "requestBody": body,
                "responses": _responses("A chat completion, or server-sent events."),
                **secured,
            }
        },
        "/v1/decisions": {
            "post": {
                "summary": "Say what would be decided; permits nothing.",
                "operationId": "advise",
                "tags": ["decisions"],
                "requestBody": body,
                "responses": _responses("Advice."),
                **secured,
            }
        },
        "/v1/models": {
            "get": {
                "summary": "The names with which inference would reach something for this key.",
                "operationId": "list_models",
                "tags": ["chat"],
                "responses": _responses("A list of models."),
                **secured,
            }
        },
    }


def _chat_schema() -> dict[str, Any]:
    properties = {
        name: {"description": f"{row.expects} ({row.kind})"}
        for name, row in sorted(BODY.items())
        if row.kind is not Kind.EGRESS
    }
    return {"type": "object", "required": ["model", "messages"], "properties": properties}


def _responses(text: str) -> dict[str, Any]:
    errors = {
        "400": "The request cannot be served as it stands.",
        "401": "No valid key.",
        "403": "Policy denies, or a review is required.",
        "404": "No such model.",
        "409": "The approval was spent, or the request is not the held one.",
        "413": "Too large.",
        "422": "No permitted answer kept the contract.",
        "429": "Over a limit; see Retry-After.",
        "502": "Every permitted attempt failed upstream.",
        "503": "The router could not decide or record.",
    }
    return {"200": {"description": text}} | {
        status: {"description": meaning} for status, meaning in errors.items()
    }
