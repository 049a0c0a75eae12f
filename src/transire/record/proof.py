"""Checking one decision's inclusion proof, as the API hands it out. Pure.

What is shown is believed only under a key: the caller's own copy where they have one, and the
router's word for its key where they have not, which proves no more than that the answer is whole.
"""

import json
from collections.abc import Mapping
from typing import Any

from transire.errors import IntegrityError
from transire.record.checkpoint import Checkpoint
from transire.record.merkle import leaf_hash, verify_inclusion
from transire.record.note import VerifierKey, open_note

__all__ = ["demand_included"]


def demand_included(proof: Mapping[str, Any], decision_id: str, key: str | None) -> Checkpoint:
    """The signed checkpoint under which the decision's entry stands.

    Args:
        proof: `index`, `leaf`, `proof` (hex hashes, leaf to root), `checkpoint`, `public_key`.
        key: The verifier key to hold it against; None takes the one that came along.

    Raises:
        IntegrityError: the leaf is another decision's, is not in the tree, or the tree is not
            signed by this key.
    """
    try:
        leaf, index = str(proof["leaf"]).encode(), int(proof["index"])
        path = [bytes.fromhex(step) for step in proof["proof"]]
        entry = json.loads(leaf)
        note, own = str(proof["checkpoint"]), str(proof["public_key"])
    except (KeyError, TypeError, ValueError):
        raise IntegrityError("what the router sent is no inclusion proof") from None
    if not isinstance(entry, dict) or entry.get("id") != decision_id:
        raise IntegrityError("the proven entry is not of this decision")
    checkpoint = Checkpoint.parse(open_note(note, [VerifierKey.parse(key or own)]))
    verify_inclusion(leaf_hash(leaf), index, checkpoint.size, path, checkpoint.root)
    return checkpoint
