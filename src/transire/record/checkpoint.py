"""Checkpoints (c2sp.org/tlog-checkpoint): origin, tree size, root hash, each on its line."""

import base64
import binascii
from dataclasses import dataclass

from transire.errors import IntegrityError

__all__ = ["Checkpoint"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one signature covers; extension lines are refused, because nobody could audit them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The note text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read the one spelling `text` makes.

        Raises:
            IntegrityError: any other spelling.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise IntegrityError("a checkpoint has exactly three lines")
        try:
            checkpoint = cls(lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True))
        except (ValueError, binascii.Error):
            raise IntegrityError("a checkpoint's size or root does not parse") from None
        if checkpoint.size < 0 or len(checkpoint.root) != 32 or checkpoint.text() != text:
            raise IntegrityError("a checkpoint is not in its one canonical spelling")
        return checkpoint
