"""One table from our errors to both wire shapes, so that no route invents its own.

OpenAI-shaped: `{"error": {message, type, param, code, …}}`. Elsewhere: RFC 9457 problem+json. Both
carry `decision_id` where one was given. `x-should-retry: false` stops SDKs that retry by themselves
where a retry cannot help, or would spend another attempt budget.
"""

from typing import Any, Final

from starlette.responses import JSONResponse, Response

from transire.errors import ThrottledError, TransireError, UpstreamError

__all__ = ["MAX_IGNORED", "error_headers", "openai_body", "openai_error", "problem"]

MAX_IGNORED: Final = 32
"""Fields named in one `x-transire-ignored`; clients and proxies bound headers at 8 kB."""
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
    | {"upstream", "problems", "attempts", "complete_to"}
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
    headers: dict[str, str] = {}
    if error.decision_id:
        headers["x-transire-decision-id"] = error.decision_id
    attempts = error.facts.get("attempts")
    if isinstance(attempts, list):
        headers["x-transire-attempts"] = str(len(attempts))
    if isinstance(error, ThrottledError):
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
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
