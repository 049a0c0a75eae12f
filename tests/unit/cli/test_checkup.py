"""What `transire doctor` says of machines and folders that are not well, without a server."""

import json
import shutil
import socket
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from transire.bundle.compile import compile_bundle
from transire.bundle.limits import pack_folder
from transire.bundle.source import read_folder
from transire.cli.checkup.folder import check_data, check_keys
from transire.cli.checkup.governed import check_detector, check_expiries, check_secrets
from transire.cli.checkup.machine import check_clock, check_disk, check_fsync, check_versions
from transire.cli.checkup.result import Check, Status, fail, ok, warn, worst
from transire.cli.main import app
from transire.identity.digests import InstallationKeys
from transire.record.opening import create_log
from transire.settings import Settings, load_settings

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
BUNDLE = compile_bundle(read_folder(pack_folder())).bundle


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings over a founded log that nothing was written to."""
    data = tmp_path / "data"
    create_log(data, origin="acme.example/log")
    InstallationKeys.create(data, b"k" * 32)
    return load_settings(None, data=data)


def by_name(checks: Iterator[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_the_worst_of_all_checks_is_the_whole_status() -> None:
    assert worst([]) is Status.OK
    assert worst([ok("a", ""), warn("b", "", "do")]) is Status.WARN
    assert worst([fail("c", "", "do"), warn("b", "", "do")]) is Status.FAIL


def test_what_the_tests_run_on_is_fit_to_serve(tmp_path: Path) -> None:
    assert {check.status for check in check_versions()} == {Status.OK}
    assert check_disk(tmp_path / "not" / "there").status is not Status.FAIL
    assert check_fsync(tmp_path, 60).name == "fsync"


def test_a_commit_that_outlasts_its_timeout_fails(tmp_path: Path) -> None:
    assert check_fsync(tmp_path, 0.0).status is Status.FAIL


@pytest.mark.parametrize(
    ("newest", "status"),
    [
        (None, Status.OK),
        (NOW - timedelta(days=1), Status.OK),
        (NOW + timedelta(seconds=1), Status.OK),
        (NOW + timedelta(hours=1), Status.FAIL),
    ],
)
def test_a_clock_behind_the_log_fails(newest: datetime | None, status: Status) -> None:
    assert check_clock(NOW, newest).status is status


def test_sound_keys_are_one_pair_and_closed_to_others(settings: Settings) -> None:
    checks = by_name(check_keys(settings))

    assert {name: check.status for name, check in checks.items()} == dict.fromkeys(
        ("log.key", "install.key", "log.pub"), Status.OK
    )


def test_a_key_that_others_may_read_is_told_with_what_to_do(settings: Settings) -> None:
    key = settings.data / "install.key"
    key.chmod(0o640)
    check = by_name(check_keys(settings))["install.key"]

    assert (check.status, check.do) == (Status.FAIL, f"chmod 600 {key}")
    assert "640" in check.found


@pytest.mark.parametrize("name", ["log.key", "install.key"])
def test_a_key_that_is_missing_or_no_key_fails(settings: Settings, name: str) -> None:
    key = settings.data / name
    key.write_bytes(b"\xff")
    broken = by_name(check_keys(settings))[name]
    key.unlink()
    missing = by_name(check_keys(settings))[name]

    assert (broken.status, missing.status) == (Status.FAIL, Status.FAIL)
    assert missing.found == "missing"


def test_a_public_key_of_another_log_fails(settings: Settings, tmp_path: Path) -> None:
    create_log(tmp_path / "other", origin="acme.example/log")
    shutil.copy(tmp_path / "other" / "log.pub", settings.data / "log.pub")

    assert by_name(check_keys(settings))["log.pub"].status is Status.FAIL


def test_a_data_folder_that_others_may_read_is_a_warning(settings: Settings) -> None:
    before = by_name(check_data(settings))["data"].status
    settings.data.chmod(0o755)
    after = by_name(check_data(settings))["data"]

    assert (before, after.status) == (Status.OK, Status.WARN)
    assert after.do == f"chmod 700 {settings.data}"
    assert stat.S_IMODE(settings.data.stat().st_mode) == 0o755  # looked at, not mended


def test_a_secret_is_present_missing_or_empty(tmp_path: Path) -> None:
    given = BUNDLE.catalog.deployments
    files = {
        **BUNDLE.files,
        "catalog/deployments.yaml": BUNDLE.files["catalog/deployments.yaml"].replace(
            b"    provider: nordwind\n", b"    provider: nordwind\n    credential: nord\n"
        ),
    }
    bundle = compile_bundle(files).bundle

    def status(**upstream: Any) -> Status:
        return by_name(check_secrets(load_settings(None, upstream=upstream), bundle))[
            "secret nord"
        ].status

    empty = tmp_path / "nord"
    empty.write_text("\n")
    assert given
    assert status(secrets={"nord": "s"}) is Status.OK
    assert status() is Status.FAIL
    assert status(secrets_dir=tmp_path) is Status.FAIL


def test_what_ends_before_two_people_can_act_is_a_warning() -> None:
    end = min(a.expires for a in BUNDLE.catalog.acceptances)

    def gone(now: datetime) -> set[str]:
        return {c.found.split()[0] for c in check_expiries(BUNDLE, now) if c.status is Status.WARN}

    assert gone(NOW) == set()
    assert gone(end - timedelta(days=3)) == {"ends"}
    assert "ended" in gone(end)


def test_doctor_tells_what_comes_of_an_uncovered_class() -> None:
    files = read_folder(pack_folder())
    taxonomy = files["taxonomy.yaml"].decode().replace("names: accurate", "names: none")
    taxonomy = taxonomy.replace("\ndata_classes:\n", "\ndata_classes:\n  HR_DATA: {}\n")
    mapped = "\nentities:\n  STAFF_FILE: {class: HR_DATA}\n  STAFF_ID: {class: CONTACT}\n"
    files["taxonomy.yaml"] = taxonomy.replace("\nentities:\n", mapped).encode()
    checks = by_name(check_detector(compile_bundle(files).bundle, NOW))

    assert "rules about found HR_DATA never hold" in checks["class HR_DATA"].do
    assert "treats all text like found personal data" in checks["class CONTACT"].do


def doctor(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, ["doctor", "--json", *arguments])
    return done.exit_code, json.loads(done.stdout)


def test_settings_that_are_wrong_are_the_last_thing_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "transire.yaml"
    file.write_text("sever: {}")
    code, told = doctor("--config", str(file))

    assert (code, told["status"], told["checks"][-1]["check"]) == (1, "fail", "settings")
    assert "sever" in told["checks"][-1]["found"]


@pytest.mark.enable_socket
def test_a_bundle_with_gaps_a_taken_port_and_silent_upstreams_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    CliRunner().invoke(app, ["init", str(folder)])
    taxonomy = folder / "policies" / "taxonomy.yaml"
    taxonomy.write_text(taxonomy.read_text().replace("names: accurate", "names: none"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        file = folder / "transire.yaml"
        file.write_text(file.read_text().replace("port: 8080", f"port: {port}"))
        code, told = doctor("--config", str(file))
    checks = {check["check"]: check for check in told["checks"]}

    assert (code, told["status"]) == (1, "fail")
    assert checks["port"]["status"] == "fail"
    assert "`server.port`" in checks["port"]["do"]
    assert checks["data"]["status"] == "warn"
    assert not (folder / "data").exists()
    assert "uncovered: `detector.names` is none" in checks["class IDENTITY"]["found"]
    assert checks["class CONTACT"]["status"] == "ok"
    assert "accepted by ben and priya" in checks["class LOCATION_DATA"]["found"]
    assert "invented" in checks["upstream eu-economy"]["found"]


@pytest.mark.enable_socket
def test_a_bundle_that_does_not_compile_fails_with_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    CliRunner().invoke(app, ["init", str(folder)])
    (folder / "policies" / "rules" / "own.cedar").write_text("permit (")
    code, told = doctor("--config", str(folder / "transire.yaml"))
    checks = {check["check"]: check for check in told["checks"]}

    assert code == 1
    assert "own.cedar" in checks["policies folder"]["found"]
    assert "class CONTACT" not in checks
