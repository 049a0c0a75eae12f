"""`transire bundle`, `quarantine` and `mode` against a real server, by people with their roles."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.api.conftest import World
from tests.api.standing import Standing
from tests.api.terminal import Terminal, terminal_of

from transire.bundle.acts import format_moment, parse_moment
from transire.bundle.limits import pack_folder
from transire.bundle.source import read_folder

People = Callable[[str], Terminal]


@pytest.fixture
def people(world: World, tmp_path: Path) -> People:
    return lambda name: terminal_of(world, name, tmp_path / name)


@pytest.fixture(scope="module")
def shown(
    session_world: World, standing: Standing, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What `bundle show` says of every file of the bundle that each of these tests starts under."""
    copy = tmp_path_factory.mktemp("shown") / "policies"
    ana = terminal_of(session_world, "ana", copy.parent)
    told = ana.result("bundle", "show")
    for name in told["files"]:
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(ana.run("bundle", "show", "--file", name).stdout)
    assert told["digest"] == standing.digest
    assert set(read_folder(copy)) == set(read_folder(session_world.data.parent / "policies"))
    return copy


@pytest.fixture
def folder(shown: Path, tmp_path: Path) -> Path:
    """The active bundle's files, as an author has them in git."""
    return Path(shutil.copytree(shown, tmp_path / "policies"))


def test_a_bundle_goes_from_a_folder_to_active_by_two_people(people: People, folder: Path) -> None:
    ana, ben = people("ana"), people("ben")
    with (folder / "routing.yaml").open("a") as file:
        file.write(f"\n# {folder}\n")

    proposed = ana.result("bundle", "propose", str(folder))
    digest = proposed["digest"]
    alone = ana.refusal("bundle", "approve", digest)
    early = ana.refusal("bundle", "activate", digest)
    approved = ben.result("bundle", "approve", digest)
    activated = ben.result("bundle", "activate", digest)
    listed = ana.result("bundle", "list")

    assert (proposed["author"], proposed["state"]) == ("ana", "open")
    assert alone[0] == 2
    assert "transire people add" in alone[1]
    assert early[0] == 1
    assert "transire bundle approve" in early[1]
    assert [a["by"] for a in approved["approvals"]] == ["ben"]
    assert activated == {"active": digest}
    assert (listed["active"], listed["mode"]) == (digest, "team")
    assert ana.refusal("bundle", "propose", str(folder))[0] == 1


def test_short_digests_name_bundles_and_diff_says_what_one_changes(
    people: People, folder: Path, tmp_path: Path
) -> None:
    ana, ben = people("ana"), people("ben")
    same = ana.run("bundle", "diff", "active", str(folder)).stdout
    fleet = folder / "catalog" / "deployments.yaml"
    fleet.write_text(fleet.read_text().replace("latency_ms: 450", "latency_ms: 451"))
    digest = ana.result("bundle", "propose", str(folder))["digest"]
    told = ana.run("bundle", "diff", "active", digest[:8]).stdout.splitlines()
    line = ana.run("bundle", "diff", "active", str(folder), "--summary").stdout
    stranger = Terminal(tmp_path / "nobody", "")
    files = stranger.run("bundle", "diff", str(folder), str(pack_folder())).stdout

    assert same == "no difference\n"
    assert told[:2] == [
        "--- active/catalog/deployments.yaml",
        f"+++ {digest[:8]}/catalog/deployments.yaml",
    ]
    assert "+    latency_ms: 451" in told
    assert told[-1] == "# deployments: ~eu-economy"
    assert line == "# deployments: ~eu-economy\n"
    assert "latency_ms: 450" in files
    assert ana.result("bundle", "show", digest[:12])["digest"] == digest
    assert ben.result("bundle", "approve", digest[:8])["digest"] == digest
    assert ben.result("bundle", "activate", digest[:9]) == {"active": digest}


def test_a_folder_that_does_not_compile_is_not_valid_and_names_the_line(
    people: People, folder: Path
) -> None:
    rules = folder / "rules" / "grants.cedar"
    rules.write_text(rules.read_text().replace('Tenant::"acme"', 'Tenant::"acmee"', 1))

    done = people("ana").run("bundle", "propose", str(folder))

    assert done.exit_code == 3
    assert "rules/grants.cedar:" in done.stderr
    assert "acmee" in done.stderr


