"""Errors as their callers see them: OpenAI's shape or RFC 9457, our ids, and no fact too many."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from transire import errors
from transire.api.errors import error_headers, openai_body, openai_error, problem
from transire.errors import (
    BundleError,
    GovernanceUnavailable,
    PolicyDenied,
    RequestError,
    ThrottledError,
    TransireError,
    UpstreamError,
)


def _leaves(root: type[TransireError] = TransireError) -> Iterator[type[TransireError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _leaves(kind)


KINDS = sorted({kind for kind in _leaves() if kind.__module__ == errors.__name__}, key=repr)


def made(kind: type[TransireError]) -> TransireError:
    known: Any = kind
    if issubclass(kind, ThrottledError):
        return kind("too fast", retry_after_s=2)
    return BundleError(["a:1: no"]) if kind is BundleError else known("a sentence")


def body_of(error: TransireError) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(problem(error).body))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_its_status_code_and_type_in_both_shapes(kind: type[TransireError]) -> None:
    error = made(kind)
    error.decision_id = "dec_1"
    answer, other = openai_error(error), problem(error)
    shown = json.loads(bytes(answer.body))["error"]

    assert answer.status_code == other.status_code == kind.status
    assert (shown["message"], shown["code"]) == (error.message, kind.code)
    assert shown["type"].endswith("_error")
    assert (shown["type"] == "api_error") == (kind is TransireError)
    assert other.headers["content-type"] == "application/problem+json"
    assert body_of(error)["type"] == f"urn:transire:error:{kind.code}"
    assert body_of(error)["status"] == kind.status
    for told in (shown, body_of(error)):
        assert told["decision_id"] == "dec_1"


@pytest.mark.parametrize("kind", KINDS)
def test_an_sdk_retries_by_itself_only_where_that_may_help(kind: type[TransireError]) -> None:
    stops = error_headers(made(kind)).get("x-should-retry") == "false"

    assert stops == (not kind.should_retry)
    assert not kind.should_retry or kind.status in (429, 503)


def test_facts_that_are_not_for_the_caller_stay_here() -> None:
    error = PolicyDenied("no", facts={"policies": ["p"], "tenant": "CANARY", "status": 500})

    for told in (openai_body(error)["error"], body_of(error)):
        assert told["policies"] == ["p"]
        assert "CANARY" not in repr(told)
    assert body_of(error)["status"] == 403


def test_a_fact_does_not_replace_what_the_error_itself_says() -> None:
    error = GovernanceUnavailable("no", facts={"decision_id": "dec_other"})
    error.decision_id = "dec_1"

    assert openai_body(error)["error"]["decision_id"] == "dec_1"
    assert body_of(error)["decision_id"] == "dec_1"


def test_the_field_to_blame_is_named_where_there_is_one() -> None:
    named = RequestError("no", param="messages[0]")

    assert openai_body(named)["error"]["param"] == body_of(named)["param"] == "messages[0]"
    assert openai_body(RequestError("no"))["error"]["param"] is None
    assert not {"param", "decision_id"} & body_of(RequestError("no")).keys()


@pytest.mark.parametrize(("wait_s", "told"), [(0.2, "1"), (1.4, "1"), (7.0, "7")])
def test_a_throttled_caller_is_told_when_to_come_again(wait_s: float, told: str) -> None:
    headers = error_headers(ThrottledError("too fast", retry_after_s=wait_s))

    assert headers["retry-after"] == told
    assert "x-should-retry" not in headers


def test_headers_say_which_decision_and_how_many_attempts_there_were() -> None:
    error = UpstreamError("down")
    error.decision_id = "dec_1"
    error.routed = {"attempts": "2", "receipt": "log.example 7 8"}

    assert error_headers(error) == {
        "x-transire-decision-id": "dec_1",
        "x-transire-attempts": "2",
        "x-transire-receipt": "log.example 7 8",
        "x-should-retry": "false",
    }
    assert error_headers(GovernanceUnavailable("no")) == {}
