"""A decision's inclusion proof holds for that decision, under that key, and for nothing else."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from transire.errors import IntegrityError
from transire.record.checkpoint import Checkpoint
from transire.record.merkle import Prover, leaf_hash, root_of
from transire.record.note import VerifierKey, key_id, sign_line
from transire.record.proof import demand_included

LEAVES = [json.dumps({"id": f"dec_{n}", "kind": "decision"}).encode() for n in range(5)]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]
PATHS = [
    Prover().path(lambda low, high: HASHES[low:high], at, len(HASHES)) for at in range(len(HASHES))
]


def keypair(name: str) -> tuple[Ed25519PrivateKey, VerifierKey]:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return private, VerifierKey(name, public)


PRIVATE, KEY = keypair("acme.example/log")


def proof(at: int, **changed: Any) -> dict[str, Any]:
    text = Checkpoint(KEY.name, len(LEAVES), root_of(HASHES)).text()
    line = sign_line(KEY.name, key_id(KEY.name, KEY.public), PRIVATE.sign(text.encode()))
    return {
        "index": at,
        "leaf": LEAVES[at].decode(),
        "proof": [step.hex() for step in PATHS[at]],
        "checkpoint": f"{text}\n{line}",
        "public_key": str(KEY),
        **changed,
    }


@pytest.mark.parametrize("index", range(len(LEAVES)))
@pytest.mark.parametrize("key", [None, str(KEY)], ids=["its own key", "one of theirs"])
def test_every_entry_of_the_tree_is_proven(index: int, key: str | None) -> None:
    checkpoint = demand_included(proof(index), f"dec_{index}", key)

    assert checkpoint == Checkpoint(KEY.name, len(LEAVES), root_of(HASHES))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"leaf": LEAVES[3].decode()}, "not of this decision"),
        ({"leaf": LEAVES[2].decode() + " "}, "does not lead to the root"),
        ({"index": 1}, "does not lead to the root"),
        ({"index": 9}, "outside the tree"),
        ({"proof": []}, "too short"),
        ({"proof": ["zz"]}, "no inclusion proof"),
        ({"proof": None}, "no inclusion proof"),
        ({"leaf": "[]"}, "not of this decision"),
        ({"leaf": "not json"}, "no inclusion proof"),
        ({"checkpoint": ""}, "signed note"),
        ({"public_key": str(keypair("other")[1])}, "no known key"),
    ],
)
def test_anything_else_is_refused(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(IntegrityError, match=says):
        demand_included(proof(2, **changed), "dec_2", None)


def test_a_key_of_ones_own_is_the_only_one_that_counts() -> None:
    with pytest.raises(IntegrityError, match="no known key"):
        demand_included(proof(2), "dec_2", str(keypair("other")[1]))
