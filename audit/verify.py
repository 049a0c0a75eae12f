#!/usr/bin/env python3
"""Verify a transire decision log without trusting the operator, or transire.

    python audit/verify.py PATH [--key VKEY|FILE] [--checkpoint FILE] [--json]

PATH is the log's SQLite file, a data folder that holds `log.sqlite`, or an exported tiles folder.
This program and the files beside it import the standard library and `cryptography`,
and nothing of transire; FORMAT.md is all one needs to write another one.

Exit status: 0 everything holds; 1 tampered (something contradicts something that is signed);
2 incomplete (something signed or named is missing); 3 untrusted (no key, or not this log's);
4 not judged (the package `cryptography` is missing).

--checkpoint is a signed note you kept (c2sp.org/tlog-checkpoint): the log must have its root at
its size. Another root is tampered (1), a shorter log incomplete (2), another key untrusted (3).

Without --key the key is read from `log.pub` beside the log, and trust then rests on whoever gave
you the folder. Get the key from the operator's published page, or from a colleague, and pass it.
"""

import argparse
import base64
import hashlib
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

# Isolated mode (`python -I`), which proves that nothing else is imported, leaves this folder out.
sys.path.insert(0, str(Path(__file__).resolve().parent))
if find_spec("cryptography") is None:
    print(
        "NOT JUDGED: signatures need the package `cryptography`; install it and run this again",
        file=sys.stderr,
    )
    sys.exit(4)
from rules import Story
from trees import (
    INCOMPLETE,
    TAMPERED,
    UNTRUSTED,
    Finding,
    Key,
    Tree,
    demand,
    leaf_hash,
    node_hash,
    parse_entry,
)

WIDTH = 256


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
        self.has_side_data = (folder / "side" / "disclosures").is_file()
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
        folder = self.folder / "side" / "blob"
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            yield path.name, path.read_bytes()

    def disclosures(self) -> list[tuple[int, str, str]]:
        rows = []
        *lines, rest = (self.folder / "side" / "disclosures").read_bytes().split(b"\n")
        for line in lines:
            try:
                index, digest, data = json.loads(line)
            except (ValueError, TypeError, RecursionError):
                raise Finding(TAMPERED, "side/disclosures cannot be read") from None
            spelled = json.dumps([index, digest, data], separators=(",", ":")).encode()
            is_row = isinstance(digest, str) and isinstance(data, str) and spelled == line
            demand(is_row, "side/disclosures cannot be read")
            rows.append((index, digest, data))
        demand(not rest, "side/disclosures is cut off", INCOMPLETE)
        return rows

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


def verify(
    log: "SqliteLog | TilesLog", key: Key, held: tuple[int, bytes] | None = None
) -> dict[str, object]:
    """Check everything; returns a summary, or raises the first Finding.

    `held` is (size, root) of a checkpoint that somebody else kept.
    """
    try:
        return _verify(log, key, held)
    finally:
        log.close()


def _verify(
    log: "SqliteLog | TilesLog", key: Key, held: tuple[int, bytes] | None
) -> dict[str, object]:
    signed, story, tree = _signed(log, key), Story(key), Tree()
    following = iter(signed)
    upcoming = next(following, None)
    _compare(held, tree)
    if held is not None:
        is_long = signed[-1][0] >= held[0]
        what = f"the checkpoint held is of size {held[0]}, this log ends at {signed[-1][0]}"
        demand(is_long, what, INCOMPLETE)
    for index, data, stored in log.entries():
        demand(index == tree.size, f"entry {tree.size} is missing", INCOMPLETE)
        hashed = leaf_hash(data)
        is_same = stored in (None, hashed)
        demand(is_same, f"entry {index} does not have the leaf hash stored for it")
        tree.append(hashed)
        story.read(index, parse_entry(index, data))
        if upcoming is not None and upcoming[0] == tree.size:
            is_same = upcoming[1] == tree.root()
            demand(is_same, f"the entries below {tree.size} have another root than signed")
            upcoming = next(following, None)
        _compare(held, tree)
    size = signed[-1][0]
    demand(upcoming is None, f"{size} entries are signed for, {tree.size} are there", INCOMPLETE)
    demand(size == tree.size, f"entries from {size} on are covered by no checkpoint", INCOMPLETE)
    head = (tree.size, b"".join(h for _, h in tree.peaks))
    demand(log.head() in (None, head), "the stored head is not that of the entries")
    if log.has_side_data:
        _check_side_data(log, story)
    return {
        "entries": tree.size,
        "checkpoints": len(signed),
        "root": base64.b64encode(tree.root()).decode(),
        "decisions": len(story.decisions),
        "permits": len(story.permits),
        "open_permits": len(story.permits.keys() - story.ended),
        "erased_fields": len(story.erased),
        "side_data": log.has_side_data,
        "active_bundle": story.governed.active,
        "continues": story.governed.continues,
        "not_judged": ", ".join(sorted(story.unknown)),
        "kinds": dict(sorted(story.kinds.items())),
    }


