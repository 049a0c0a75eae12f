"""What is read of an HTTP request before its body means anything."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request
from tests.conftest import FakeClock

from transire.api.intake import (
    Intake,
    _bounded_body,
    _own_headers,
    _review_id,
    _with_keyed_session,
    declared_size,
)
from transire.domain.ids import ApplicationId, DecisionId, KeyId, TenantId
from transire.domain.request import Assertions, Principal
from transire.errors import (
    RequestError,
    ThrottledError,
    TooLargeError,
)
from transire.identity.digests import InstallationKeys
from transire.limits.admission import Admission, AdmissionLimits
from transire.limits.bucket import Rate
from transire.limits.turns import Turns

SOMEBODY = Principal(kind="application", tenant=TenantId("acme"), key_id=KeyId("k"))


def sent(
    *headers: tuple[str, str], body: tuple[bytes | None, ...] = (), client: Any = ("192.0.2.1", 1)
) -> Request:
    """A request whose body comes in these pieces; None means that the caller hung up."""
    pieces = list(body)

    async def receive() -> dict[str, Any]:
        piece = pieces.pop(0)
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "headers": raw, "client": client}, receive)


def test_our_own_headers_are_read_and_no_others() -> None:
    request = sent(("x-transire-task", "chat"), ("x-other", "1"), ("x-transire-purpose", "é"))

    assert _own_headers(request) == {"x-transire-task": "chat", "x-transire-purpose": "é"}


def test_a_header_given_twice_is_refused_by_name_and_not_by_value() -> None:
    with pytest.raises(RequestError, match="twice") as caught:
        _own_headers(sent(("x-transire-task", "CANARY"), ("x-transire-task", "CANARY")))

    assert caught.value.param == "x-transire-task"
    assert "CANARY" not in str(caught.value)


REVIEW = "rev_" + "A" * 26


def test_a_review_is_named_by_its_id() -> None:
    assert _review_id({}) is None
    assert _review_id({"x-transire-review-id": REVIEW}) == REVIEW


@pytest.mark.parametrize("given", ["", "rev_", REVIEW[:-1], REVIEW + "A", "dec_" + "A" * 26])
def test_what_is_no_review_id_is_refused(given: str) -> None:
    with pytest.raises(RequestError):
        _review_id({"x-transire-review-id": given})
    with pytest.raises(RequestError):
        _review_id({"x-transire-review-id": REVIEW[:-1] + "é"})


@pytest.mark.parametrize(
    ("value", "size"),
    [("0", 0), ("42", 42), ("9" * 15, int("9" * 15))],
)
def test_a_declared_size_is_a_plain_number(value: str, size: int) -> None:
    assert declared_size(sent(("content-length", value))) == size


@pytest.mark.parametrize("value", ["", "-1", "+1", "1_0", " 1", "1e3", "9" * 16, "²"])
def test_any_other_spelling_declares_nothing(value: str) -> None:
    assert declared_size(sent(("content-length", value))) is None


def test_without_a_declaration_nothing_is_declared() -> None:
    assert declared_size(sent()) == 0


async def test_a_body_is_read_to_its_end() -> None:
    assert await _bounded_body(sent(body=(b"ab", b"", b"c")), 3) == b"abc"


async def test_a_body_that_declares_too_much_is_not_read() -> None:
    with pytest.raises(TooLargeError):
        await _bounded_body(sent(("content-length", "4")), 3)  # one piece read would be an error


async def test_a_body_that_is_larger_than_declared_is_refused_as_soon_as_it_is() -> None:
    endless = (b"ab", b"cd", None)
    with pytest.raises(TooLargeError):
        await _bounded_body(sent(("content-length", "2"), body=endless), 3)


async def test_a_body_that_was_cut_off_is_none() -> None:
    with pytest.raises(RequestError, match="cut off"):
        await _bounded_body(sent(body=(b"ab", None)), 9)


KEYED = InstallationKeys(bytes(32))


def named(session: str, **principal: Any) -> str | None:
    who = replace(SOMEBODY, **{"application": ApplicationId("app"), **principal})
    return _with_keyed_session(Assertions(session_id=session), who, KEYED).session_id


def test_a_session_goes_on_as_a_keyed_digest_of_whose_it_is() -> None:
    mine = named("s")

    assert mine == named("s", key_id=KeyId("another"))
    assert mine is not None
    assert len(bytes.fromhex(mine)) == 32
    assert mine not in (
        named("t"),
        named("s", tenant=TenantId("other")),
        named("s", application=ApplicationId("other")),
        _with_keyed_session(
            Assertions(session_id="s"), SOMEBODY, InstallationKeys(bytes([1] * 32))
        ).session_id,
    )


def test_assertions_without_a_session_go_on_unchanged() -> None:
    plain = Assertions(task="faq")

    assert _with_keyed_session(plain, SOMEBODY, KEYED) is plain


async def test_a_large_body_for_which_there_is_no_room_is_counted_and_fills_no_log(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def recorded(*_: Any) -> None:
        raise AssertionError("an entry for each would let anybody fill the log")

    limits = AdmissionLimits(rate=Rate(per_s=1, burst=1), per_principal=9, in_flight=9)
    parts: Any = SimpleNamespace(
        admission=Admission(clock, limits), router=SimpleNamespace(refuse=recorded)
    )
    intake = Intake(parts)
    intake._turns = Turns(places=0, room=0)

    async def read(*_: Any) -> Any:
        return await intake._in_turn(SOMEBODY, lambda: None)

    monkeypatch.setattr(intake, "_read", read)
    with pytest.raises(ThrottledError):
        await intake.read_or_refuse(sent(), SOMEBODY, DecisionId("dec_1"), scope="chat")

    assert parts.admission.drain_counts() == (("k", "overloaded", 1),)
