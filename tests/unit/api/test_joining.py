"""An answer's head waits for what comes right behind it, and for nothing else."""

import asyncio
from typing import Any

from transire.api.connections import _Joining

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Transport:
    """Remembers what was done to it, in order."""

    def __init__(self) -> None:
        self.done: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.done


def joining() -> tuple[_Joining, list[Any]]:
    transport = Transport()
    return _Joining(asyncio.get_running_loop(), transport), transport.done  # type: ignore[arg-type]


async def test_head_and_body_leave_in_one_write() -> None:
    outward, done = joining()

    outward.write(HEAD)
    outward.write(b"ok")
    await asyncio.sleep(0)

    assert done == [HEAD + b"ok"]


async def test_a_head_leaves_with_its_round_of_the_loop() -> None:
    outward, done = joining()

    outward.write(HEAD)
    await asyncio.sleep(0)
    outward.write(b"ok")

    assert done == [HEAD, b"ok"]


async def test_what_follows_the_first_piece_is_not_held() -> None:
    outward, done = joining()

    outward.write(HEAD)
    outward.write(b"a")
    outward.write(b"b")

    assert done == [HEAD + b"a", b"b"]


async def test_a_close_loses_no_head() -> None:
    outward, done = joining()

    outward.write(HEAD)
    outward.close()
    await asyncio.sleep(0)

    assert done == [HEAD, "closed"]
    assert outward.is_closing()
