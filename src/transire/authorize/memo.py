"""What a bundle can observe: the provably sufficient key of a remembered evaluation.

An evaluation is a function of application, the context attributes some policy reads, and `now`.
`now` is replaced by its place among all instants the bundle compares with. A bundle that does
arithmetic on time has no finite set of such instants; for it time moves by whole minutes, in the
key *and* in the evaluation, so that the two always agree.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from operator import attrgetter
from typing import Final, TypeVar

from transire.bundle.compiled import CompiledBundle
from transire.bundle.rules import context_reads
from transire.domain.authorization import Facts

__all__ = ["Memo", "fact_projection"]

V = TypeVar("V")

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


def fact_projection(compiled: CompiledBundle) -> Callable[[Facts], Hashable]:
    """The part of facts that some rule can observe: equal parts give equal answers.

    Every fact is kept where a rule uses `context` as a whole.
    """
    reads = context_reads(compiled.tree)
    names = [field for attr, field in _FIELDS.items() if reads is None or attr in reads]
    return attrgetter(*names) if names else lambda _: ()
