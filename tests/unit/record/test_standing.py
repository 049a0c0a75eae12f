"""What outlives the database: exactly what was signed, for one log, and no look-alike."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from transire.errors import IntegrityError
from transire.record.checkpoint import Checkpoint
from transire.record.signer import Signer
from transire.record.standing import Standing, Succession, check_continuation

LOST, NEW, OTHER = (
    Signer(name, bytes([seed]) * 32)
    for seed, name in enumerate(("log.example/one", "log.example/one/2", "log.example/other"))
)
STANDING = Standing("d" * 64, "team", '{"items":[],"version":1}')
LAST = Checkpoint(LOST.key.name, 7, b"r" * 32)
SUCCESSION = Succession(LAST, STANDING.lines(), str(NEW.key))


def kept(standing: Standing = STANDING, signer: Signer = LOST, origin: str = "") -> bytes:
    return standing.to_file(signer.sign_text(standing.text(origin or signer.key.name)))


@pytest.mark.parametrize("missing", ["bundle/active", "bundle/mode", "quarantine"])
def test_before_genesis_nothing_stands(missing: str) -> None:
    state = {"bundle/active": "d", "bundle/mode": "team", "quarantine": "{}"}
    assert Standing.of(state.get) == Standing("d", "team", "{}")
    del state[missing]

    assert Standing.of(state.get) is None


def test_what_was_kept_is_read_back() -> None:
    assert Standing.read(kept(), LOST.key) == STANDING


def test_peoples_words_stand_in_the_file_and_not_in_what_is_signed() -> None:
    standing = replace(STANDING, quarantine='{"reason":"CANARY"}')

    assert "CANARY" not in standing.text("o")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        orjson.dumps({"note": "x"}),
        orjson.dumps({"note": LOST.sign_text("one\n"), "quarantine": "{}"}),
        kept(signer=OTHER),
        kept(origin="log.example/other"),
        STANDING.to_file(LOST.sign_text(LAST.text())),
        STANDING.to_file(LOST.sign_text(SUCCESSION.text())),
        replace(STANDING, quarantine='{"items":[],"version":0}').to_file(
            LOST.sign_text(STANDING.text(LOST.key.name))
        ),
        STANDING.to_file(LOST.sign_text(STANDING.text(LOST.key.name) + "more\n")),
    ],
)
def test_nothing_else_is_read_as_what_stood(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        Standing.read(data, LOST.key)


def test_a_succession_is_read_back() -> None:
    assert Succession.parse(SUCCESSION.text()) == SUCCESSION


@pytest.mark.parametrize(
    "text",
    [
        "",
        LAST.text(),
        STANDING.text(LOST.key.name),
        SUCCESSION.text() + "more\n",
        SUCCESSION.text().removesuffix("\n"),
        SUCCESSION.text().replace("succession/v1", "succession/v2"),
        SUCCESSION.text().replace("\n7\n", "\n07\n"),
    ],
)
def test_a_succession_has_one_spelling(text: str) -> None:
    with pytest.raises(IntegrityError):
        Succession.parse(text)


def genesis(succession: Succession = SUCCESSION, signer: Signer = LOST, **more: Any) -> Any:
    note = signer.sign_text(succession.text())
    entry = {"bundle_digest": "d" * 64, "mode": "team"}
    return {**entry, "continues": {"key": str(signer.key), "note": note}, **more}


def test_a_genesis_continues_what_the_lost_logs_key_said() -> None:
    assert check_continuation(genesis(), [NEW.key]) == SUCCESSION


@pytest.mark.parametrize(
    "entry",
    [
        genesis(continues=None),
        genesis(continues="x"),
        genesis(continues={"key": str(LOST.key)}),
        genesis(continues={"note": LOST.sign_text(SUCCESSION.text())}),
        genesis(continues={"key": str(OTHER.key), "note": LOST.sign_text(SUCCESSION.text())}),
        genesis(signer=OTHER),
        genesis(replace(SUCCESSION, last=replace(LAST, origin="log.example/other"))),
        genesis(replace(SUCCESSION, successor=str(OTHER.key))),
        genesis(bundle_digest="e" * 64),
        genesis(mode="solo"),
    ],
)
def test_a_genesis_that_claims_more_is_refused(entry: Any) -> None:
    with pytest.raises(IntegrityError):
        check_continuation(entry, [NEW.key])


def test_a_succession_is_for_the_log_it_stands_in() -> None:
    with pytest.raises(IntegrityError, match="successor"):
        check_continuation(genesis(), [LOST.key, OTHER.key])
    assert check_continuation(genesis(), [OTHER.key, NEW.key])
