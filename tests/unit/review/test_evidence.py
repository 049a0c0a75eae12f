"""What a hold keeps of the content: sealed for one review, gone when its key is."""

import hashlib

import pytest
from tests.fakes import MemoryLog
from tests.unit.review.reviews import CANARY

from transire.domain.log import Item
from transire.errors import IntegrityError
from transire.review.evidence import destroy, hold_key, key_key, open_hold, seal

CONTENT = CANARY.encode()


def drawn(size: int) -> bytes:
    return hashlib.shake_256(b"x").digest(size)


async def kept(review_id: str = "rev_1") -> MemoryLog:
    log = MemoryLog()
    await log.append(
        Item(kind="decision", fields={}, changes=tuple(seal(review_id, CONTENT, drawn)))
    )
    return log


async def test_what_is_sealed_can_be_opened_and_is_nowhere_in_clear() -> None:
    log = await kept()
    sealed, key = log.state[hold_key("rev_1")], log.state[key_key("rev_1")]

    assert open_hold("rev_1", sealed, key) == CONTENT
    assert len(bytes.fromhex(key)) == 32
    assert CONTENT.hex() not in sealed
    assert hold_key("rev_1") != key_key("rev_1")


async def test_it_opens_for_its_own_review_and_unaltered_alone() -> None:
    log = await kept()
    sealed, key = log.state[hold_key("rev_1")], log.state[key_key("rev_1")]
    altered = f"{int(sealed[0], 16) ^ 1:x}{sealed[1:]}"

    for name, text, secret in (
        ("rev_2", sealed, key),
        ("rev_1", altered, key),
        ("rev_1", sealed, "00" * 32),
        ("rev_1", sealed, "zz"),
        ("rev_1", "zz", key),
    ):
        with pytest.raises(IntegrityError, match="does not decrypt"):
            open_hold(name, text, secret)


async def test_closing_deletes_both_ciphertext_and_key() -> None:
    log = await kept()
    await log.append(Item(kind="review.denied", fields={}, changes=tuple(destroy("rev_1"))))

    assert log.state == {}
