"""Foreign vectors of transparency-dev/tessera: a tlog-tiles log with 16 signed checkpoints."""

from pathlib import Path

from transire.record.checkpoint import Checkpoint
from transire.record.merkle import leaf_hash, root_of
from transire.record.note import VerifierKey, open_note

KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


def _entries(bundle: bytes) -> list[bytes]:
    entries, at = [], 0
    while at < len(bundle):
        size = int.from_bytes(bundle[at : at + 2], "big")
        entries.append(bundle[at + 2 : at + 2 + size])
        at += 2 + size
    return entries


def test_every_foreign_checkpoint_verifies_and_has_the_root_of_its_entries(vectors: Path) -> None:
    log = vectors / "tessera" / "log"
    leaves = [leaf_hash(e) for e in _entries((log / "tile/entries/000.p/15").read_bytes())]
    key = VerifierKey.parse(KEY)

    sizes = set()
    for file in sorted(log.glob("checkpoint*")):
        checkpoint = Checkpoint.parse(open_note(file.read_text(), [key]))
        if checkpoint.size:
            assert checkpoint.root == root_of(leaves[: checkpoint.size]), file.name
        sizes.add(checkpoint.size)

    assert set(range(16)) >= sizes
    assert len(sizes) >= 15
    assert str(key) == KEY
