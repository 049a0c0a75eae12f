"""A lost log is continued by a new one that may found nothing else than what stood."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from transire.bootstrap import open_installation
from transire.bundle.limits import pack_folder
from transire.bundle.quarantine_acts import impose
from transire.cli.main import app
from transire.domain.ids import DeploymentId, PersonId
from transire.errors import BundleError, ConflictError, IntegrityError
from transire.installation import Installation
from transire.record.note import VerifierKey
from transire.record.reading import ReadOnlyLog
from transire.record.renewal import renew_log
from transire.record.signer import Signer
from transire.record.standing import check_continuation
from transire.settings import load_settings

KIT = Path(__file__).resolve().parents[2] / "audit" / "verify.py"


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter pack without models of names, which take a second to load."""
    folder = tmp_path_factory.mktemp("pack") / "policies"
    shutil.copytree(pack_folder(), folder)
    taxonomy = folder / "taxonomy.yaml"
    taxonomy.write_text(taxonomy.read_text().replace("names: accurate", "names: none"))
    return folder


@asynccontextmanager
async def running(data: Path, policies: Path, mode: str = "team") -> AsyncIterator[Installation]:
    settings = load_settings(
        None,
        data=data,
        log={"origin": "log.example/one"},
        governance={"policies": policies, "mode": mode},
        detection={"workers": 1},
    )
    installation = await open_installation(settings)
    try:
        yield installation
    finally:
        await installation.close()


@pytest.fixture
def lost(tmp_path: Path, policies: Path) -> Path:
    """An installation with a quarantine, whose database is gone."""
    data = tmp_path / "lost"

    async def fill() -> None:
        async with running(data, policies) as installation:
            act = installation.act(PersonId("omar"))
            await impose(installation.log, act, "deployment", "us-premium", "incident 7")

    asyncio.run(fill())
    for file in data.glob("*.sqlite*"):
        file.unlink()
    return data


def renewed(lost: Path, new: Path) -> str:
    told = CliRunner().invoke(app, ["renew", str(lost), str(new)])
    assert told.exit_code == 0, told.output
    return told.output


def verified(data: Path, key: str) -> dict[str, Any]:
    command = [sys.executable, str(KIT), str(data), "--key", key, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


async def test_the_new_log_keeps_bundle_mode_and_quarantine_and_both_verifiers_say_whose(
    lost: Path, policies: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    output = await asyncio.to_thread(renewed, lost, new)
    async with running(new, policies, mode="solo") as installation:
        quarantine = installation.governed.quarantine
        assert (quarantine.version, quarantine.deployments) == (
            1,
            frozenset({DeploymentId("us-premium")}),
        )
        assert installation.log.peek("bundle/mode") == "team"
        assert installation.first_credential is not None
        key = installation.log.public_key
    answer = await asyncio.to_thread(verified, new, key)
    with ReadOnlyLog(new) as log:
        ours = log.verify(key)

    assert key in output
    assert key.startswith("log.example/one/2+")
    assert answer["ok"]
    assert answer["continues"].startswith("log.example/one from its size ")
    assert "continuing log.example/one from its size " in ours


async def test_it_starts_under_no_other_bundle(lost: Path, policies: Path, tmp_path: Path) -> None:
    await asyncio.to_thread(renewed, lost, tmp_path / "new")
    other = tmp_path / "policies"
    shutil.copytree(policies, other)
    with (other / "routing.yaml").open("a") as routing:
        routing.write("# changed since\n")
    with pytest.raises(BundleError) as caught:
        async with running(tmp_path / "new", other):
            pass

    assert "continues" in str(caught.value)


async def test_a_log_that_continues_another_can_be_lost_too(
    lost: Path, policies: Path, tmp_path: Path
) -> None:
    await asyncio.to_thread(renewed, lost, tmp_path / "second")
    async with running(tmp_path / "second", policies):
        pass
    (tmp_path / "second" / "log.sqlite").unlink()
    succession = renew_log(tmp_path / "second", tmp_path / "third")

    assert succession.successor.startswith("log.example/one/3+")


def test_a_log_that_is_whole_is_not_continued(tmp_path: Path, policies: Path) -> None:
    async def found() -> None:
        async with running(tmp_path / "data", policies):
            pass

    asyncio.run(found())
    with pytest.raises(ConflictError, match="is whole"):
        renew_log(tmp_path / "data", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def _swap_quarantine(lost: Path) -> None:
    path = lost / "standing"
    stored = orjson.loads(path.read_bytes())
    stored["quarantine"] = '{"items":[],"version":0}'
    path.write_bytes(orjson.dumps(stored))


def _swap_mode(lost: Path) -> None:
    path = lost / "standing"
    path.write_bytes(path.read_bytes().replace(b"mode team", b"mode solo"))


@pytest.mark.parametrize(
    "harm",
    [
        _swap_quarantine,
        _swap_mode,
        lambda lost: (lost / "standing").unlink(),
        lambda lost: (lost / "standing").write_text("[]"),
        lambda lost: (lost / "checkpoint").write_text("nothing"),
        lambda lost: (lost / "log.key").unlink(),
    ],
)
def test_what_survived_must_prove_what_stood(
    lost: Path, tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    harm(lost)
    with pytest.raises(IntegrityError):
        renew_log(lost, tmp_path / "new")

    assert not (tmp_path / "new").exists()


async def test_a_changed_predecessor_founds_nothing(
    lost: Path, policies: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    await asyncio.to_thread(renewed, lost, new)
    stored = orjson.loads((new / "predecessor").read_bytes())
    stored["quarantine"] = '{"items":[],"version":0}'
    (new / "predecessor").write_bytes(orjson.dumps(stored))
    with pytest.raises(IntegrityError):
        async with running(new, policies):
            pass


@pytest.mark.parametrize(
    "changes",
    [
        {"bundle_digest": "0" * 64},
        {"mode": "solo"},
        {"continues": None},
        {"continues": {"key": "x", "note": "y"}},
    ],
)
def test_a_genesis_that_says_otherwise_than_the_lost_logs_key_is_refused(
    lost: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    renew_log(lost, tmp_path / "new")
    stored = orjson.loads((tmp_path / "new" / "predecessor").read_bytes())
    lines = stored["note"].split("\n")
    entry: dict[str, object] = {
        "bundle_digest": lines[4].removeprefix("bundle "),
        "mode": "team",
        "continues": {"key": stored["key"], "note": stored["note"]},
    }
    own = VerifierKey.parse(lines[7])

    assert check_continuation(entry, [own]).last.origin == "log.example/one"
    with pytest.raises(IntegrityError):
        check_continuation({**entry, **changes}, [own])
    stranger = Signer("log.example/other", b"1" * 32).key
    with pytest.raises(IntegrityError, match="successor"):
        check_continuation(entry, [stranger])
