"""`transire audit`, `config`, `init`, `people add|first` and `serve`: no credential, real files."""

import json
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.api.conftest import REPOSITORY, World
from tests.api.terminal import Terminal

from transire import __version__
from transire.bundle.limits import pack_folder


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "home", "http://127.0.0.1:1")


@pytest.fixture
def damaged(world: World, tmp_path: Path) -> Path:
    """A copy of the log whose entries are gone."""
    copy = tmp_path / "damaged"
    shutil.copytree(world.data, copy)
    database = sqlite3.connect(copy / "log.sqlite")
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type='table'"):
        database.execute(f'ALTER TABLE "{table}" RENAME TO "gone_{table}"')
    database.commit()
    database.close()
    return copy


def test_the_log_of_a_running_router_is_read_verified_and_exported(
    world: World, terminal: Terminal, tmp_path: Path
) -> None:
    made = world.chat("hello there").headers["x-transire-decision-id"]
    world.entries(made)
    data, tiles = str(world.data), tmp_path / "tiles"
    newest = terminal.run("audit", "tail", data, "-n", "3").stdout.splitlines()
    shown = terminal.result("audit", "show", data, made)
    by_index = terminal.result("audit", "show", data, str(shown[0]["index"]))
    verified = terminal.run("audit", "verify", data, "--key", world.log_public_key)
    exported = terminal.run("audit", "export", data, str(tiles))
    offline = subprocess.run(
        [sys.executable, str(REPOSITORY / "audit" / "verify.py"), str(tiles)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert len([json.loads(line)["index"] for line in newest]) == 3
    assert [entry["kind"] for entry in shown] == ["decision", "outcome"]
    assert by_index == shown[:1]
    assert verified.stdout.startswith("ok: ")
    assert exported.exit_code == 0
    assert offline.returncode == 0, offline.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tail", "nowhere"), "no log at"),
        (("verify", "nowhere"), "no log at"),
        (("show", "DATA", "999999"), "no such entry"),
        (("show", "DATA", "9" * 40), "no such entry"),
        (("show", "DATA", "²"), "no such entry"),
        (("show", "DATA", "dec_none"), "no such entry"),
        (("export", "DATA", "DATA"), "is not empty"),
        (("tail", "DAMAGED"), "no readable log"),
        (("show", "DAMAGED", "0"), "no readable log"),
        (("export", "DAMAGED", "new"), "no readable log"),
    ],
)
def test_what_cannot_be_read_is_named(
    world: World, terminal: Terminal, damaged: Path, arguments: tuple[str, ...], says: str
) -> None:
    places = {"DATA": str(world.data), "DAMAGED": str(damaged)}
    code, line = terminal.refusal("audit", *(places.get(a, a) for a in arguments))

    assert (1, True) == (code, says in line), line


def test_a_key_that_did_not_sign_the_log_verifies_nothing(world: World, terminal: Terminal) -> None:
    for key in ("nonsense", world.log_public_key.replace("demo", "dome")):
        code, _ = terminal.refusal("audit", "verify", str(world.data), "--key", key)
        assert code == 1


def test_a_file_that_is_no_database_is_no_log(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "log.sqlite").write_bytes(b"secret " * 1_000)

    for command in ("tail", "verify"):
        code, line = terminal.refusal("audit", command, str(tmp_path))
        assert code == 1
        assert "secret" not in line


@pytest.mark.parametrize("mode", ["solo", "team"])
def test_init_writes_settings_that_load_and_policies_that_are_sound(
    terminal: Terminal, tmp_path: Path, mode: str
) -> None:
    folder = tmp_path / "gateway"
    done = terminal.run("init", str(folder), f"--{mode}", "--origin", "acme.example/log")
    settings = terminal.run("config", "show", "--config", str(folder / "transire.yaml"))
    told = yaml.safe_load(settings.stdout)

    assert done.exit_code == 0
    assert "transire bundle check" in done.stdout
    assert (told["governance"]["mode"], told["log"]["origin"]) == (mode, "acme.example/log")
    assert terminal.run("bundle", "check", str(folder / "policies")).exit_code == 0
    code, line = terminal.refusal("init", str(folder))
    assert code == 1
    assert "is not empty" in line


