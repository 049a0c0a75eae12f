"""`transire login`, `people`, `keys`, `review` and `decision` against a real server."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.api.conftest import World
from tests.api.terminal import Terminal, terminal_of

People = Callable[[str], Terminal]
CLAIM = "Write a leaflet claim: it lowers blood pressure in two weeks."
NOBODY = "http://127.0.0.1:1"
"""Port 1 (tcpmux) is served by nobody here."""


@pytest.fixture
def people(world: World, tmp_path: Path) -> People:
    return lambda name: terminal_of(world, name, tmp_path / name)


@pytest.fixture
def stranger(world: World, tmp_path: Path) -> Terminal:
    """Somebody who has not logged in."""
    return Terminal(tmp_path / "stranger", world.root)


def kept(terminal: Terminal) -> Path:
    return terminal.home / "transire" / "credentials.json"


def credential_kept(terminal: Terminal, world: World) -> str:
    """The one credential that the terminal keeps for the router."""
    ((*_, credential),) = [k.values() for k in json.loads(kept(terminal).read_text())[world.root]]
    return str(credential)


def keep(terminal: Terminal, people: dict[str, dict[str, str]]) -> None:
    """Writes the file as logging in would: server, person, credential."""
    kept(terminal).parent.mkdir(parents=True, exist_ok=True)
    document = {
        url: [{"person": name, "credential": text} for name, text in known.items()]
        for url, known in people.items()
    }
    kept(terminal).write_text(json.dumps(document))


def invited(world: World, people: People, person: str, file: Path) -> Path:
    """A token for somebody who has just given their credential up."""
    world.given_up.add(person)
    people(person).result("people", "revoke", person)
    file.write_text(people("omar").run("people", "invite", person).stdout)
    return file


def test_a_token_becomes_a_credential_that_only_its_owner_reads(
    world: World, people: People, stranger: Terminal, tmp_path: Path
) -> None:
    token = invited(world, people, "priya", tmp_path / "token.json")
    done = stranger.run("login", f"{world.base_url}/", "--token-file", str(token))
    world.people["priya"] = credential_kept(stranger, world)

    assert done.exit_code == 0, done.stderr
    assert f"logged in to {world.root} as priya" in done.stdout
    assert stat.S_IMODE(kept(stranger).stat().st_mode) == 0o600
    assert stranger.result("people", "me")["person"] == "priya"
    assert world.people["priya"] not in done.output


def test_a_token_is_good_once_and_an_unwritable_home_does_not_spend_it(
    world: World, people: People, stranger: Terminal, tmp_path: Path
) -> None:
    token = invited(world, people, "priya", tmp_path / "token.json")
    stranger.home.write_text("a file where a folder should be")
    login = ("login", world.root, "--token-file", str(token))
    refused = stranger.refusal(*login)
    stranger.home.unlink()
    first = stranger.run(*login)
    second = stranger.refusal(*login)
    world.people["priya"] = credential_kept(stranger, world)

    assert refused[0] == 1
    assert first.exit_code == 0
    assert second == (1, "transire: this token is unknown or spent; ask for a new one")


@pytest.mark.parametrize(
    "content", [b"", b"omar\n", b"\xff\xfe\x00", b"tsk_" + b"a" * 16 + b"_" + b"b" * 43]
)
def test_a_file_without_a_token_is_refused_before_anything_is_sent(
    stranger: Terminal, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)

    code, line = stranger.refusal("login", NOBODY, "--token-file", str(file))

    assert code == 64
    assert "ask an operator" in line


def test_a_missing_token_file_is_named(stranger: Terminal) -> None:
    code, line = stranger.refusal("login", NOBODY, "--token-file", "no/such/file")

    assert code == 1
    assert "no such file or directory: `no/such/file`" in line


@pytest.mark.parametrize(
    "garbage",
    [
        *("", "not json", "[]", "7", '{"http://x": "tsp_secret"}', '{"http://x": {}}'),
        *('{"http://x": ["tsp_secret"]}', '{"http://x": [{"person": "x"}]}', '{"http://x": 7}'),
    ],
)
def test_garbage_in_the_credentials_file_is_named_and_never_overwritten(
    world: World, people: People, stranger: Terminal, tmp_path: Path, garbage: str
) -> None:
    token = invited(world, people, "priya", tmp_path / "token.json")
    kept(stranger).parent.mkdir(parents=True)
    kept(stranger).write_text(garbage)

    for arguments in (("keys", "list"), ("login", world.root, "--token-file", str(token))):
        code, line = stranger.refusal(*arguments)
        assert code == 64
        assert str(kept(stranger)) in line
        assert "tsp_secret" not in line
    assert kept(stranger).read_text() == garbage


def test_who_has_not_logged_in_is_told_how_and_where_else_they_are(
    world: World, stranger: Terminal
) -> None:
    before = stranger.refusal("keys", "list")
    kept(stranger).parent.mkdir(parents=True)
    kept(stranger).write_text('{"http://other:8080": {"person": "x", "credential": "y"}}')
    after = stranger.refusal("keys", "list")

    assert before[0] == after[0] == 1
    assert f"run `transire login {world.root}`" in before[1]
    assert "http://other:8080" in after[1]


def test_a_second_person_is_kept_beside_the_first_and_says_who_acts(
    world: World, people: People, stranger: Terminal, tmp_path: Path
) -> None:
    keep(stranger, {world.root: {"omar": world.people["omar"]}})
    token = invited(world, people, "priya", tmp_path / "token.json")
    done = stranger.run("login", world.root, "--token-file", str(token))
    kept_now = json.loads(kept(stranger).read_text())[world.root]
    world.people["priya"] = kept_now[1]["credential"]
    unsaid = stranger.refusal("people", "me")
    unknown = stranger.refusal("people", "me", "--as", "bob")

    assert "omar" in done.stdout
    assert "--as priya" in done.stdout
    assert [k["person"] for k in kept_now] == ["omar", "priya"]
    assert (unsaid[0], "--as" in unsaid[1]) == (1, True)
    assert "omar, priya" in unsaid[1]
    assert "not logged in" in unknown[1]
    assert stranger.result("people", "me", "--as", "omar")["person"] == "omar"
    assert json.loads(stranger.run("people", "me", TRANSIRE_AS="priya").stdout)["person"] == "priya"


def test_replace_keeps_the_new_one_alone_and_logout_none(
    world: World, people: People, stranger: Terminal, tmp_path: Path
) -> None:
    keep(stranger, {world.root: {"omar": world.people["omar"]}, NOBODY: {"x": "y"}})
    token = invited(world, people, "priya", tmp_path / "token.json")
    stranger.run("login", world.root, "--token-file", str(token), "--replace")
    world.people["priya"] = credential_kept(stranger, world)
    me = stranger.result("people", "me")["person"]
    out = stranger.run("logout")

    assert me == "priya"
    assert (out.exit_code, "priya" in out.stdout) == (0, True)
    assert list(json.loads(kept(stranger).read_text())) == [NOBODY]
    assert "not logged in" in stranger.refusal("logout")[1]


def test_a_file_of_an_earlier_version_is_read(world: World, stranger: Terminal) -> None:
    kept(stranger).parent.mkdir(parents=True)
    one = {"person": "omar", "credential": world.people["omar"]}
    kept(stranger).write_text(json.dumps({world.root: one}))

    assert stranger.result("people", "me")["person"] == "omar"


def test_the_only_router_somebody_logged_in_to_is_the_one_that_is_meant(
    world: World, tmp_path: Path
) -> None:
    terminal = Terminal(tmp_path / "home", "")
    keep(terminal, {world.root: {"omar": world.people["omar"]}})
    one = terminal.result("people", "me")
    keep(terminal, {world.root: {"omar": world.people["omar"]}, NOBODY: {"x": "y"}})
    two = terminal.refusal("people", "me")

    assert one["person"] == "omar"
    assert (two[0], world.root in two[1], NOBODY in two[1]) == (64, True, True)


@pytest.mark.parametrize("given", ["tsk_x", "ü", "a\nb", "tsp_" + "a" * 16 + "_" + "b" * 43])
def test_a_bad_credential_is_refused_without_being_shown(stranger: Terminal, given: str) -> None:
    code, line = stranger.refusal("keys", "list", TRANSIRE_CREDENTIAL=given)

    assert code == 1
    assert "transire login" in line
    assert given not in line


def test_an_application_key_is_no_personal_credential(world: World, stranger: Terminal) -> None:
    code, line = stranger.refusal("keys", "list", TRANSIRE_CREDENTIAL=world.keys["copilot"])

    assert code == 1
    assert "tsp_…" in line


@pytest.mark.parametrize(
    ("url", "code", "says"),
    [
        (NOBODY, 1, "is `transire serve` running?"),
        ("127.0.0.1:8080", 64, "http://HOST:PORT"),
        ("http://omar:hunter2@127.0.0.1:1", 64, "http://HOST:PORT"),
        ("http://[", 64, "http://HOST:PORT"),
        ("http://127.0.0.1:99999", 64, "http://HOST:PORT"),
        ("", 64, "http://HOST:PORT"),
    ],
)
def test_an_address_where_no_router_is_says_so(
    people: People, url: str, code: int, says: str
) -> None:
    exit_code, line = people("omar").refusal("keys", "list", "--url", url)

    assert (code, True) == (exit_code, says in line), line
    assert "hunter2" not in line


def test_another_server_that_answers_is_not_taken_for_a_router(
    world: World, people: People, tmp_path: Path
) -> None:
    token = invited(world, people, "priya", tmp_path / "token.json")
    foreign = world.fleet["us-economy"]

    assert people("omar").refusal("keys", "list", "--url", foreign)[0] == 1
    assert people("omar").refusal("login", foreign, "--token-file", str(token))[0] == 1


def test_a_key_is_shown_once_listed_without_secret_and_revoked_at_once(
    world: World, people: People
) -> None:
    omar = people("omar")
    made = omar.result("keys", "create", "copilot", "--days", "1", "--holder", "priya")
    listed = omar.run("keys", "list").stdout
    world.keys["from-terminal"] = made["key"]
    served = world.chat("hello", "from-terminal").status_code
    revoked = omar.result("keys", "revoke", made["id"])

    assert (made["application"], made["holder"], made["minted_by"]) == ("copilot", "priya", "omar")
    assert made["id"] in listed
    assert made["key"] not in listed
    assert "digest" not in listed
    assert served == 200
    assert revoked["revoked_at"]
    assert world.chat("hello", "from-terminal").status_code == 401


def test_a_voided_credential_ends_and_a_new_token_begins_again(
    world: World, people: People, stranger: Terminal, tmp_path: Path
) -> None:
    token = invited(world, people, "priya", tmp_path / "priya.json")
    text = json.loads(token.read_text())["token"]
    redeemed = world.act("omar", "POST", "/v1/people/redeem", {"token": text}).json()
    world.people["priya"] = redeemed["credential"]
    world.given_up.add("aud")
    aud = people("aud")
    assert people("omar").result("people", "revoke", "aud")["state"] == "revoked"
    alone = people("omar").refusal("people", "invite", "aud")
    ended = aud.refusal("people", "me")
    again = people("omar").refusal("people", "revoke", "aud")
    assert people("priya").result("people", "revoke", "aud")["state"] == "revoked"
    token = tmp_path / "token.json"
    token.write_text(people("omar").run("people", "invite", "aud").stdout)
    stranger.run("login", world.root, "--token-file", str(token))
    world.people["aud"] = credential_kept(stranger, world)

    assert "another person must invite" in alone[1]
    assert ended[0] == 1
    assert "transire login" in ended[1]
    assert again == (1, "transire: this person has no credential")
    assert stranger.result("people", "me")["roles"] == ["auditor"]


@pytest.mark.parametrize(
    ("person", "arguments", "code", "says"),
    [
        ("ana", ("keys", "create", "copilot"), 2, "mint_key"),
        ("omar", ("keys", "create", "nonsense"), 1, "copilot"),
        ("omar", ("keys", "create", "copilot", "--purpose", "war"), 64, "coding"),
        ("omar", ("keys", "create", "copilot", "--days", "0"), 64, "days"),
        ("omar", ("keys", "create", "copilot", "--holder", "nobody"), 64, "holder"),
        ("omar", ("keys", "revoke", "aaaaaaaaaaaaaaaa"), 1, "no such key"),
        ("omar", ("keys", "revoke", "../people/ben/credential"), 64, "letters"),
        ("omar", ("keys", "revoke", ""), 64, "letters"),
        ("omar", ("people", "invite", "nobody"), 1, "transire people add"),
        ("ana", ("people", "invite", "priya"), 2, "invite"),
        ("rita", ("people", "revoke", "ben"), 2, "revoke_credential"),
        ("rita", ("review", "show", "rev_01M8AAS9J41YR5QTFAEN5M8T4Y"), 1, "no such review"),
        ("rita", ("review", "show", "x/content"), 64, "letters"),
        ("rita", ("review", "approve", "rev_none", "-m", "fine"), 1, "no such review"),
        ("rita", ("review", "list", "--state", "pendign"), 64, "state"),
        ("aud", ("decision", "explain", "dec_none"), 1, "no such decision"),
        ("rita", ("decision", "explain", "dec_none"), 2, "auditor"),
    ],
)
def test_what_is_refused_says_why_and_what_to_do(
    people: People, person: str, arguments: tuple[str, ...], code: int, says: str
) -> None:
    exit_code, line = people(person).refusal(*arguments)

    assert (code, True) == (exit_code, says in line), line


def test_a_held_request_is_listed_looked_at_and_released(world: World, people: People) -> None:
    rita = people("rita")
    held = world.chat(CLAIM, "sales").json()["error"]["review_id"]
    listed = rita.result("review", "list", "--state", "pending")["reviews"]
    content = rita.result("review", "show", held, "--content")
    claimed = rita.result("review", "claim", held)
    minter = people("omar").refusal("review", "approve", held, "-m", "quick")
    silent = rita.refusal("review", "approve", held, "-m", " ")
    approved = rita.result("review", "approve", held, "-m", "agrees with the leaflet")
    resumed = world.chat(CLAIM, "sales", headers={"x-transire-review-id": held})

    assert held in {review["id"] for review in listed}
    assert content["request"]["messages"][0]["content"] == CLAIM
    assert claimed["claimed_by"] == "rita"
    assert minter[0] == 2
    assert silent[0] == 64
    assert approved["state"] == "approved"
    assert resumed.status_code == 200
    assert rita.result("review", "show", held)["state"] == "spent"


def test_a_denial_is_final_and_takes_a_comment(world: World, people: People) -> None:
    rita = people("rita")
    held = world.chat(CLAIM, "sales").json()["error"]["review_id"]

    assert rita.run("review", "deny", held).exit_code == 2
    assert rita.result("review", "deny", held, "-m", "not approved")["state"] == "denied"
    assert rita.refusal("review", "approve", held, "-m", "after all")[0] == 1


def test_an_auditor_reads_why_and_the_same_comes_out_again(world: World, people: People) -> None:
    aud = people("aud")
    made = world.chat("mail jo@example.org, please").headers["x-transire-decision-id"]
    told = aud.run("decision", "explain", made).stdout.splitlines()
    whole = aud.result("decision", "explain", made, "--json")

    assert told[0].startswith("permitted: eu-economy")
    assert told[1] == "found: CONTACT, PERSONAL"
    assert any(line.startswith("forbid  us-economy") for line in told)
    assert whole["decision_id"] == made
    assert aud.result("decision", "replay", made)["agrees"] is True


def test_an_auditor_reads_every_entry_of_a_decision_and_its_proof(
    world: World, people: People
) -> None:
    aud = people("aud")
    made = world.chat("what are your hours?").headers["x-transire-decision-id"]
    entries = world.entries(made)
    told = aud.run("decision", "show", made).stdout.splitlines()
    whole = aud.result("decision", "show", made, "--json")
    proven = aud.run("decision", "proof", made).stdout
    pinned = aud.run("decision", "proof", made, "--key", world.log_public_key).stdout
    foreign = world.log_public_key.replace("demo", "dome")

    assert [line.split()[0] for line in told] == [str(e["index"]) for e in entries]
    assert "permitted, us-economy" in told[0]
    assert whole["entries"] == entries
    assert proven.startswith(f"proven: the decision is entry {entries[0]['index']} of the ")
    assert "pass --key" in proven
    assert "pass --key" not in pinned
    assert aud.result("decision", "proof", made, "--json")["index"] == entries[0]["index"]
    assert aud.refusal("decision", "proof", made, "--key", foreign)[0] == 1
    assert people("rita").refusal("decision", "show", made)[0] == 2
    assert people("rita").refusal("decision", "proof", made)[0] == 2


def test_people_are_listed_with_their_roles_and_credentials(world: World, people: People) -> None:
    told = people("rita").run("people", "list").stdout.splitlines()
    whole = people("rita").result("people", "list", "--json")["people"]

    assert told[1].split() == ["ana", "Ana", "Author", "set", "author"]
    assert [one["person"] for one in whole] == ["ana", "aud", "ben", "omar", "priya", "rita"]
    assert {one["tenant"] for one in whole} == {"acme"}


def test_a_refused_decision_can_be_explained_too(world: World, people: People) -> None:
    reply = world.chat("password: hunter2-and-ghp_16C7e42F292c6912E7710c838347Ae178B4a")
    told = people("aud").run("decision", "explain", reply.json()["error"]["decision_id"])

    assert told.stdout.splitlines()[0] == "denied: policy_denied"
    assert "limits.credential-found" in told.stdout
    assert "hunter2" not in told.output