def test_a_bundle_that_only_the_server_refuses_is_not_valid_either(
    people: People, folder: Path
) -> None:
    """It compiles; that nobody could replace it is found by the server's sweep."""
    persons = folder / "catalog" / "people.yaml"
    persons.write_text(persons.read_text().replace("roles: [approver]", "roles: [auditor]"))

    done = people("ana").run("bundle", "propose", str(folder))

    assert done.exit_code == 3
    assert "approve" in done.stderr


@pytest.mark.parametrize(
    ("person", "arguments", "code", "says"),
    [
        ("omar", ("bundle", "approve", "0" * 64), 1, "nobody proposed"),
        ("ben", ("bundle", "activate", "nonsense"), 64, "first 8 or more"),
        ("ben", ("bundle", "activate", "0" * 16), 1, "transire bundle list"),
        ("ana", ("bundle", "diff", "active", "no-such-folder"), 3, "transire init"),
        ("ana", ("bundle", "show", "0" * 64), 1, "no bundle of this digest"),
        ("ana", ("bundle", "show", "active", "--file", "rules/no.cedar"), 1, "taxonomy.yaml"),
        ("ana", ("bundle", "approve", "../quarantine"), 64, "letters"),
        ("ana", ("bundle", "propose", "no-such-folder"), 3, "transire init"),
        ("omar", ("quarantine", "deployment", "no-such", "--reason", "x"), 1, "no such deployment"),
        ("omar", ("quarantine", "provider", "atlantic", "--reason", ""), 64, "reason"),
        ("rita", ("quarantine", "provider", "atlantic", "--reason", "x"), 2, "quarantine"),
        ("ben", ("quarantine", "ratify", "provider", "nordwind"), 1, "not quarantined"),
        ("ben", ("quarantine", "ratify", "planet", "mars"), 64, "kind"),
        ("ben", ("quarantine", "lift", "tenant", "acme"), 1, "not quarantined"),
        ("ana", ("mode", "team"), 1, "team already"),
        ("ana", ("mode", "grant-solo"), 1, "another person"),
        ("rita", ("mode", "ask-solo"), 2, "not allow"),
    ],
)
def test_what_is_refused_says_why_and_what_to_do(
    people: People, person: str, arguments: tuple[str, ...], code: int, says: str
) -> None:
    exit_code, line = people(person).refusal(*arguments)

    assert (code, True) == (exit_code, says in line), line


def test_a_quarantine_is_imposed_by_one_ratified_by_another_and_lifted_by_two(
    people: People,
) -> None:
    quarantined = ("provider", "atlantic")
    omar, ben, priya = people("omar"), people("ben"), people("priya")
    imposed = omar.result("quarantine", "provider", "atlantic", "--reason", "incident 12")
    own = omar.refusal("quarantine", "ratify", *quarantined)
    ratified = ben.result("quarantine", "ratify", *quarantined)
    twice = priya.refusal("quarantine", "ratify", *quarantined)
    asked = ben.result("quarantine", "lift", *quarantined)
    (waiting,) = omar.result("quarantine", "list")["quarantined"]
    again = ben.refusal("quarantine", "lift", *quarantined)
    lifted = priya.result("quarantine", "lift", *quarantined)

    assert imposed["quarantined"][0]["ratified_by"] is None
    assert own[0] == 2
    assert "another person" in own[1]
    assert ratified["quarantined"][0]["ratified_by"] == "ben"
    assert twice == (1, "transire: this quarantine is ratified already")
    assert asked["lifted"] is False
    assert [format_moment(parse_moment(waiting[name])) for name in ("at", "lift_asked_at")] == [
        waiting["at"],
        waiting["lift_asked_at"],
    ]
    assert again[0] == 1
    assert lifted["lifted"] is True
    assert omar.result("quarantine", "list")["quarantined"] == []


def test_solo_takes_two_people_and_team_takes_one(people: People, folder: Path) -> None:
    ana, ben = people("ana"), people("ben")
    asked = ana.result("mode", "ask-solo")
    own = ana.refusal("mode", "grant-solo")
    granted = ben.result("mode", "grant-solo")
    back = ben.result("mode", "team")

    assert asked == {"mode": "team", "solo_asked_by": "ana"}
    assert own[0] == 1
    assert "another person" in own[1]
    assert granted == {"mode": "solo", "solo_asked_by": None}
    assert back == {"mode": "team", "solo_asked_by": None}
    assert ana.result("mode", "show") == back
