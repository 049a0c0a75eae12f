"""Governed change on the real log: an approval written past it, by SQL, activates nothing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from tests.fakes import FakeJudge, nothing_to_prepare
from tests.unit.bundle.bundles import small_files, untested

from transire.bundle.acts import Act
from transire.bundle.compiled import CompiledBundle
from transire.bundle.genesis import genesis
from transire.bundle.lifecycle import activate, active_digest, approve, propose
from transire.bundle.proposal import Approval, proposal_key
from transire.clock import SystemClock
from transire.domain.ids import PersonId
from transire.domain.request import JsonValue
from transire.errors import IntegrityError
from transire.record.checkpoint import Checkpoint
from transire.record.log import LogWriter
from transire.record.merkle import leaf_hash, root_of
from transire.record.note import VerifierKey, open_note
from transire.record.opening import create_log, open_log
from transire.record.sql import Reader

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
NEXT = small_files() | {"routing.yaml": small_files()["routing.yaml"] + b"# next\n"}


class LogEntries:
    """`bundle.acts.Entries` over the writer's own log."""

    def __init__(self, log: LogWriter) -> None:
        self._log = log

    async def read_entries(self, kinds: frozenset[str]) -> Sequence[Mapping[str, JsonValue]]:
        leaves, note = await self._log.read(_everything)
        signed = Checkpoint.parse(open_note(note, [VerifierKey.parse(self._log.public_key)]))
        if signed.root != root_of([leaf_hash(leaf) for leaf in leaves]):
            raise IntegrityError("stored entries do not add up to the signed checkpoint")
        return [entry for entry in map(orjson.loads, leaves) if entry["kind"] in kinds]


def _everything(reader: Reader) -> tuple[list[bytes], str]:
    newest = reader.checkpoint()
    assert newest is not None
    size, note = newest
    return [leaf for _, leaf in reader.leaves(0, size)], note


def act(active: CompiledBundle, person: str) -> Act:
    judge = FakeJudge.of(ana=["propose", "activate"], ben=["approve"])
    return Act(person=PersonId(person), now=NOW, active=active, judge=judge)


@pytest.mark.parametrize("is_forged", [False, True])
async def test_only_an_approval_in_the_log_activates(tmp_path: Path, is_forged: bool) -> None:
    create_log(tmp_path / "data", origin="log.example/test")
    log = open_log(tmp_path / "data", clock=SystemClock(), replica="r1")
    try:
        first = await genesis(log, small_files(), mode="team", by=PersonId("ana"), now=NOW)
        proposal = await propose(log, act(first, "ana"), NEXT, prove=untested)
        if is_forged:
            forged = proposal.approved(Approval(by=PersonId("ben"), at=NOW)).to_text()
            key = proposal_key(proposal.digest)
            log._mirror.put(key, forged)
            log._store._connection.exec_driver_sql(
                "UPDATE state SET value=? WHERE key=?", (forged, key)
            )
            with pytest.raises(IntegrityError, match="the state names"):
                await activate(
                    log,
                    act(first, "ana"),
                    proposal.digest,
                    entries=LogEntries(log),
                    prepare=nothing_to_prepare,
                )
            assert await active_digest(log) == first.digest
        else:
            await approve(log, act(first, "ben"), proposal.digest)
            await activate(
                log,
                act(first, "ana"),
                proposal.digest,
                entries=LogEntries(log),
                prepare=nothing_to_prepare,
            )
            assert await active_digest(log) == proposal.digest
    finally:
        await log.close()