def test_init_into_a_file_or_with_a_name_no_log_can_have_is_refused(
    terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("")

    assert terminal.refusal("init", str(file))[0] == 1
    assert terminal.refusal("init", str(tmp_path / "new"), "--origin", "two words")[0] == 64
    assert terminal.refusal("init", str(tmp_path / "new"), "--first-person", "a: b")[0] == 64
    assert terminal.run("init", str(tmp_path / "new"), "--solo", "--team").exit_code == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("mode", ["--solo", "--team"])
def test_an_empty_start_is_sound_and_lists_every_line_to_fill_in(
    terminal: Terminal, tmp_path: Path, mode: str
) -> None:
    folder = tmp_path / "gateway"
    done = terminal.run("init", str(folder), mode, "--empty")
    listed = [line.strip() for line in done.stdout.splitlines() if line.startswith("  /")]
    checked = terminal.run(
        "bundle", "check", str(folder / "policies"), *([mode] if mode == "--solo" else [])
    )
    own = [*(folder / "policies" / "catalog").iterdir(), folder / "policies/rules/grants.cedar"]
    own.append(folder / "policies/tests/grants_test.yaml")
    written = "".join(p.read_text() for p in own)

    assert done.exit_code == 0
    assert len(listed) == written.count(" FILL: ") + 1
    assert all(any(place.startswith(f"{path}:") for place in listed) for path in own[-2:])
    assert "neither a reviewer nor" in done.stdout
    assert checked.stdout.count("fill in and take the mark away") == len(listed) - 1
    for place in listed[:-1]:
        file, number, wanted = place.split(":", 2)
        assert wanted.strip() in Path(file).read_text().splitlines()[int(number) - 1]
    assert "acme" not in written
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
    assert checked.exit_code == 0, checked.stdout
    settings = terminal.run("config", "show", "--config", str(folder / "transire.yaml")).stdout
    assert yaml.safe_load(settings)["upstream"]["secrets_dir"] == str(folder / "secrets")


def test_what_refuses_a_bundle_stands_last_and_nothing_is_ok_before_it(
    terminal: Terminal, tmp_path: Path
) -> None:
    policies = tmp_path / "gateway" / "policies"
    terminal.run("init", str(tmp_path / "gateway"))
    (policies / "rules" / "notes.txt").write_text("to do")
    sound = terminal.run("bundle", "check", str(policies)).stdout.splitlines()
    test = policies / "tests" / "grants_test.yaml"
    test.write_text(test.read_text().replace("effect: permit", "effect: deny", 1))
    failing = terminal.run("bundle", "check", str(policies))
    (policies / "catalog" / "more.yml").write_text("people: {}\n")
    code, line = terminal.refusal("bundle", "check", str(policies))

    assert sound[0] == "warning: rules/notes.txt: not part of the bundle, so nothing in it governs"
    assert sound[-1].startswith("ok: ")
    assert failing.exit_code == 3
    assert failing.stdout.splitlines()[-1].startswith("failed: ")
    assert "ok: " not in failing.stdout
    assert code == 3
    assert "catalog/more.yml: looks like a part of the bundle" in line


def test_people_of_no_tenant_or_role_are_refused_before_anything_is_written(
    terminal: Terminal, tmp_path: Path
) -> None:
    policies = tmp_path / "gateway" / "policies"
    terminal.run("init", str(tmp_path / "gateway"))
    said = ["people", "add", "zoe", "--folder", str(policies)]

    code, line = terminal.refusal(*said, "--tenant", "acme", "--role", "chef")
    assert (code, "no role `chef` in taxonomy.yaml; it has" in line) == (64, True)
    code, line = terminal.refusal(*said, "--tenant", "nope", "--role", "author")
    assert (code, "no tenant `nope` in the catalog; it has acme" in line) == (64, True)
    assert not list(policies.glob("catalog/people-*"))
    assert terminal.run(*said, "--tenant", "acme", "--role", "author").exit_code == 0


def test_config_show_says_where_secrets_come_from_and_never_what_they_are(
    terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "other").write_text("hunter3")
    given = {
        "TRANSIRE_UPSTREAM__SECRETS": '{"name": "hunter2"}',
        "TRANSIRE_UPSTREAM__SECRETS_DIR": str(tmp_path),
    }
    done = terminal.run("config", "show", **given)

    assert done.exit_code == 0
    assert yaml.safe_load(done.stdout)["upstream"]["secrets"] == {"name": "**********"}
    assert "# credential name: `TRANSIRE_UPSTREAM__SECRETS`\n" in done.stdout
    assert f"# credential other: {tmp_path / 'other'}\n" in done.stdout
    assert "hunter" not in done.output


def test_redacted_settings_say_nothing_of_whose_they_are(
    terminal: Terminal, tmp_path: Path
) -> None:
    folder = tmp_path / "gateway"
    terminal.run("init", str(folder), "--origin", "acme.example/log", "--first-person", "omar")
    done = terminal.run(
        "config",
        "show",
        "--redacted",
        "--config",
        str(folder / "transire.yaml"),
        TRANSIRE_UPSTREAM__SECRETS='{"nordwind": "hunter2"}',
        TRANSIRE_SERVER__HOST="10.1.2.3",
    )
    told = yaml.safe_load(done.stdout)

    assert [
        w for w in ("acme", "omar", "10.1", "nordwind", "hunter", "/") if w in done.output
    ] == []
    assert (told["server"]["port"], told["governance"]["mode"]) == (8080, "team")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sever: {}", "sever"),
        ("server: {port: hunter2}", "server.port"),
        ("- a", "is not a YAML mapping"),
        ("a: [", "is not a YAML mapping"),
        ("\x00", "is not a YAML mapping"),
    ],
)
def test_settings_that_are_wrong_are_named_and_not_quoted(
    terminal: Terminal, tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "transire.yaml"
    file.write_text(text)
    code, line = terminal.refusal("config", "show", "--config", str(file))

    assert (64, True) == (code, says in line), line


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("TRANSIRE_SERVRE__PORT", "1", "`TRANSIRE_SERVRE__PORT`"),
        ("transire_server__prot", "1", "`server.prot`"),
        ("TRANSIRE_SERVER_PORT", "1", "mean `TRANSIRE_SERVER__PORT`?"),
        ("TRANSIRE_UPSTREAM__SECRETS", "nordwind=hunter2", "environment"),
    ],
)
def test_variables_that_are_wrong_are_named_and_not_quoted(
    terminal: Terminal, tmp_path: Path, variable: str, value: str, says: str
) -> None:
    file = tmp_path / "transire.yaml"
    file.write_text("server: {port: 8080}")
    code, line = terminal.refusal("config", "show", "--config", str(file), **{variable: value})

    assert (64, True) == (code, says in line), line
    assert "hunter2" not in line
    assert "hunter2" not in line


