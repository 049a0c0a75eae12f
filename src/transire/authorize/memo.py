"""What a bundle can observe: the provably sufficient key of a remembered evaluation.

An evaluation is a function of application, the context attributes some policy reads, and `now`.
`now` is replaced by its place among all instants the bundle compares with; where a policy does
arithmetic on time there is no finite set of such instants, and nothing is remembered.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from cedarpy import pst

from transire.bundle.compiled import CompiledBundle

__all__ = ["Instants", "Memo", "instants_of", "to_cedar_time"]

V = TypeVar("V")

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


class Memo(dict[Any, V]):
    """A bounded mapping that forgets its oldest keys; one event loop uses it, so no locks."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def remember(self, key: Any, value: V) -> V:
        """Store and return a value."""
        if len(self) >= self._size:
            del self[next(iter(self))]
        self[key] = value
        return value


class Instants:
    """All instants a bundle compares with, sorted; finds the window `now` stands in."""

    def __init__(self, moments: list[datetime]) -> None:
        self._moments = sorted(moments)

    def window(self, now: datetime) -> tuple[int, int]:
        """Equal for two moments between which no comparison of the bundle changes.

        Both sides are kept, because `now == instant` differs from just before and just after.
        """
        return bisect_left(self._moments, now), bisect_right(self._moments, now)


def instants_of(compiled: CompiledBundle) -> Instants | None:
    """The bundle's instants, or None where it does arithmetic on time."""
    nodes = list(_nodes(compiled.tree.static_policies))
    if any(getattr(node, "op", None) in _ARITHMETIC for node in nodes):
        return None
    literals = [
        _moment(node.arg.value)
        for node in nodes
        if isinstance(node, pst.UnaryOp) and node.op == "datetime"
        if isinstance(node.arg, pst.StringLit)
    ]
    return Instants([*literals, *_row_moments(compiled.entity_rows)])


def to_cedar_time(now: datetime) -> datetime:
    """`now` as Cedar sees it: to the millisecond, so that key and evaluation agree."""
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


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
