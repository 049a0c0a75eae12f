#!/usr/bin/env python3
"""Verify a transire decision log without trusting the operator, or transire.

    python audit/verify.py PATH [--key VKEY|FILE] [--json]

PATH is the log's SQLite file, a data folder that holds `log.sqlite`, or an exported tiles folder.
This program imports the standard library and `cryptography`, and nothing of transire; FORMAT.md
beside it is all one needs to write another one.

Exit status: 0 everything holds; 1 tampered (something contradicts something that is signed);
2 incomplete (something signed or named is missing); 3 untrusted (no key, or not this log's).

Without --key the key is read from `log.pub` beside the log, and trust then rests on whoever gave
you the folder. Get the key from the operator's published page, or from a receipt, and pass it.
"""

import argparse
import base64
import binascii
import hashlib
import json
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TAMPERED, INCOMPLETE, UNTRUSTED = 1, 2, 3
MAX_ENTRY_BYTES = 60 * 1024
MAX_INTEGER = 2**53 - 1
EMPTY_ROOT = hashlib.sha256(b"").digest()
KEY_NAME = re.compile(r"[a-z][a-z0-9_]*")
WIDTH = 256


class Finding(Exception):
    """What is wrong, with the exit status it calls for."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


# --- the tree: RFC 6962 section 2.1 -------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """Roots of the perfect subtrees of what was appended so far, largest first."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: list[tuple[int, bytes]] = []

    def append(self, leaf: bytes) -> None:
        self.peaks.append((1, leaf))
        self.size += 1
        while len(self.peaks) > 1 and self.peaks[-1][0] == self.peaks[-2][0]:
            width, right = self.peaks.pop()
            _, left = self.peaks.pop()
            self.peaks.append((2 * width, node_hash(left, right)))

    def root(self) -> bytes:
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1][1]
        for _, left in reversed(self.peaks[:-1]):
            root = node_hash(left, root)
        return root


# --- signed notes and checkpoints: c2sp.org/signed-note, c2sp.org/tlog-checkpoint ----------------


class Key:
    """A verifier key, `name+hexid+base64(0x01 || key)`."""

    def __init__(self, text: str) -> None:
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise Finding(UNTRUSTED, "a key is written name+id+base64")
        self.name = parts[0]
        try:
            raw = base64.b64decode(parts[2], validate=True)
        except (ValueError, binascii.Error):
            raise Finding(UNTRUSTED, "the key is not base64") from None
        if len(raw) != 33 or raw[0] != 1:
            raise Finding(UNTRUSTED, "the key is not an Ed25519 key")
        self.spelled = text.strip()
        self.id = hashlib.sha256(self.name.encode() + b"\n" + raw).digest()[:4]
        if self.id.hex() != parts[1]:
            raise Finding(UNTRUSTED, "the key's id does not match the key")
        self.public = Ed25519PublicKey.from_public_bytes(raw[1:])

    def open(self, note: str, what: str) -> tuple[int, bytes]:
        """(size, root) of a checkpoint this key has signed."""
        return self.parse(self.text_of(note, what), what)

    def text_of(self, note: str, what: str) -> str:
        """The text of a note this key has signed."""
        head, gap, tail = note.rpartition("\n\n")
        if not gap or not tail.endswith("\n"):
            raise Finding(TAMPERED, f"{what} is not a signed note")
        text, is_signed = head + "\n", False
        for line in tail[:-1].split("\n"):
            fields = line.split(" ")
            try:
                raw = base64.b64decode(fields[2], validate=True) if len(fields) == 3 else b""
            except (ValueError, binascii.Error):
                raw = b""
            if len(raw) < 5 or fields[0] != "—" or base64.b64encode(raw).decode() != fields[2]:
                raise Finding(TAMPERED, f"{what} has a malformed signature line")
            if fields[1] == self.name and raw[:4] == self.id:
                try:
                    self.public.verify(raw[4:], text.encode())
                except InvalidSignature:
                    raise Finding(TAMPERED, f"the signature of {what} does not match") from None
                is_signed = True
        if not is_signed:
            status = UNTRUSTED if text.split("\n")[0] != self.name else TAMPERED
            raise Finding(status, f"{what} is not signed by {self.name}")
        return text

    def parse(self, text: str, what: str) -> tuple[int, bytes]:
        lines = text.split("\n")
        try:
            if len(lines) != 4 or lines[3] or lines[0] != self.name:
                raise ValueError
            size, root = int(lines[1]), base64.b64decode(lines[2], validate=True)
            spelled = f"{self.name}\n{size}\n{base64.b64encode(root).decode()}\n"
            if spelled != text or len(root) != 32:
                raise ValueError
        except ValueError:
            raise Finding(TAMPERED, f"{what} is not a checkpoint of {self.name}") from None
        return size, root


