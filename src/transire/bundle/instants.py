"""The instants a bundle compares with: what `now` can change, and when.

A bundle sees of `now` only its place among all instants of its rules and its registry. One that
does arithmetic on time has no finite set of such instants; for it time moves by whole minutes.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cedarpy import pst

from transire.bundle.compiled import CompiledBundle

__all__ = ["Instants", "instants_of"]

_ARITHMETIC: Final = frozenset(
    {
        "offset",
        "duration_since",
        "duration",
        "to_date",
        "to_time",
        "to_milliseconds",
        "to_seconds",
        "to_minutes",
        "to_hours",
        "to_days",
    }
)
"""Operators of `pst` after which a comparison depends on more than the order of two instants."""

_TICK: Final = timedelta(milliseconds=1)
"""Cedar's resolution of time (Cedar RFC 80)."""


class Instants:
    """All instants a bundle compares with, sorted; finds the window `now` stands in.

    Args:
        moments: Every instant of rules and registry, aware.
        has_arithmetic: Some rule computes with time, so no set of instants is all there is.
    """

    def __init__(self, moments: list[datetime], *, has_arithmetic: bool = False) -> None:
        self._moments = sorted(moments)
        self._has_arithmetic = has_arithmetic

    def judged(self, now: datetime) -> datetime:
        """`now` as the bundle is asked about it: to the millisecond, which is all Cedar sees.

        With time arithmetic it is the start of the minute, yet never across an instant: a contract
        that has ended at `now` has also ended at the moment judged. Applying it twice changes
        nothing, so a replay at the recorded moment asks the same question.
        """
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        before = bisect_left(self._moments, now)
        if not self._has_arithmetic or before < bisect_right(self._moments, now):
            return now
        minute = now.replace(second=0, microsecond=0)
        return minute if not before else max(minute, self._moments[before - 1] + _TICK)

    def window(self, judged: datetime) -> tuple[int, int, datetime | None]:
        """Equal for two judged moments between which no comparison of the bundle changes.

        Both sides are kept, because `now == instant` differs from just before and just after.
        """
        return (
            bisect_left(self._moments, judged),
            bisect_right(self._moments, judged),
            judged if self._has_arithmetic else None,
        )


def instants_of(compiled: CompiledBundle) -> Instants:
    """The bundle's instants, from every literal of its rules and every value of its registry."""
    nodes = list(_nodes(compiled.tree))
    literals = [n for n in nodes if isinstance(n, pst.UnaryOp) and n.op == "datetime"]
    is_computed = any(getattr(node, "op", None) in _ARITHMETIC for node in nodes)
    # Strict validation lets `datetime` take literals only; anything else counts as computed.
    is_computed = is_computed or not all(isinstance(n.arg, pst.StringLit) for n in literals)
    moments = [_moment(n.arg.value) for n in literals if isinstance(n.arg, pst.StringLit)]
    moments += _row_moments(compiled.entity_rows)
    return Instants(moments, has_arithmetic=is_computed)


def _nodes(node: object) -> Iterator[Any]:
    if isinstance(node, Mapping):
        for inner in node.values():
            yield from _nodes(inner)
    elif isinstance(node, list | tuple | frozenset):
        for inner in node:
            yield from _nodes(inner)
    elif hasattr(node, "__dataclass_fields__"):
        yield node
        for name in node.__dataclass_fields__:
            yield from _nodes(getattr(node, name))


def _row_moments(value: object) -> Iterator[datetime]:
    if isinstance(value, Mapping):
        extension = value.get("__extn")
        if isinstance(extension, Mapping) and extension.get("fn") == "datetime":
            yield _moment(str(extension["arg"]))
            return
        for inner in value.values():
            yield from _row_moments(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _row_moments(inner)


def _moment(text: str) -> datetime:
    """A Cedar datetime literal (RFC 80 of Cedar: date, or date and time with zone)."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