def test_settings_that_are_missing_say_how_to_get_some(terminal: Terminal) -> None:
    code, line = terminal.refusal("config", "show", "--config", "no/transire.yaml")

    assert code == 64
    assert "transire init" in line


def test_people_add_writes_one_file_inside_the_catalog(terminal: Terminal, tmp_path: Path) -> None:
    tmp_path = tmp_path / "policies"
    shutil.copytree(pack_folder(), tmp_path)
    options = ("--tenant", "acme", "--role", "author", "--folder", str(tmp_path))
    done = terminal.run("people", "add", "max", *options, "--name", 'Max "M" : {x}')
    written = yaml.safe_load((tmp_path / "catalog" / "people-max.yaml").read_text())
    outside = terminal.refusal("people", "add", "../../max", *options)

    assert done.exit_code == 0
    assert written["people"]["max"]["name"] == 'Max "M" : {x}'
    assert outside[0] == 64
    assert terminal.refusal("people", "add", "max", *options)[0] == 1
    assert not list(tmp_path.parent.glob("*.yaml"))
    assert len(list(tmp_path.rglob("*max*"))) == 1


def test_people_first_never_founds_an_installation(terminal: Terminal, tmp_path: Path) -> None:
    code, line = terminal.refusal("people", "first", "--data", str(tmp_path / "dta"))

    assert code == 1
    assert "transire serve" in line
    assert not (tmp_path / "dta").exists()


