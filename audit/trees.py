"""What is proved without reading an entry's fields: roots, signatures, one spelling of an entry.

Nothing here reads a file or remembers an entry. FORMAT.md: "Tree", "Checkpoints", "Entries".
"""

import base64
import binascii
import hashlib
import json
import re
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TAMPERED, INCOMPLETE, UNTRUSTED = 1, 2, 3
MAX_ENTRY_BYTES = 60 * 1024
MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 254
EMPTY_ROOT = hashlib.sha256(b"").digest()
KEY_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Finding(Exception):
    """What is wrong, with the exit status it calls for."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def demand(holds: object, message: str, status: int = TAMPERED) -> None:
    """Every rule is one call of this."""
    if not holds:
        raise Finding(status, message)


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
        self.spelled = text.strip()
        parts = self.spelled.split("+", 2)
        demand(len(parts) == 3, "a key is written name+id+base64", UNTRUSTED)
        self.name, raw = parts[0], unbase64(parts[2])
        demand(len(raw) == 33 and raw[0] == 1, "the key is not an Ed25519 key", UNTRUSTED)
        self.id = hashlib.sha256(self.name.encode() + b"\n" + raw).digest()[:4]
        demand(self.id.hex() == parts[1], "the key's id does not match the key", UNTRUSTED)
        self.public = Ed25519PublicKey.from_public_bytes(raw[1:])

    def open(self, note: str, what: str) -> tuple[int, bytes]:
        """(size, root) of a checkpoint this key has signed."""
        return self.parse(self.text_of(note, what), what)

    def text_of(self, note: str, what: str) -> str:
        """The text of a note this key has signed."""
        head, gap, tail = note.rpartition("\n\n")
        demand(gap and tail.endswith("\n"), f"{what} is not a signed note")
        text, is_signed = head + "\n", False
        for line in tail[:-1].split("\n"):
            fields = line.split(" ")
            raw = unbase64(fields[2]) if len(fields) == 3 and fields[0] == "—" else b""
            demand(len(raw) >= 5, f"{what} has a malformed signature line")
            if fields[1] == self.name and raw[:4] == self.id:
                try:
                    self.public.verify(raw[4:], text.encode())
                except InvalidSignature:
                    raise Finding(TAMPERED, f"the signature of {what} does not match") from None
                is_signed = True
        status = UNTRUSTED if text.split("\n")[0] != self.name else TAMPERED
        demand(is_signed, f"{what} is not signed by {self.name}", status)
        return text

    def parse(self, text: str, what: str) -> tuple[int, bytes]:
        lines = text.split("\n")
        is_number = len(lines) == 4 and lines[1].isdecimal() and len(lines[1]) < 20
        size = int(lines[1]) if is_number else -1
        root = unbase64(lines[2]) if size >= 0 else b""
        spelled = f"{self.name}\n{size}\n{base64.b64encode(root).decode()}\n"
        demand(spelled == text and len(root) == 32, f"{what} is not a checkpoint of {self.name}")
        return size, root


def unbase64(text: str) -> bytes:
    """The bytes, or none where this is not their one spelling."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""
    return raw if base64.b64encode(raw).decode() == text else b""


# --- entries ------------------------------------------------------------------------------------

Entry = dict[str, Any]


def parse_entry(index: int, data: bytes) -> Entry:
    """An entry under the profile: one spelling, sorted ASCII keys, integers only."""
    what = f"entry {index}"
    demand(len(data) <= MAX_ENTRY_BYTES, f"{what} is larger than {MAX_ENTRY_BYTES} bytes")
    try:
        entry = json.loads(data, parse_float=refuse, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise Finding(TAMPERED, f"{what} is not JSON under the profile") from None
    demand(isinstance(entry, dict), f"{what} is not an object")
    _check_profile(what, entry)
    spelled = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    is_one = spelled.encode("utf-8", "replace") == data  # a lone surrogate is in no spelling
    demand(is_one, f"{what} is not in its one canonical spelling")
    for name in ("v", "kind", "id", "ts", "salt", "replica", "boot"):
        demand(name in entry, f"{what} lacks `{name}`")
    return dict(entry)


def refuse(_text: str) -> object:
    raise ValueError


def _check_profile(what: str, value: object, depth: int = 1) -> None:
    is_flat = not isinstance(value, dict | list)
    demand(is_flat or depth <= MAX_DEPTH, f"{what} is more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        demand(all(map(KEY_NAME.fullmatch, value)), f"{what} has a key outside the profile")
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            _check_profile(what, inner, depth + 1)
    elif type(value) is int:
        demand(abs(value) <= MAX_INTEGER, f"{what} has an integer outside the profile")
