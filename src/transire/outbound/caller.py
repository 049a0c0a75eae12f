"""Small JSON calls of the command line to its own server, under the same rules as the rest."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import httpx

from transire.errors import (
    AccessError,
    AuthenticationError,
    BundleError,
    ConflictError,
    GovernanceUnavailable,
    NotFoundError,
    PolicyDenied,
    RequestError,
    ThrottledError,
    TransireError,
)

__all__ = ["Answer", "call", "exchange", "page"]

_TIMEOUT_S: Final = 60.0
_BY_STATUS: Final[dict[int, type[TransireError]]] = {
    401: AuthenticationError,
    403: AccessError,
    404: NotFoundError,
    409: ConflictError,
    503: GovernanceUnavailable,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer as it came."""

    status: int
    headers: Mapping[str, str]
    document: dict[str, Any]


def exchange(
    method: str,
    url: str,
    *,
    credential: str | None,
    body: dict[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> Answer:
    """One request; no redirects, no proxies from the environment.

    Raises:
        GovernanceUnavailable: the server could not be reached, or did not answer JSON.
    """
    sent = dict(headers or {})
    if credential:
        sent["authorization"] = f"Bearer {credential}"
    try:
        with _client(url, timeout_s) as client:
            reply = client.request(method, url, headers=sent, json=body)
    except (httpx.HTTPError, httpx.InvalidURL):
        raise GovernanceUnavailable(
            f"no answer from `{url}`; is `transire serve` running?"
        ) from None
    try:
        document = reply.json()
    except ValueError:
        raise GovernanceUnavailable("the server's answer is not JSON") from None
    shaped = document if isinstance(document, dict) else {"value": document}
    return Answer(reply.status_code, dict(reply.headers), shaped)


def page(url: str, *, timeout_s: float) -> str:
    """The text at an address; empty where nobody answers, or answers anything but 200."""
    try:
        with _client(url, timeout_s) as client:
            reply = client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL):
        return ""
    return reply.text if reply.status_code == 200 else ""


def call(
    method: str, url: str, *, credential: str | None, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """One request, whose answer must be a success.

    Raises:
        TransireError: what the server answered, or that it could not be reached.
    """
    answer = exchange(method, url, credential=credential, body=body)
    if 200 <= answer.status < 300:
        return answer.document
    raise _refused(answer)


def _client(url: str, timeout_s: float) -> httpx.Client:
    """Reading the certificates of all authorities takes longer than a call over loopback."""
    trust = _authorities() if url.lower().startswith("https:") else _nobody()
    return httpx.Client(trust_env=False, timeout=timeout_s, verify=trust)


@cache
def _authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


@cache
def _nobody() -> ssl.SSLContext:
    """For plain HTTP: should TLS come about all the same, no certificate is believed."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _refused(answer: Answer) -> TransireError:
    inner = answer.document.get("error", answer.document)
    if not isinstance(inner, dict):
        inner = {}
    message = str(inner.get("detail") or inner.get("message") or f"status {answer.status}")
    problems = inner.get("problems")
    if inner.get("code") == BundleError.code and isinstance(problems, list):
        return BundleError([str(problem) for problem in problems] or [message])
    if inner.get("code") == PolicyDenied.code:
        return PolicyDenied(message)
    if answer.status == ThrottledError.status:
        return ThrottledError(message, retry_after_s=_seconds(answer.headers.get("retry-after")))
    otherwise = RequestError if answer.status < 500 else GovernanceUnavailable
    return _BY_STATUS.get(answer.status, otherwise)(message)


def _seconds(header: str | None) -> float:
    return float(header) if header and header.isascii() and header.isdigit() else 1.0
