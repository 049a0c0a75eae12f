"""Whether somebody listens at an upstream's address: a connection is opened and closed, unused.

No byte is sent, not even TLS's first one, so that nothing goes to a deployment without a record
(I1).
"""

import asyncio
from collections.abc import Iterable
from socket import gaierror
from typing import Final
from urllib.parse import urlsplit

__all__ = ["PROBE_S", "unreachable"]

PROBE_S: Final = 3.0
"""Longer than one lost packet's repetition (RFC 6298 §2.1: 1 s), short enough to wait for."""
_PORTS: Final = {"http": 80, "https": 443}


async def unreachable(addresses: Iterable[str], seconds: float = PROBE_S) -> dict[str, str]:
    """The addresses nobody answers at, each with why."""
    asked = sorted(set(addresses))
    told = await asyncio.gather(*(_failure(address, seconds) for address in asked))
    return {address: why for address, why in zip(asked, told, strict=True) if why}


async def _failure(address: str, seconds: float) -> str:
    parts = urlsplit(address)
    port = parts.port or _PORTS.get(parts.scheme, 0)
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except TimeoutError:
        return "timeout"
    except ConnectionRefusedError:
        return "refused"
    except gaierror:
        return "no such host"
    except OSError:
        return "no way there"
    writer.close()
    return ""
