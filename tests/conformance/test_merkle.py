"""Foreign vectors of transparency-dev/merkle: RFC 6962 proofs, happy and mutated."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from transire.errors import IntegrityError
from transire.record.merkle import verify_consistency, verify_inclusion


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _accepts(check: Callable[..., None], *arguments: object) -> bool:
    try:
        check(*arguments)
    except IntegrityError:
        return False
    return True


def _files(vectors: Path, kind: str) -> list[Path]:
    files = sorted((vectors / "merkle" / kind).rglob("*.json"))
    assert len(files) > 90
    return files


def test_every_foreign_inclusion_proof_is_judged_as_its_authors_say(vectors: Path) -> None:
    for file in _files(vectors, "inclusion"):
        case = json.loads(file.read_text())
        accepted = _accepts(
            verify_inclusion,
            _bytes(case["leafHash"]),
            case["leafIdx"],
            case["treeSize"],
            [_bytes(step) for step in case["proof"] or []],
            _bytes(case["root"]),
        )
        assert (not case["wantErr"]) == accepted, file.name


def test_every_foreign_consistency_proof_is_judged_as_its_authors_say(vectors: Path) -> None:
    for file in _files(vectors, "consistency"):
        case = json.loads(file.read_text())
        if case["size1"] == 0 and not case["wantErr"]:
            continue  # an empty old tree proves nothing; a witness handles that case itself
        accepted = _accepts(
            verify_consistency,
            case["size1"],
            case["size2"],
            [_bytes(step) for step in case["proof"] or []],
            _bytes(case["root1"]),
            _bytes(case["root2"]),
        )
        assert (not case["wantErr"]) == accepted, file.name


def test_the_vectors_really_hold_both_kinds(vectors: Path) -> None:
    wants = {json.loads(f.read_text())["wantErr"] for f in _files(vectors, "inclusion")}

    assert wants == {True, False}
    with pytest.raises(IntegrityError):
        verify_inclusion(b"", 1, 1, [], b"")
