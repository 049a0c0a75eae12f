"""Credentials: findable, unguessable, recognised by digest alone."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transire.identity.credentials import Credential, matches, mint, parse

ID, SECRET = "abcdefghijkl2345", "A" * 42 + "_"


class Keys:
    def digest(self, purpose: str, data: bytes) -> bytes:
        return hashlib.sha256(purpose.encode() + b"/" + data).digest()


def fixed(size: int) -> bytes:
    return bytes(range(size))


@given(st.sampled_from(["tsk", "tsp", "tsi"]), st.binary(min_size=42, max_size=42))
def test_what_is_minted_is_read_back(prefix: str, random: bytes) -> None:
    pieces = [random[:10], random[10:]]
    credential = mint(prefix, lambda size: pieces.pop(0)[:size])

    assert parse(credential.text()) == credential
    assert credential.prefix == prefix


def test_id_and_secret_take_80_and_256_random_bits() -> None:
    sizes: list[int] = []

    def drawn(size: int) -> bytes:
        sizes.append(size)
        return fixed(size)

    mint("tsk", drawn)

    assert sizes == [10, 32]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tsk",
        f"tsx_{ID}_{SECRET}",
        f"tsk_{ID[:-1]}_{SECRET}",
        f"tsk_{ID.upper()}_{SECRET}",
        f"tsk_{ID}_{SECRET[:-1]}",
        f"tsk_{ID}_{SECRET}A",
        f"tsk_{ID}_{SECRET}\n",
        f" tsk_{ID}_{SECRET}",
        f"Bearer tsk_{ID}_{SECRET}",
    ],
)
def test_what_is_no_credential_is_none(text: str) -> None:
    assert parse(text) is None


def test_a_credential_matches_its_own_digest_alone() -> None:
    credential = Credential("tsk", ID, SECRET)
    stored = credential.digest(Keys())

    assert matches(credential, stored, Keys())
    for other in (
        Credential("tsp", ID, SECRET),
        Credential("tsk", ID[::-1], SECRET),
        Credential("tsk", ID, SECRET[::-1]),
    ):
        assert not matches(other, stored, Keys())
    assert not matches(credential, "", Keys())


def test_printing_a_credential_does_not_show_its_secret() -> None:
    credential = Credential("tsk", ID, SECRET)

    assert SECRET not in repr(credential)
    assert SECRET not in f"{credential}"
    assert SECRET not in credential.digest(Keys())
