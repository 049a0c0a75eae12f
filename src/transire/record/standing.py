"""What must outlive the database: which bundle was active, in which mode, and what was blocked.

The file `standing` beside the log holds it, signed by the log's key and synced before an entry that
changes any of it is acknowledged. Should the database be lost, a new log may start from nothing
else (`renewal`): losing the log is no way to another bundle, to solo mode, or out of a quarantine.

A standing's note has five lines and a succession's eight; a checkpoint has three, and neither can
be taken for one (c2sp.org/signed-note: a key signs nothing ambiguous).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from transire.bundle.acts import ACTIVE_KEY, MODE_KEY
from transire.bundle.quarantine import QUARANTINE_KEY
from transire.errors import IntegrityError
from transire.record.checkpoint import Checkpoint
from transire.record.note import VerifierKey, open_note

__all__ = ["STANDING_FILE", "Standing", "Succession", "check_continuation"]

STANDING_FILE: Final = "standing"
_STANDING: Final = "transire-standing/v1"
_SUCCESSION: Final = "transire-succession/v1"


@dataclass(frozen=True, slots=True)
class Standing:
    """What governs, without the sources: a digest, a mode, and what is blocked.

    Attributes:
        quarantine: The state value as it stands, JSON.
    """

    bundle_digest: str
    mode: str
    quarantine: str

    @classmethod
    def of(cls, value_of: Callable[[str], str | None]) -> "Standing | None":
        """From the log's key → value state; None before genesis."""
        values = [value_of(key) for key in (ACTIVE_KEY, MODE_KEY, QUARANTINE_KEY)]
        digest, mode, quarantine = values
        if digest is None or mode is None or quarantine is None:
            return None
        return cls(digest, mode, quarantine)

    def lines(self) -> tuple[str, str, str]:
        """What a note says of it; the quarantine by SHA-256, because people's words stand in it."""
        hashed = hashlib.sha256(self.quarantine.encode()).hexdigest()
        return f"bundle {self.bundle_digest}", f"mode {self.mode}", f"quarantine {hashed}"

    def text(self, origin: str) -> str:
        """The note text that is signed."""
        return "".join(f"{line}\n" for line in (_STANDING, origin, *self.lines()))

    @classmethod
    def read(cls, data: bytes, key: VerifierKey) -> "Standing":
        """From the file's bytes, `{"note", "quarantine", …}`.

        Raises:
            IntegrityError: the key did not sign exactly this.
        """
        try:
            stored = orjson.loads(data)
            note, quarantine = str(stored["note"]), str(stored["quarantine"])
            lines = open_note(note, [key]).split("\n")
            standing = cls(
                lines[2].removeprefix("bundle "), lines[3].removeprefix("mode "), quarantine
            )
        except (orjson.JSONDecodeError, TypeError, KeyError, IndexError):
            raise IntegrityError(f"`{STANDING_FILE}` beside the log cannot be read") from None
        if "\n".join(lines) != standing.text(key.name):
            raise IntegrityError(f"`{STANDING_FILE}` beside the log does not say what was signed")
        return standing

    def to_file(self, note: str) -> bytes:
        """The file's bytes."""
        return orjson.dumps({"note": note, "quarantine": self.quarantine})


@dataclass(frozen=True, slots=True)
class Succession:
    """A lost log's key names the log that continues it, and what may be founded there.

    Attributes:
        last: The last checkpoint known of the lost log.
        lines: What stood, as `Standing.lines` says it.
        successor: Verifier key of the new log.
    """

    last: Checkpoint
    lines: tuple[str, str, str]
    successor: str

    def text(self) -> str:
        """The note text that the lost log's key signs."""
        said = (_SUCCESSION, *self.last.text().splitlines(), *self.lines, self.successor)
        return "".join(f"{line}\n" for line in said)

    @classmethod
    def parse(cls, text: str) -> "Succession":
        """Read the one spelling `text` makes.

        Raises:
            IntegrityError: any other spelling.
        """
        lines = text.split("\n")
        if len(lines) != 9 or lines[0] != _SUCCESSION or lines[8]:
            raise IntegrityError("a succession has exactly eight lines")
        last = Checkpoint.parse("".join(f"{line}\n" for line in lines[1:4]))
        return cls(last, (lines[4], lines[5], lines[6]), lines[7])


def check_continuation(entry: Mapping[str, object], keys: Sequence[VerifierKey]) -> Succession:
    """A genesis that continues a lost log says what the lost log's key signed, and no more.

    Args:
        keys: The keys of the log that the entry stands in.

    Raises:
        IntegrityError: names what does not agree.
    """
    given = entry.get("continues")
    if not isinstance(given, dict) or not {"key", "note"} <= given.keys():
        raise IntegrityError("`continues` holds a key and a note")
    key = VerifierKey.parse(str(given["key"]))
    succession = Succession.parse(open_note(str(given["note"]), [key]))
    if succession.last.origin != key.name:
        raise IntegrityError("the succession is another log's than its key's")
    if succession.successor not in {str(k) for k in keys}:
        raise IntegrityError("the succession names another log as its successor")
    founded = (f"bundle {entry.get('bundle_digest')}", f"mode {entry.get('mode')}")
    if founded != succession.lines[:2]:
        raise IntegrityError("a log that continues another starts with its bundle and mode")
    return succession
