"""The closed vocabularies that policy speaks, and their closures.

Everything here is read from `policies/taxonomy.yaml` and is part of the bundle. Two of the
vocabularies are lattices: a data class implies its parents (PHI ⇒ HEALTH, PERSONAL) and a
jurisdiction lies within its parents (DE ⇒ EU, EEA). Cedar's enumerated entity types cannot have
parents, so the router writes the upward closure itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from transire.domain.guarding import ALL_GUARDS, Guard
from transire.domain.ids import DataClass, Jurisdiction, Purpose, Stakes, Tier

__all__ = ["Derivation", "EntityRule", "Taxonomy"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRule:
    """How a detector's entity becomes a data class.

    Attributes:
        data_class: The class a finding of this entity counts for.
        min_score_pct: Findings below this score (0–100) are dropped.
        min_count: The class is present only from this many findings on.
    """

    data_class: DataClass
    min_score_pct: int = 40
    min_count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """A class that is present when all of `when_all` are (PHI = identity ∧ health)."""

    data_class: DataClass
    when_all: frozenset[DataClass]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """All vocabularies of one bundle.

    Attributes:
        data_classes: Class → its direct parents; every name used anywhere is a key.
        jurisdictions: Jurisdiction → the ones it lies within directly.
        personal: Classes that count as personal when uncovered (ADR 3).
        stakes: Ascending: the last is the highest.
        tiers: Ascending by strength.
        egress_capabilities: Facts a body can ask for that change what leaves (`store`, …).
        entities: Detector entity → rule; entities not listed are ignored.
        derivations: Applied before the closure, in order, until nothing changes.
        guards: What policy may ask for by name.
        audited_guards: Those that run though no rule reads them, for the record's sake.
        case_matters: Classes of which a value in other letters' case is another value.
    """

    data_classes: Mapping[DataClass, frozenset[DataClass]]
    jurisdictions: Mapping[Jurisdiction, frozenset[Jurisdiction]]
    personal: frozenset[DataClass]
    purposes: tuple[Purpose, ...]
    stakes: tuple[Stakes, ...]
    tiers: tuple[Tier, ...]
    roles: tuple[str, ...]
    egress_capabilities: tuple[str, ...]
    entities: Mapping[str, EntityRule] = field(default_factory=dict)
    derivations: tuple[Derivation, ...] = ()
    case_matters: frozenset[DataClass] = frozenset()
    guards: tuple[Guard, ...] = ALL_GUARDS
    audited_guards: frozenset[Guard] = frozenset()

    def class_closure(self, classes: Iterable[DataClass]) -> frozenset[DataClass]:
        """The classes, what is derived from them, and everything they imply."""
        closed = _closure(frozenset(classes), self.data_classes)
        while True:
            derived = {d.data_class for d in self.derivations if d.when_all <= closed}
            grown = _closure(closed | derived, self.data_classes)
            if grown == closed:
                return closed
            closed = grown

    def jurisdiction_closure(self, places: Iterable[Jurisdiction]) -> frozenset[Jurisdiction]:
        """The places and everything each of them lies within (a union, for sets of facts)."""
        return _closure(frozenset(places), self.jurisdictions)

    def common_jurisdictions(self, places: Iterable[Jurisdiction]) -> frozenset[Jurisdiction]:
        """What *every* place lies within: the only sound parents of a deployment (ADR 3).

        An endpoint that may process in DE or US lies in neither's closure unless both do.
        """
        closures = [_closure(frozenset([place]), self.jurisdictions) for place in places]
        return frozenset.intersection(*closures) if closures else frozenset()

    def max_stakes(self, *levels: Stakes) -> Stakes:
        """The highest of the given levels; the lowest level of all if none is given."""
        return max((*levels, self.stakes[0]), key=self.stakes.index)


def _closure(start: frozenset[_T], parents: Mapping[_T, frozenset[_T]]) -> frozenset[_T]:
    closed, frontier = set(start), list(start)
    while frontier:
        for parent in parents.get(frontier.pop(), frozenset()):
            if parent not in closed:
                closed.add(parent)
                frontier.append(parent)
    return frozenset(closed)
