"""Moderation by an OpenAI-compatible service: `POST {address}/moderations`, read strictly.

What is sent is built: the moderator's model name, and one text for each message, its parts joined,
so that what is cut in two parts is read as one. Images, audio and files are not sent.
Of the answer, the categories that the catalog names are read, and nothing else. One that is
missing, null or no bool says nothing, and its guard has failed; an answer of another shape says
nothing at all.
Source: platform.openai.com/docs/api-reference/moderations (`input`: list of texts; `results`: one
for each, with `categories`: name → bool, and `flagged`).
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from transire.domain.deployment import Moderator
from transire.domain.guarding import Guard
from transire.domain.outward import Wire
from transire.domain.permit import Permit, Recorded
from transire.domain.ports import Clock, Keyed
from transire.domain.request import Body, PartKind
from transire.forward.failing import failed, refused
from transire.forward.headers import upstream_headers
from transire.forward.spending import Spending
from transire.outbound.client import Outbound, OutboundError, Reply

__all__ = ["HttpModeration", "read_moderation"]

_UNREAD: Final = frozenset({PartKind.IMAGE, PartKind.AUDIO, PartKind.FILE})
_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""Scores of a hundred categories for a thousand messages are two megabytes."""


class HttpModeration:
    """Implements `domain.moderation.ModerationService`.

    Args:
        secret: Name of a credential → its value, or None where it is not configured.
        vouch: Raises where the permit is not ours or no longer current.
    """

    def __init__(
        self,
        outbound: Outbound,
        *,
        keyed: Keyed,
        secret: Callable[[str], str | None],
        vouch: Callable[[Recorded[Permit]], None],
        clock: Clock,
    ) -> None:
        self._outbound = outbound
        self._keyed = keyed
        self._secret = secret
        self._clock = clock
        self._spending = Spending(keyed, vouch, clock)

    def prepare(self, body: Body, moderator: Moderator) -> Wire | None:
        """See `domain.moderation.ModerationService`."""
        texts = _texts(body)
        if not texts:
            return None
        deployment = moderator.deployment
        data = orjson.dumps({"model": deployment.upstream_model, "input": texts})
        digest = self._keyed.digest("wire", data)
        return Wire(deployment=deployment, body=data, digest=digest)

    async def ask(
        self, permit: Recorded[Permit], wire: Wire, moderator: Moderator, *, timeout_s: float
    ) -> Mapping[Guard, bool | None]:
        """See `domain.moderation.ModerationService`."""
        self._spending.spend(permit, wire)
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self._outbound.post(
                    f"{wire.deployment.address}/moderations",
                    upstream_headers(
                        wire.deployment,
                        self._secret,
                        accept="application/json",
                        request_id=f"{permit.value.decision_id}-m{-permit.value.attempt}",
                    ),
                    wire.body,
                    timeout_s=timeout_s,
                    before=lambda: self._spending.still_stands(permit),
                )
                if reply.status != 200:
                    left_s = started + timeout_s - self._clock.monotonic()
                    raise await refused(reply, left_s=left_s, now=self._clock.now())
                data = await _read(reply)
        except OutboundError as error:
            raise failed(error.failure) from None
        except TimeoutError:
            raise failed("timeout") from None
        said = read_moderation(data, moderator, len(orjson.loads(wire.body)["input"]))
        if said is None:
            raise failed("bad_shape")
        return said


def read_moderation(
    data: bytes, moderator: Moderator, texts: int
) -> Mapping[Guard, bool | None] | None:
    """Every guard the moderator provides, over all texts; None where the answer is no answer.

    A guard is raised where any of its categories is true of any text; where none is, and one of
    them was not said of some text, it has failed (None).

    Args:
        texts: How many were sent; it must answer about each.
    """
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    results = document.get("results") if isinstance(document, dict) else None
    if not isinstance(results, list) or len(results) != texts:
        return None
    if not all(map(_is_result, results)):
        return None
    said: dict[Guard, bool | None] = {}
    for category, guard in moderator.categories.items():
        told = [_told(result["categories"], category) for result in results]
        said[guard] = _united(said.get(guard, False), told)
    return said


def _is_result(result: Any) -> bool:
    """A result that says of itself that something is flagged says what."""
    if not isinstance(result, dict) or not isinstance(result.get("categories"), dict):
        return False
    flagged = result.get("flagged")
    return type(flagged) is bool and flagged == (True in result["categories"].values())


def _told(categories: Mapping[str, Any], name: str) -> bool | None:
    value = categories.get(name)
    return value if type(value) is bool else None


def _united(before: bool | None, told: list[bool | None]) -> bool | None:
    if before or True in told:
        return True
    return None if before is None or None in told else False


async def _read(reply: Reply) -> bytes:
    """The whole body of an answer that says it is JSON, and is not too large."""
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    data = b""
    try:
        if kind != "application/json":
            raise failed("bad_shape")
        async for piece in reply.chunks():
            data += piece
            if len(data) > _MAX_ANSWER_BYTES:
                raise failed("too_large")
    finally:
        await reply.close()
    return data


def _texts(body: Body) -> list[str]:
    """One for each message, in order, and one for what belongs to none."""
    texts: dict[object, list[str]] = {}
    for part in body.parts:
        if part.kind in _UNREAD or not part.text.strip():
            continue
        is_message = len(part.pointer) > 1 and part.pointer[0] == "messages"
        texts.setdefault(part.pointer[1] if is_message else None, []).append(part.text)
    return ["\n".join(pieces) for pieces in texts.values()]
