"""What a bundle can observe: the provably sufficient key of a remembered evaluation.

An evaluation is a function of application, the context attributes some policy reads, and `now`.
`now` is replaced by its place among all instants the bundle compares with. A bundle that does
arithmetic on time has no finite set of such instants; for it time moves by whole minutes, in the
key *and* in the evaluation, so that the two always agree.
"""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Final, TypeVar

from cedarpy import pst

from transire.bundle.compiled import CompiledBundle
from transire.bundle.rules import context_reads
from transire.domain.authorization import Facts

__all__ = ["Instants", "Memo", "fact_projection", "instants_of"]

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
"""Operators of `pst` after which a comparison depends on more than the order of two instants."""

_FIELDS: Final[Mapping[str, str]] = {
    "purpose": "purpose",
    "stakes": "stakes",
    "dataClasses": "data_classes",
    "failedClasses": "failed_classes",
    "uncoveredClasses": "uncovered_classes",
    "reducedClasses": "reduced_classes",
    "raisedGuards": "raised_guards",
    "failedGuards": "failed_guards",
    "unscannedParts": "unscanned_parts",
    "capabilities": "capabilities",
    "redacted": "redacted",
    "subjectRegion": "subject_region",
    "user": "user",
}
"""Context attribute → field of `Facts`; `now` has its window, acceptances are for the record."""

_TICK: Final = timedelta(milliseconds=1)
"""Cedar's resolution of time (Cedar RFC 80)."""


class Memo(OrderedDict[Hashable, V]):
    """A bounded mapping that forgets what was used longest ago; one event loop uses it, no locks.

    Args:
        size: Entries held at most.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def recall(self, key: Hashable) -> V | None:
        """The remembered value, which counts as used now; None where there is none."""
        found = self.get(key)
        if found is not None:
            self.move_to_end(key)
        return found

    def remember(self, key: Hashable, value: V) -> V:
        """Store and return a value."""
        if len(self) >= self._size:
            self.popitem(last=False)
        self[key] = value
        return value


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


def fact_projection(compiled: CompiledBundle) -> Callable[[Facts], Hashable]:
    """The part of facts that some rule can observe: equal parts give equal answers.

    Every fact is kept where a rule uses `context` as a whole.
    """
    reads = context_reads(compiled.tree)
    names = [field for attr, field in _FIELDS.items() if reads is None or attr in reads]
    return attrgetter(*names) if names else lambda _: ()


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
