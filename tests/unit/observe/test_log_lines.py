"""What reaches the operational log, and what cannot."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from transire.observe.fields import FIELDS, UNNAMED, admit
from transire.observe.logging import bound, configure_logging, log

CANARY = "the patient's iban is DE89 3704 0044 0532 0130 00"


@pytest.fixture(name="lines")
def _lines() -> Iterator[io.StringIO]:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    stream = io.StringIO()
    configure_logging(level="debug", stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.getLogger().handlers[:], level = before
    logging.getLogger().setLevel(level)


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_listed_fields_are_written_as_one_json_line(lines: io.StringIO) -> None:
    log().info("review.expired", review_id="rev_01", count=2)

    (line,) = written(lines)
    assert line["event"] == "review.expired"
    assert (line["review_id"], line["count"], line["level"]) == ("rev_01", 2, "info")
    assert line["timestamp"].endswith("Z")


def test_unlisted_field_is_dropped_and_counted(lines: io.StringIO) -> None:
    log().info("request.refused", prompt=CANARY, code="policy_denied")

    (line,) = written(lines)
    assert line["dropped"] == 1
    assert CANARY not in lines.getvalue()


def test_prose_in_a_listed_field_is_dropped(lines: io.StringIO) -> None:
    log().info("request.refused", code=CANARY, tenant={"a": CANARY}, kind=[CANARY])

    (line,) = written(lines)
    assert line["dropped"] == 3
    assert "iban" not in lines.getvalue()


def test_event_that_is_a_sentence_is_not_written(lines: io.StringIO) -> None:
    log().warning(f"could not read {CANARY}")

    (line,) = written(lines)
    assert line["event"] == UNNAMED
    assert "iban" not in lines.getvalue()


def test_exception_is_named_by_type_alone(lines: io.StringIO) -> None:
    log().error("scan.failed", recognizer="iban", exc_info=ValueError(CANARY))

    (line,) = written(lines)
    assert line["error_type"] == "ValueError"
    assert "DE89" not in lines.getvalue()


def test_library_message_is_written_without_its_text(lines: io.StringIO) -> None:
    library = logging.getLogger("some.library")
    library.error("cannot parse %s", CANARY, exc_info=KeyError(CANARY))
    library.info("chatter")

    (line,) = written(lines)
    assert line["event"] == "library.message_logged"
    assert (line["logger"], line["error_type"], line["level"]) == (
        "some.library",
        "KeyError",
        "error",
    )
    assert "DE89" not in lines.getvalue()


def test_decision_is_bound_to_every_line_of_its_context(lines: io.StringIO) -> None:
    with bound(decision_id="dec_1"):
        log().info("attempt.failed", deployment="eu-premium")
    log().info("attempt.failed", deployment="eu-premium")

    first, second = written(lines)
    assert first["decision_id"] == "dec_1"
    assert "decision_id" not in second


def test_level_below_the_configured_one_is_not_written() -> None:
    stream = io.StringIO()
    configure_logging(level="warning", stream=stream)
    try:
        log().info("review.expired")
    finally:
        structlog.reset_defaults()

    assert stream.getvalue() == ""


def test_configuring_twice_does_not_double_library_lines(lines: io.StringIO) -> None:
    configure_logging(stream=lines)

    logging.getLogger("some.library").warning("once")

    assert len(written(lines)) == 1


def test_reason_may_be_prose_of_ours_on_one_line() -> None:
    assert admit({"event": "bundle.refused", "problem": "a.yaml:3: unknown `x`"}) == {
        "event": "bundle.refused",
        "problem": "a.yaml:3: unknown `x`",
    }
    assert "problem" not in admit({"event": "bundle.refused", "problem": "two\nlines"})
    assert "problem" not in admit({"event": "bundle.refused", "problem": "x" * 501})


@pytest.mark.parametrize("word", ["content", "prompt", "message", "text", "value", "body", "token"])
def test_no_listed_field_invites_content(word: str) -> None:
    assert word not in FIELDS
