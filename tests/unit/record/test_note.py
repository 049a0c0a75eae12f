"""Signed notes, their keys and checkpoints: one spelling each, and no signature but a good one."""

import base64
import stat
from pathlib import Path

import pytest

from transire.errors import IntegrityError
from transire.record.checkpoint import Checkpoint
from transire.record.note import VerifierKey, key_id, open_note, sign_line
from transire.record.signer import KEY_FILE, PUBLIC_FILE, Signer

SIGNER, OTHER = Signer("log.example/a", b"a" * 32), Signer("log.example/b", b"b" * 32)
TEXT = "one\ntwo\n"
NOTE = SIGNER.sign_text(TEXT)
LINE = NOTE.removeprefix(f"{TEXT}\n")


def test_a_signed_text_is_read_back_by_who_knows_the_key() -> None:
    assert open_note(NOTE, [SIGNER.key]) == TEXT
    assert open_note(NOTE, [OTHER.key, SIGNER.key]) == TEXT


def test_signatures_of_strangers_are_ignored_and_count_for_nothing() -> None:
    both = NOTE + OTHER.sign_text(TEXT).removeprefix(f"{TEXT}\n")

    assert open_note(both, [SIGNER.key]) == open_note(both, [OTHER.key]) == TEXT
    with pytest.raises(IntegrityError, match="no known key"):
        open_note(NOTE, [OTHER.key])
    with pytest.raises(IntegrityError, match="no known key"):
        open_note(NOTE, [])


def test_a_bad_signature_of_a_known_key_is_an_error_beside_a_good_one() -> None:
    bad = sign_line(OTHER.key.name, OTHER.key.id, b"x" * 64)

    assert open_note(NOTE + bad, [SIGNER.key]) == TEXT
    with pytest.raises(IntegrityError, match="does not match"):
        open_note(NOTE + bad, [SIGNER.key, OTHER.key])


def test_a_name_with_another_keys_id_is_a_stranger() -> None:
    forged = f"{TEXT}\n" + sign_line(SIGNER.key.name, OTHER.key.id, b"x" * 64)

    with pytest.raises(IntegrityError, match="no known key"):
        open_note(forged, [SIGNER.key])


@pytest.mark.parametrize(
    "note",
    [
        "",
        TEXT,
        NOTE.removesuffix("\n"),
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("one", "One"),
        f"{TEXT}\n",
        f"{TEXT}\n\n",
        NOTE + "\n",
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—  "),
        f"{TEXT}\n" + LINE.replace("\n", " \n"),
        f"{TEXT}\n— {SIGNER.key.name} !!!!\n",
        f"{TEXT}\n— {SIGNER.key.name} AAAA\n",
        "x" * 1_000_001 + "\n\n" + LINE,
    ],
)
def test_what_is_no_note_signed_by_us_is_refused(note: str) -> None:
    with pytest.raises(IntegrityError):
        open_note(note, [SIGNER.key])


