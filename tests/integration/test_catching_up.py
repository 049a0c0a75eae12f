"""The router follows what stands in the log, also where nobody could tell it so."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import nothing_to_prepare

from transire.bootstrap import open_installation
from transire.bundle import lifecycle
from transire.bundle.limits import pack_folder
from transire.bundle.quarantine_acts import impose
from transire.bundle.source import read_folder
from transire.domain.ids import BundleDigest, DeploymentId, PersonId
from transire.errors import LogUncertain
from transire.installation import Installation
from transire.record.entries import LogEntries
from transire.record.remote import RemoteLog
from transire.settings import load_settings

ANA, BEN, OMAR = PersonId("ana"), PersonId("ben"), PersonId("omar")


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter pack without models of names, which take a second to load."""
    folder = tmp_path_factory.mktemp("pack") / "policies"
    shutil.copytree(pack_folder(), folder)
    taxonomy = folder / "taxonomy.yaml"
    taxonomy.write_text(taxonomy.read_text().replace("names: accurate", "names: none"))
    return folder


@asynccontextmanager
async def serving(data: Path, policies: Path) -> AsyncIterator[tuple[Installation, RemoteLog]]:
    settings = load_settings(
        None,
        data=data,
        log={"origin": "log.example/one", "commit_timeout_s": 0.5, "writer": "process"},
        governance={"policies": policies, "mode": "team"},
        detection={"workers": 1},
    )
    installation = await open_installation(settings)
    assert isinstance(installation.log, RemoteLog)
    try:
        await installation.start()
        yield installation, installation.log
    finally:
        await installation.close()


async def approved(installation: Installation) -> BundleDigest:
    """Another bundle, proposed and approved by two people."""
    files = dict(installation.governed.bundle.files)
    files["routing.yaml"] += b"# another\n"

    def prove(compiled: object) -> None:
        del compiled

    log = installation.log
    proposal = await lifecycle.propose(log, installation.act(ANA), files, prove=prove)
    await lifecycle.approve(log, installation.act(BEN), proposal.digest)
    return proposal.digest


@asynccontextmanager
async def answers_lost(log: RemoteLog) -> AsyncIterator[None]:
    """What is appended meanwhile is written; the writer dies before its answer is read."""
    line, writer = log._line, log.writer_pid
    assert line is not None
    assert writer is not None
    size = await log.read(lambda reader: reader.size())
    line.listen(lambda told: None)
    yield
    await until(lambda: log.read(lambda reader: reader.size() > size))
    os.kill(writer, signal.SIGKILL)


async def until(holds: Callable[[], Any], within_s: float = 30) -> None:
    async with asyncio.timeout(within_s):
        while not await holds():
            await asyncio.sleep(0.01)


async def test_an_activation_whose_writer_died_is_followed_within_ten_seconds(
    tmp_path: Path, policies: Path
) -> None:
    async with serving(tmp_path / "data", policies) as (installation, log):
        digest = await approved(installation)
        async with answers_lost(log):
            with pytest.raises(LogUncertain):
                await lifecycle.activate(
                    log,
                    installation.act(BEN),
                    digest,
                    entries=LogEntries(log),
                    prepare=nothing_to_prepare,
                )
        assert installation.governed.bundle.digest != digest

        async def follows() -> bool:
            return installation.governed.bundle.digest == digest

        await until(follows, within_s=10)
        activated = await LogEntries(log).read_entries(frozenset({"policy.activated"}))

    assert [entry["bundle_digest"] for entry in activated] == [digest]


async def test_a_quarantine_whose_writer_died_blocks_within_ten_seconds(
    tmp_path: Path, policies: Path
) -> None:
    async with serving(tmp_path / "data", policies) as (installation, log):
        async with answers_lost(log):
            with pytest.raises(LogUncertain):
                await impose(log, installation.act(OMAR), "deployment", "us-premium", "leaks")
        assert installation.governed.quarantine.version == 0

        async def blocks() -> bool:
            return installation.governed.quarantine.deployments == {DeploymentId("us-premium")}

        await until(blocks, within_s=10)


async def test_an_act_that_was_not_written_changes_nothing(tmp_path: Path, policies: Path) -> None:
    async with serving(tmp_path / "data", policies) as (installation, _):
        before = installation.governed
        digest = await approved(installation)
        await installation.steering.catch_up()

        assert digest != before.bundle.digest
        assert installation.governed is before
        assert dict(before.bundle.files) == read_folder(policies)