# --- entries ------------------------------------------------------------------------------------


def parse_entry(index: int, data: bytes) -> dict[str, object]:
    """An entry under the profile: one spelling, sorted ASCII keys, integers only."""
    if len(data) > MAX_ENTRY_BYTES:
        raise Finding(TAMPERED, f"entry {index} is larger than {MAX_ENTRY_BYTES} bytes")
    try:
        entry = json.loads(data, parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Finding(TAMPERED, f"entry {index} is not JSON under the profile") from None
    if not isinstance(entry, dict):
        raise Finding(TAMPERED, f"entry {index} is not an object")
    _check_profile(index, entry)
    spelled = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if spelled.encode() != data:
        raise Finding(TAMPERED, f"entry {index} is not in its one canonical spelling")
    for name in ("v", "kind", "id", "ts", "salt", "replica", "boot"):
        if name not in entry:
            raise Finding(TAMPERED, f"entry {index} lacks `{name}`")
    return entry


def _refuse(_text: str) -> object:
    raise ValueError


def _check_profile(index: int, value: object) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if not KEY_NAME.fullmatch(key):
                raise Finding(TAMPERED, f"entry {index} has a key outside the profile")
            _check_profile(index, inner)
    elif isinstance(value, list):
        for inner in value:
            _check_profile(index, inner)
    elif type(value) is int and abs(value) > MAX_INTEGER:
        raise Finding(TAMPERED, f"entry {index} has an integer outside the profile")


class Story:
    """What entries say of one another: decisions, permits, attempts, outcomes, bundles."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.continues: str | None = None
        self.permits: dict[tuple[str, int], str] = {}
        self.closed: set[tuple[str, int]] = set()
        self.decisions: set[str] = set()
        self.active: str | None = None
        self.blobs: dict[str, int] = {}
        self.disclosed: dict[str, int] = {}
        self.kinds: dict[str, int] = {}

    def read(self, index: int, entry: dict[str, object]) -> None:
        kind = str(entry["kind"])
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind in ("policy.genesis", "policy.activated"):
            if kind == "policy.genesis" and self.active is not None:
                raise Finding(TAMPERED, f"entry {index} founds a log that was founded before")
            if kind == "policy.activated" and entry.get("parent") != self.active:
                raise Finding(TAMPERED, f"entry {index} activates against another parent")
            if "continues" in entry:
                self._continue(index, entry)
            self.active = str(entry.get("bundle_digest"))
            self.blobs.setdefault(self.active, index)
        if kind == "decision":
            if str(entry["id"]) in self.decisions:
                raise Finding(TAMPERED, f"entry {index} repeats the decision {entry['id']}")
            self.decisions.add(str(entry["id"]))
        for name in ("evaluation", "facts"):
            if isinstance(entry.get(name), str):
                self.blobs.setdefault(str(entry[name]), index)
        permit = entry.get("permit")
        if isinstance(permit, dict):
            self._permit(index, kind, entry, permit)
        if kind == "outcome":
            self._outcome(index, entry)
        listed = entry.get("sd", [])
        for digest in listed if isinstance(listed, list) else []:
            self.disclosed[str(digest)] = index

    def _continue(self, index: int, entry: dict[str, object]) -> None:
        """A genesis after a lost log: that log's key signed where it stood and who follows it."""
        given, what = entry["continues"], f"the succession in entry {index}"
        if entry["kind"] != "policy.genesis" or not isinstance(given, dict):
            raise Finding(TAMPERED, f"entry {index} continues another log and is no genesis")
        try:
            lost = Key(str(given.get("key")))
            lines = lost.text_of(str(given.get("note")), what).split("\n")
        except Finding as finding:  # whatever it is, this log's own key signed the entry
            raise Finding(TAMPERED, finding.message) from None
        if len(lines) != 9 or lines[0] != "transire-succession/v1" or lines[8]:
            raise Finding(TAMPERED, f"{what} is not one")
        lost.parse("\n".join(lines[1:4]) + "\n", what)
        founded = [f"bundle {entry.get('bundle_digest')}", f"mode {entry.get('mode')}"]
        if lines[4:6] != founded or lines[7] != self.key.spelled:
            raise Finding(TAMPERED, f"{what} is for another bundle, mode or log")
        self.continues = f"{lines[1]} from its size {lines[2]}"

    def _permit(
        self, index: int, kind: str, entry: dict[str, object], permit: dict[str, object]
    ) -> None:
        decision = str(entry["id"] if kind == "decision" else entry.get("decision_id"))
        attempt = permit.get("attempt")
        if not isinstance(attempt, int) or (kind == "decision") != (attempt == 1):
            raise Finding(TAMPERED, f"entry {index} numbers its attempt wrongly")
        if decision not in self.decisions:
            raise Finding(INCOMPLETE, f"entry {index} is an attempt of no earlier decision")
        if (decision, attempt) in self.permits:
            raise Finding(TAMPERED, f"entry {index} repeats attempt {attempt} of {decision}")
        if attempt > 1 and (decision, attempt - 1) not in self.permits:
            raise Finding(INCOMPLETE, f"entry {index} skips an attempt of {decision}")
        if permit.get("bundle") != self.active:
            raise Finding(TAMPERED, f"entry {index} permits under a bundle that was not active")
        self.permits[(decision, attempt)] = str(permit.get("deployment"))

    def _outcome(self, index: int, entry: dict[str, object]) -> None:
        attempt = entry.get("attempt")
        named = (str(entry.get("decision_id")), attempt if isinstance(attempt, int) else 0)
        if named not in self.permits:
            raise Finding(TAMPERED, f"entry {index} is the outcome of nothing that was permitted")
        if named in self.closed:
            raise Finding(TAMPERED, f"entry {index} is a second outcome of {named[0]}")
        if entry.get("deployment") != self.permits[named]:
            raise Finding(TAMPERED, f"entry {index} is the outcome of another deployment")
        self.closed.add(named)


# --- sources: the SQLite log, or a tiles folder --------------------------------------------------


class SqliteLog:
    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self.has_side_data = True
        try:
            self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
            self._db.execute("BEGIN")  # one view, whatever is written meanwhile
            self._db.execute("SELECT count(*) FROM log").fetchone()
        except sqlite3.DatabaseError as error:
            raise Finding(TAMPERED, f"{path.name} cannot be read: {error}") from None

    def entries(self) -> Iterator[tuple[int, bytes, bytes | None]]:
        query = "SELECT idx, leaf, leaf_hash FROM log WHERE log_id=0 ORDER BY idx"
        for index, leaf, hashed in self._db.execute(query):
            yield index, _as_bytes(leaf), _as_bytes(hashed)

    def close(self) -> None:
        self._db.close()

    def checkpoints(self) -> list[tuple[int, str]]:
        query = "SELECT size, note FROM checkpoint WHERE log_id=0 ORDER BY size"
        return [(size, str(note)) for size, note in self._db.execute(query)]

    def head(self) -> tuple[int, bytes] | None:
        row = self._db.execute("SELECT size, compact_range FROM head WHERE log_id=0").fetchone()
        return None if row is None else (row[0], _as_bytes(row[1]))

    def blobs(self) -> Iterator[tuple[str, bytes]]:
        for digest, data in self._db.execute("SELECT digest, data FROM blob WHERE log_id=0"):
            yield str(digest), _as_bytes(data)

    def disclosures(self) -> list[tuple[int, str, str]]:
        query = "SELECT idx, digest, data FROM disclosure WHERE log_id=0"
        return [(index, str(digest), str(data)) for index, digest, data in self._db.execute(query)]


class TilesLog:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.has_side_data = False
        self._note = (folder / "checkpoint").read_text(encoding="utf-8")
        lines = self._note.split("\n")
        if len(lines) < 3 or not lines[1].isdigit():
            raise Finding(TAMPERED, "the checkpoint has no tree size")
        self.size = int(lines[1])

    def entries(self) -> Iterator[tuple[int, bytes, bytes | None]]:
        for start in range(0, self.size, WIDTH):
            width = min(WIDTH, self.size - start)
            bundle = self._tile("entries", start // WIDTH, width)
            hashes = self._tile("0", start // WIDTH, width)
            if len(hashes) != 32 * width:
                raise Finding(TAMPERED, f"hash tile {start // WIDTH} has another length")
            at = 0
            for i in range(width):
                if at + 2 > len(bundle):
                    raise Finding(INCOMPLETE, f"entry {start + i} is missing from its bundle")
                length = int.from_bytes(bundle[at : at + 2], "big")
                data = bundle[at + 2 : at + 2 + length]
                if len(data) != length:
                    raise Finding(INCOMPLETE, f"entry {start + i} is cut off")
                yield start + i, data, hashes[32 * i : 32 * i + 32]
                at += 2 + length
            if at != len(bundle):
                raise Finding(TAMPERED, f"bundle {start // WIDTH} holds more than its entries")
        self._check_upper_tiles()

    def _check_upper_tiles(self) -> None:
        """Every stored tile above level 0 is the hash of the full tiles below it."""
        count, level = self.size, 0
        while count >= WIDTH:
            below = [self._tile(str(level), i, WIDTH) for i in range(count // WIDTH)]
            count, level = count // WIDTH, level + 1
            for start in range(0, count, WIDTH):
                width = min(WIDTH, count - start)
                expected = b"".join(_tile_root(t) for t in below[start : start + width])
                if self._tile(str(level), start // WIDTH, width) != expected:
                    raise Finding(TAMPERED, f"tile {level}/{start // WIDTH} was altered")

    def close(self) -> None:
        pass

    def checkpoints(self) -> list[tuple[int, str]]:
        return [(self.size, self._note)]

    def head(self) -> None:
        return None

    def blobs(self) -> Iterator[tuple[str, bytes]]:
        return iter(())

    def disclosures(self) -> list[tuple[int, str, str]]:
        return []

    def _tile(self, kind: str, index: int, width: int) -> bytes:
        groups = [f"{index % 1000:03d}"]
        while index >= 1000:
            index //= 1000
            groups.insert(0, f"x{index % 1000:03d}")
        partial = "" if width == WIDTH else f".p/{width}"
        path = self.folder / "tile" / kind / ("/".join(groups) + partial)
        if not path.is_file():
            raise Finding(INCOMPLETE, f"{path.relative_to(self.folder)} is missing")
        return path.read_bytes()


def _tile_root(tile: bytes) -> bytes:
    hashes = [tile[i : i + 32] for i in range(0, len(tile), 32)]
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


# --- verification -------------------------------------------------------------------------------


def verify(log: "SqliteLog | TilesLog", key: Key) -> dict[str, object]:
    """Check everything; returns a summary, or raises the first Finding."""
    try:
        return _verify(log, key)
    finally:
        log.close()


def _verify(log: "SqliteLog | TilesLog", key: Key) -> dict[str, object]:
    notes, story, tree = log.checkpoints(), Story(key), Tree()
    if not notes:
        raise Finding(INCOMPLETE, "there is no checkpoint")
    signed = []
    for size, note in notes:
        covered = key.open(note, f"checkpoint {size}")
        if covered[0] != size:
            raise Finding(TAMPERED, f"checkpoint {size} is signed for size {covered[0]}")
        signed.append(covered)
    following = iter(signed)
    upcoming = next(following, None)
    for index, data, stored in log.entries():
        if index != tree.size:
            raise Finding(INCOMPLETE, f"entry {tree.size} is missing")
        hashed = leaf_hash(data)
        if stored is not None and stored != hashed:
            raise Finding(TAMPERED, f"entry {index} does not have the leaf hash stored for it")
        tree.append(hashed)
        entry = parse_entry(index, data)
        story.read(index, entry)
        if upcoming is not None and upcoming[0] == tree.size:
            if upcoming[1] != tree.root():
                raise Finding(
                    TAMPERED, f"the entries below {tree.size} have another root than signed"
                )
            upcoming = next(following, None)
    if upcoming is not None:
        raise Finding(INCOMPLETE, f"{signed[-1][0]} entries are signed for, {tree.size} are there")
    if signed[-1][0] != tree.size:
        raise Finding(INCOMPLETE, f"entries from {signed[-1][0]} on are covered by no checkpoint")
    head = log.head()
    if head is not None and head != (tree.size, b"".join(h for _, h in tree.peaks)):
        raise Finding(TAMPERED, "the stored head is not that of the entries")
    erased = _check_side_data(log, story)
    return {
        "entries": tree.size,
        "checkpoints": len(signed),
        "root": base64.b64encode(tree.root()).decode(),
        "decisions": len(story.decisions),
        "permits": len(story.permits),
        "open_permits": len(set(story.permits) - story.closed),
        "erased_fields": erased,
        "active_bundle": story.active,
        "continues": story.continues,
        "kinds": dict(sorted(story.kinds.items())),
    }


def _check_side_data(log: "SqliteLog | TilesLog", story: Story) -> int:
    """Blobs and disclosures match what entries name; returns the fields that were erased."""
    if not log.has_side_data:
        return 0
    present = set()
    for digest, data in log.blobs():
        if hashlib.sha256(data).hexdigest() != digest:
            raise Finding(TAMPERED, f"blob {digest[:16]}… does not have its digest")
        present.add(digest)
    for digest, index in sorted(story.blobs.items()):
        if digest not in present:
            raise Finding(INCOMPLETE, f"blob {digest[:16]}…, named by entry {index}, is missing")
    kept = set()
    for index, digest, encoded in log.disclosures():
        computed = base64.urlsafe_b64encode(hashlib.sha256(encoded.encode()).digest())
        if computed.rstrip(b"=").decode() != digest or story.disclosed.get(digest) != index:
            raise Finding(TAMPERED, f"a disclosure of entry {index} was altered")
        kept.add(digest)
    return len(set(story.disclosed) - kept)


def open_source(path: Path) -> "SqliteLog | TilesLog":
    if path.is_dir() and (path / "log.sqlite").is_file():
        return SqliteLog(path / "log.sqlite")
    if path.is_dir() and (path / "checkpoint").is_file():
        return TilesLog(path)
    if path.is_file():
        return SqliteLog(path)
    raise Finding(INCOMPLETE, f"there is no log at {path}")


def read_key(given: str | None, folder: Path) -> tuple[Key, bool]:
    """The key, and whether it came from outside the folder."""
    if given is not None:
        text = Path(given).read_text(encoding="utf-8") if Path(given).is_file() else given
        return Key(text), True
    beside = folder / "log.pub"
    if not beside.is_file():
        raise Finding(UNTRUSTED, "no key: pass --key, or put log.pub beside the log")
    return Key(beside.read_text(encoding="utf-8")), False


def examine(arguments: argparse.Namespace) -> tuple[int, str, str]:
    """(exit status, what to print, what to say on standard error)."""
    try:
        log = open_source(arguments.path)
        key, is_pinned = read_key(arguments.key, log.folder)
        summary = verify(log, key)
    except Finding as finding:
        word = {TAMPERED: "TAMPERED", INCOMPLETE: "INCOMPLETE", UNTRUSTED: "UNTRUSTED"}[
            finding.status
        ]
        if arguments.json:
            told = {"ok": False, "finding": word.lower(), "message": finding.message}
            return finding.status, json.dumps(told), ""
        return finding.status, "", f"{word}: {finding.message}"
    except (sqlite3.DatabaseError, UnicodeDecodeError, OSError) as error:
        return TAMPERED, "", f"TAMPERED: the log cannot be read: {type(error).__name__}"
    if arguments.json:
        return 0, json.dumps({"ok": True, "key": key.name, "pinned": is_pinned, **summary}), ""
    lines = [
        f"ok: {summary['entries']} entries, {summary['checkpoints']} signed checkpoints, "
        f"{summary['permits']} permits, each recorded under the bundle active at its time",
        f"root {summary['root']} at size {summary['entries']}, signed by {key.name}",
    ]
    if summary["erased_fields"]:
        lines.append(
            f"{summary['erased_fields']} personal fields were erased; nothing says by whom"
        )
    if summary["continues"]:
        lines.append(
            f"continues the lost log {summary['continues']}; hold its key against your own copy"
        )
    if not is_pinned:
        lines.append(
            "note: the key was read from log.pub beside the log; pass --key to trust your own copy"
        )
    return 0, "\n".join(lines), ""


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify a transire decision log.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--key", help="verifier key, or a file that holds it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    status, printed, said = examine(parser.parse_args())
    if said:
        print(said, file=sys.stderr)
    try:
        if printed:
            print(printed, flush=True)
    except BrokenPipeError:
        # The reader went away (`| head`); the exit status still says what was found. Python would
        # try once more, loudly, at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


if __name__ == "__main__":
    sys.exit(main())