def _compare(held: tuple[int, bytes] | None, tree: Tree) -> None:
    """At its size, the log has the root of the checkpoint held."""
    is_one = held is None or held[0] != tree.size or held[1] == tree.root()
    demand(is_one, f"at size {tree.size} this log has another root than the checkpoint held")


def read_held(file: Path | None, key: Key) -> tuple[int, bytes] | None:
    """(size, root) of the signed note in a file; whatever this key has not signed is untrusted."""
    if file is None:
        return None
    try:
        return key.open(file.read_bytes().decode("utf-8"), "the checkpoint held")
    except OSError as error:
        raise Finding(UNTRUSTED, f"{file} cannot be read: {type(error).__name__}") from None
    except UnicodeDecodeError:
        raise Finding(UNTRUSTED, f"{file} is no signed note") from None
    except Finding as finding:
        raise Finding(UNTRUSTED, finding.message) from None


def _signed(log: "SqliteLog | TilesLog", key: Key) -> list[tuple[int, bytes]]:
    """(size, root) of every checkpoint, by size."""
    signed = []
    for size, note in log.checkpoints():
        covered = key.open(note, f"checkpoint {size}")
        demand(covered[0] == size, f"checkpoint {size} is signed for size {covered[0]}")
        signed.append(covered)
    demand(signed, "there is no checkpoint", INCOMPLETE)
    return signed


def _check_side_data(log: "SqliteLog | TilesLog", story: Story) -> None:
    """Blobs and disclosures match what entries name; what is gone, an entry erased."""
    present = set()
    for digest, data in log.blobs():
        is_same = hashlib.sha256(data).hexdigest() == digest
        demand(is_same, f"blob {digest[:16]}… does not have its digest")
        present.add(digest)
        story.check_evaluation(digest, data)
    for digest, index in sorted(story.blobs.items()):
        is_there = digest in present
        demand(is_there, f"blob {digest[:16]}…, named by entry {index}, is missing", INCOMPLETE)
    kept = set()
    for index, digest, encoded in log.disclosures():
        hashed = base64.urlsafe_b64encode(hashlib.sha256(encoded.encode()).digest())
        is_same = hashed.rstrip(b"=").decode() == digest and story.disclosed.get(digest) == index
        demand(is_same, f"a disclosure of entry {index} was altered")
        kept.add(digest)
    for digest, index in story.disclosed.items():
        what, is_erased = f"a disclosure of entry {index}", digest in story.erased
        demand(digest in kept or is_erased, f"{what} is gone, and no entry erases it", INCOMPLETE)
        demand(digest not in kept or not is_erased, f"{what} is there, and said to be erased")


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
        held = read_held(arguments.checkpoint, key)
        summary = verify(log, key, held)
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
        told = {"ok": True, "key": key.name, "pinned": is_pinned, **summary}
        return 0, json.dumps(told | ({"held": held[0]} if held else {})), ""
    lines = [
        f"{'ok' if summary['side_data'] else 'ok, but for side data'}: "
        f"{summary['entries']} entries, {summary['checkpoints']} signed checkpoints, "
        f"{summary['permits']} permits, each recorded under the bundle active at its time",
        f"root {summary['root']} at size {summary['entries']}, signed by {key.name}",
    ]
    if held is not None:
        lines.append(
            f"the checkpoint held, of size {held[0]}, is this log's: nothing below changed"
        )
    if summary["erased_fields"]:
        lines.append(
            f"{summary['erased_fields']} personal fields were erased, each by an entry that says so"
        )
    if summary["continues"]:
        lines.append(
            f"continues the lost log {summary['continues']}; hold its key against your own copy"
        )
    if not summary["side_data"]:
        lines.append(
            "NOT JUDGED: no side data is there, so no evaluation was read that permits rest on, "
            "and no bundle, facts or disclosure; export again, or ask for the folder `side`"
        )
    if not_judged := summary["not_judged"]:
        lines.append(f"note: this verifier does not know, and did not judge: {not_judged}")
    if not is_pinned:
        lines.append(
            "note: the key was read from log.pub beside the log; pass --key to trust your own copy"
        )
    return 0, "\n".join(lines), ""


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify a transire decision log.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--key", help="verifier key, or a file that holds it")
    parser.add_argument("--checkpoint", type=Path, help="a signed note that you kept")
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