def test_a_running_router_keeps_its_log_to_itself(world: World, terminal: Terminal) -> None:
    policies = str(world.data.parent / "policies")
    code, line = terminal.refusal(
        "people", "first", "--data", str(world.data), "--policies", policies
    )

    assert code == 1
    assert line.startswith("transire: ")


def test_the_command_says_its_version(terminal: Terminal) -> None:
    assert terminal.run("--version").stdout == f"transire {__version__}\n"


def test_the_doctor_looks_at_a_running_router_and_its_files(
    world: World, terminal: Terminal
) -> None:
    address = world.root.removeprefix("http://").split(":")
    admin = world.admin_url.rsplit(":", 1)[1]
    done = terminal.run(
        "doctor",
        "--json",
        TRANSIRE_DATA=str(world.data),
        TRANSIRE_SERVER__PORT=address[1],
        TRANSIRE_SERVER__ADMIN_PORT=admin,
        TRANSIRE_GOVERNANCE__POLICIES=str(world.data.parent / "policies"),
    )
    checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    served = {name: checks[name]["status"] for name in ("port", "admin port", "log", "log.pub")}

    assert done.exit_code == 0, done.stdout
    assert set(served.values()) == {"ok"}
    assert "verified" in checks["log"]["found"]
    assert checks["router"]["found"].startswith("ok, bundle ")
    assert checks["active bundle"]["status"] == "ok"
    assert checks["upstream eu-economy"]["status"] == "ok"


def test_the_doctor_does_not_take_another_installations_router_for_its_own(
    world: World, terminal: Terminal, tmp_path: Path
) -> None:
    done = terminal.run(
        "doctor",
        "--json",
        TRANSIRE_DATA=str(tmp_path),
        TRANSIRE_SERVER__PORT=world.root.rsplit(":", 1)[1],
        TRANSIRE_SERVER__ADMIN_PORT="0",
        TRANSIRE_GOVERNANCE__POLICIES=str(world.data.parent / "policies"),
    )
    checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}

    assert done.exit_code == 1
    assert "the router of another log" in checks["port"]["found"]
    assert "router" not in checks


def test_the_doctor_asks_a_router_elsewhere_how_it_is(world: World, terminal: Terminal) -> None:
    well = terminal.run("doctor", "--url", world.base_url)
    gone = terminal.run("doctor", "--url", "http://127.0.0.1:1")
    foreign = terminal.run("doctor", "--url", world.fleet["us-economy"])

    assert (well.exit_code, gone.exit_code, foreign.exit_code) == (0, 1, 1)
    assert well.stdout.splitlines()[0].startswith("ok    router ")
    assert "is `transire serve` running?" in gone.stdout


def test_the_doctor_sees_a_log_that_was_damaged(damaged: Path, terminal: Terminal) -> None:
    done = terminal.run("doctor", "--json", TRANSIRE_DATA=str(damaged))
    checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}

    assert done.exit_code == 1
    assert checks["log"]["status"] == "fail"


def test_a_port_that_is_taken_is_named(terminal: Terminal, tmp_path: Path) -> None:
    terminal.run("init", str(tmp_path / "gateway"))
    settings = str(tmp_path / "gateway" / "transire.yaml")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, line = terminal.refusal("serve", "--config", settings, "--port", port)

    assert code == 1
    assert f"cannot listen on `127.0.0.1:{port}`" in line
    assert "server.port" in line
    assert not (tmp_path / "gateway" / "data").exists()


def test_wrong_options_are_told_by_usage(terminal: Terminal) -> None:
    for arguments in (("serve", "--port", "99999"), ("nonsense",), ("audit", "tail", "x", "-n0")):
        assert terminal.run(*arguments).exit_code == 2
