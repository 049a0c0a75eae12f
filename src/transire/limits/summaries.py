"""Counted refusals on their way into the log: each count is written once, however often it fails.

A count leaves memory only when its entry is durable. Where nobody knows (the log did not answer in
time, or the caller was cancelled), the entry is tried again under the same serial number, which
stands in the log's state and moves with the entry: the second one then fails, and the first counts.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

from transire.domain.log import Change, Condition, DecisionLog, Item
from transire.errors import ConflictError
from transire.limits.tally import Tally

__all__ = ["Count", "Summaries"]

Count: TypeAlias = tuple[str, str, int]
"""(key, code, how often)."""

_SERIAL: Final = "throttled/"


@dataclass(frozen=True, slots=True)
class _Open:
    """A count whose entry is being written; `serial` is what the state says before it."""

    count: Count
    serial: str | None


class Summaries:
    """Writes `throttled` entries; belongs to one event loop, and one call of `write` at a time.

    Args:
        drains: Where counts come from.
        tally: Where those go back to that could not be tried.
        replica: Names this process's serial number.
        tenant_of: Whose a key is; None where nobody knows.
    """

    def __init__(
        self,
        log: DecisionLog,
        drains: Sequence[Callable[[], Sequence[Count]]],
        tally: Tally,
        *,
        replica: str,
        tenant_of: Callable[[str], str | None],
    ) -> None:
        self._log = log
        self._drains = drains
        self._tally = tally
        self._key = f"{_SERIAL}{replica}"
        self._tenant_of = tenant_of
        self._open: _Open | None = None

    async def write(self) -> None:
        """Write what was counted since the last time, and what could not be written then.

        Raises:
            LogUnavailable: the rest is kept for the next call.
        """
        await self._finish()
        counts = [count for drain in self._drains for count in drain()]
        try:
            while counts:
                self._open = _Open(counts.pop(), await self._log.get(self._key))
                await self._finish()
        finally:
            for key, code, many in counts:
                self._tally.add(key, code, many)

    async def _finish(self) -> None:
        if self._open is None:
            return
        key, code, many = self._open.count
        serial = int(self._open.serial or 0) + 1
        tenant = self._tenant_of(key)
        item = Item(
            kind="throttled",
            fields={
                "key_id": key,
                "limit": code,
                "count": many,
                **({} if tenant is None else {"tenant": tenant}),
            },
            conditions=(Condition(key=self._key, equals=self._open.serial),),
            changes=(Change(key=self._key, value=str(serial)),),
        )
        with suppress(ConflictError):  # an earlier try was durable after all
            await self._log.append(item)
        self._open = None
