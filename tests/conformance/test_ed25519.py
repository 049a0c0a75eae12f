"""Foreign vectors of C2SP/wycheproof: our note verification rests on this primitive."""

import json
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def test_every_signature_is_judged_as_wycheproof_says(vectors: Path) -> None:
    suite = json.loads((vectors / "ed25519" / "ed25519_test.json").read_text())
    judged = 0
    for group in suite["testGroups"]:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"]["pk"]))
        for case in group["tests"]:
            try:
                key.verify(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
                accepted = True
            except InvalidSignature:
                accepted = False
            assert (case["result"] == "valid") == accepted, case["tcId"]
            judged += 1

    assert judged == suite["numberOfTests"]
