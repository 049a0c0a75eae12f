"""One table from our errors to both wire shapes, so that no route invents its own.

OpenAI-shaped: `{"error": {message, type, param, code, …}}`. Elsewhere: RFC 9457 problem+json. Both
carry `decision_id` where one was given. `x-should-retry: false` stops SDKs that retry by themselves
where a retry cannot help, or would spend another attempt budget.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from starlette.responses import JSONResponse, Response

from transire.errors import DeploymentsUnavailable, ThrottledError, TransireError, UpstreamError

__all__ = [
    "MAX_IGNORED",
    "UNREADABLE_BODY",
    "error_headers",
    "invalid_body",
    "openai_body",
    "openai_error",
    "problem",
]

MAX_IGNORED: Final = 32
"""Fields named in one `x-transire-ignored`; clients and proxies bound headers at 8 kB."""
UNREADABLE_BODY: Final = "the body cannot be read: it is nested too deeply, or is not UTF-8"
_MAX_NAMED: Final = 32
_MAX_NAME_CHARS: Final = 80
_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "policy_error",
    404: "invalid_request_error",
    409: "conflict_error",
    413: "invalid_request_error",
    422: "contract_error",
    429: "rate_limit_error",
    502: "upstream_error",
    503: "service_unavailable_error",
}
_SHOWN: Final = frozenset(
    {"review_id", "queues", "policies", "violations", "filters", "failure", "decision_id"}
    | {"upstream", "problems", "attempts", "complete_to", "spent_by", "outcome"}
)
"""Facts of an error that its caller may see."""


def openai_body(error: TransireError) -> dict[str, Any]:
    """The error object OpenAI's SDKs parse, with our ids beside it."""
    body: dict[str, Any] = {
        "message": error.message,
        "type": _TYPES.get(error.status, "api_error"),
        "param": error.param,
        "code": error.code,
        "decision_id": error.decision_id,
    }
    body.update({k: v for k, v in error.facts.items() if k in _SHOWN and k not in body})
    return {"error": body}


def error_headers(error: TransireError) -> dict[str, str]:
    """Headers every error answer carries."""
    headers = {f"x-transire-{name}": value for name, value in error.routed.items()}
    if error.decision_id:
        headers["x-transire-decision-id"] = error.decision_id
    if isinstance(error, ThrottledError):
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    elif isinstance(error, DeploymentsUnavailable) and "retry_after_s" in error.facts:
        headers["retry-after"] = str(error.facts["retry_after_s"])
    if not error.should_retry or isinstance(error, UpstreamError):
        headers["x-should-retry"] = "false"
    return headers


def openai_error(error: TransireError) -> Response:
    """An error answer on an OpenAI-shaped route."""
    return JSONResponse(openai_body(error), error.status, headers=error_headers(error))


def problem(error: TransireError) -> Response:
    """An error answer elsewhere (RFC 9457)."""
    body: dict[str, Any] = {
        "type": f"urn:transire:error:{error.code}",
        "title": error.code.replace("_", " "),
        "status": error.status,
        "detail": error.message,
        "code": error.code,
    }
    if error.decision_id:
        body["decision_id"] = error.decision_id
    if error.param:
        body["param"] = error.param
    body.update({k: v for k, v in error.facts.items() if k in _SHOWN and k not in body})
    return JSONResponse(
        body, error.status, headers=error_headers(error), media_type="application/problem+json"
    )


def invalid_body(found: Iterable[Mapping[str, Any]]) -> str:
    """What is wrong with the body or the parameters of a route other than the path's.

    Places alone, never values: the input may be content (I6).

    Args:
        found: Errors as pydantic lists them; `loc` begins with where the input stood.
    """
    found = list(found)
    for one in found:
        where, *rest = one["loc"]
        if one["type"] == "json_invalid":
            return f"the body is not JSON (character {rest[0]})"
        if where == "body" and not rest:
            # What is no JSON by its content type reaches validation as bytes.
            return "this route takes a JSON object, sent as `content-type: application/json`"
    places = sorted({_place(one["loc"][1:]) for one in found})
    return f"these fields are wrong or missing: {', '.join(places[:_MAX_NAMED])}"


def _place(steps: Iterable[object]) -> str:
    return ".".join(str(step) for step in steps)[:_MAX_NAME_CHARS]
