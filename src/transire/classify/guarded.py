"""What the scans of a body say for its guards, and the scans without it. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from transire.classify.guards import PREFIX
from transire.classify.recognizer import Hit
from transire.classify.scan import Scan
from transire.domain.guarding import INDIRECT_INJECTION, PROMPT_INJECTION, Guard, Guarded
from transire.domain.request import Part

__all__ = ["GuardReader", "data_of", "guard_spans"]

_TOOL_ROLES: Final = frozenset({"tool", "function"})


def guard_spans(scan: Scan) -> list[Hit]:
    """What guards found in one text, by place."""
    return [hit for hit in scan.hits if hit.entity.startswith(PREFIX)]


def data_of(scan: Scan) -> Scan:
    """The scan of data alone: what guards found is no finding, what they missed fails no class."""
    hits = tuple(hit for hit in scan.hits if not hit.entity.startswith(PREFIX))
    failed = tuple(name for name in scan.failed if not name.startswith(PREFIX))
    if len(hits) == len(scan.hits) and len(failed) == len(scan.failed):
        return scan
    return replace(scan, hits=hits, failed=failed)


@dataclass(frozen=True, slots=True)
class GuardReader:
    """Reads scans for the guards of one bundle.

    Attributes:
        guards: Guards of texts that run; none costs one look.
        entities: What the taxonomy looks for: a recognizer of theirs that failed fails no guard.
    """

    guards: frozenset[Guard]
    entities: frozenset[str]

    def read(
        self, parts: Sequence[Part], readable: Sequence[tuple[int, str]], scans: Sequence[Scan]
    ) -> Guarded:
        """Over all parts. What nobody reads as text (an image) is an unscanned part, not failed."""
        raised, failed = set[Guard](), set[Guard]()
        for (index, _), scan in zip(readable, scans, strict=True):
            is_tool = parts[index].role in _TOOL_ROLES
            raised |= self._named((hit.entity for hit in scan.hits), is_tool=is_tool)
            if scan.failed:
                failed |= self._broken(scan.failed, is_tool=is_tool)
        return Guarded(raised=frozenset(raised), failed=frozenset(failed))

    def _named(self, entities: Iterable[str], *, is_tool: bool) -> frozenset[Guard]:
        names = {Guard(e.removeprefix(PREFIX)) for e in entities if e.startswith(PREFIX)}
        if is_tool and PROMPT_INJECTION in names:
            names.add(INDIRECT_INJECTION)
        return self.guards.intersection(names)

    def _broken(self, failed: Sequence[str], *, is_tool: bool) -> frozenset[Guard]:
        """A name that is neither a guard's nor an entity's stands for the whole text."""
        if any(not n.startswith(PREFIX) and n not in self.entities for n in failed):
            return self.guards if is_tool else self.guards - {INDIRECT_INJECTION}
        return self._named(failed, is_tool=is_tool)