def _other_spelling(line: str) -> str:
    """The same signature, with bits set that base64 leaves unused (RFC 4648 §3.5)."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    kept, last = line.removesuffix("=\n")[:-1], line.removesuffix("=\n")[-1]
    spelled = f"{kept}{alphabet[alphabet.index(last) + 1]}=\n"
    assert base64.b64decode(spelled.split()[2]) == base64.b64decode(line.split()[2])
    return spelled


@pytest.mark.parametrize(
    "note",
    [
        f"{TEXT}\n" + _other_spelling(LINE),
        NOTE.removesuffix("\n") + "x",
        NOTE + "— stranger AAAA\n",
        NOTE + "— stranger\n",
        NOTE + "— stranger !!!!AAAA\n",
    ],
)
def test_a_good_signature_excuses_no_other_spelling(note: str) -> None:
    with pytest.raises(IntegrityError):
        open_note(note, [SIGNER.key])


def test_a_note_has_a_bound_and_may_fill_it() -> None:
    text = "x" * (1_000_000 - len(NOTE) + len(TEXT) - 1) + "\n"
    note = SIGNER.sign_text(text)

    assert len(note) == 1_000_000
    assert open_note(note, [SIGNER.key]) == text
    with pytest.raises(IntegrityError):
        open_note(SIGNER.sign_text(f"x{text}"), [SIGNER.key])


def test_a_verifier_key_is_read_back() -> None:
    assert VerifierKey.parse(str(SIGNER.key)) == SIGNER.key
    assert len(SIGNER.key.id) == 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000",
        str(SIGNER.key).replace("log.example/a", "log.example/b"),
        str(SIGNER.key)[:-4],
        f"a+{'0' * 8}+{base64.b64encode(b'x').decode()}",
        f" +{'0' * 8}+{base64.b64encode(bytes([1]) + b'k' * 32).decode()}",
        f"a b+{'0' * 8}+{base64.b64encode(bytes([1]) + b'k' * 32).decode()}",
        f"a+{'0' * 8}+{base64.b64encode(bytes([2]) + b'k' * 32).decode()}",
        f"a+{'0' * 8}+!!!!",
    ],
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        VerifierKey.parse(text)


def _spelled(name: str, kind: bytes, public: bytes) -> str:
    """A verifier key whose id is right for what it says."""
    encoded = base64.b64encode(kind + public).decode()
    return f"{name}+{key_id(name, public).hex()}+{encoded}"


@pytest.mark.parametrize(
    ("name", "kind", "public"),
    [
        ("", b"\x01", b"k" * 32),
        ("a b", b"\x01", b"k" * 32),
        ("x" * 256, b"\x01", b"k" * 32),
        ("a", b"\x02", b"k" * 32),
        ("a", b"\x01", b"k" * 31),
        ("a", b"\x01", b"k" * 33),
    ],
)
def test_a_right_id_excuses_no_other_kind_of_key(name: str, kind: bytes, public: bytes) -> None:
    assert VerifierKey.parse(_spelled("a", b"\x01", b"k" * 32)).public == b"k" * 32
    with pytest.raises(IntegrityError, match="names an Ed25519 key"):
        VerifierKey.parse(_spelled(name, kind, public))


def test_a_key_of_another_kind_or_name_has_another_id() -> None:
    renamed = VerifierKey("log.example/b", SIGNER.key.public)

    assert renamed.id != SIGNER.key.id


CHECKPOINT = Checkpoint("log.example/a", 7, b"r" * 32)


def test_a_checkpoint_is_read_back() -> None:
    assert Checkpoint.parse(CHECKPOINT.text()) == CHECKPOINT
    assert Checkpoint.parse(open_note(SIGNER.sign(CHECKPOINT), [SIGNER.key])) == CHECKPOINT


@pytest.mark.parametrize(
    "text",
    [
        "",
        CHECKPOINT.text() + "extension\n",
        CHECKPOINT.text().removesuffix("\n"),
        CHECKPOINT.text().replace("7", "07"),
        CHECKPOINT.text().replace("7", "+7"),
        CHECKPOINT.text().replace("7", "-7"),
        CHECKPOINT.text().replace("7", "seven"),
        Checkpoint("o", 7, b"r" * 31).text(),
        Checkpoint("o", 7, b"").text(),
        "o\n7\n!!!!\n",
    ],
)
def test_a_checkpoint_has_one_spelling(text: str) -> None:
    with pytest.raises(IntegrityError):
        Checkpoint.parse(text)


def test_a_key_is_kept_for_its_owner_alone_and_never_replaced(tmp_path: Path) -> None:
    made = Signer.create(tmp_path, "log.example/a", b"a" * 32)

    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert (tmp_path / PUBLIC_FILE).read_text() == f"{made.key}\n"
    loaded = Signer.load(tmp_path)
    assert loaded.key == made.key == SIGNER.key
    assert loaded.sign_text(TEXT) == NOTE
    assert loaded.state_seal.of({"a": "b"}) == SIGNER.state_seal.of({"a": "b"})
    with pytest.raises(FileExistsError):
        Signer.create(tmp_path, "log.example/a", b"b" * 32)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    Signer.create(tmp_path, "log.example/a", b"a" * 32)
    (tmp_path / KEY_FILE).chmod(mode)

    with pytest.raises(IntegrityError, match="owner alone"):
        Signer.load(tmp_path)


@pytest.mark.parametrize("text", ["", "name", "name+AAAA", "name+!!!!"])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    Signer.create(tmp_path, "log.example/a", b"a" * 32)
    (tmp_path / KEY_FILE).write_text(text)

    with pytest.raises(IntegrityError):
        Signer.load(tmp_path)


def test_two_logs_seal_their_state_under_unrelated_keys() -> None:
    assert SIGNER.state_seal.of({"a": "b"}) != OTHER.state_seal.of({"a": "b"})
