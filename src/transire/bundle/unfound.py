"""Classes that a taxonomy maps entities to, and nothing looks for: rules about them never hold.

A rule that keeps a class at home keeps nothing there while no recognizer can find the class: the
text goes where the rule's author thought it could not. What a caller alone says
(`transire.data_classes`) is a class without any entity, and fine. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cedarpy import pst

from transire.bundle.canaries import CANARIES
from transire.bundle.yamlread import read_yaml
from transire.domain.bundle import Bundle
from transire.domain.ids import DataClass, PolicyId

__all__ = ["Unfound", "readers_of", "unfound_classes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfound:
    """A class of which some entity is found by no recognizer of bundle or product.

    Attributes:
        entities: Those that nothing looks for, sorted.
        rules: Rules that name the class, or one it implies or helps to derive.
        is_blind: No entity at all is looked for that leads to the class, and nobody accepted
            the gap in the catalog: no text is ever found to hold it.
    """

    where: str
    data_class: DataClass
    entities: tuple[str, ...]
    rules: tuple[PolicyId, ...]
    is_blind: bool

    def __str__(self) -> str:
        """One located sentence, with what to do."""
        named = _listed(self.entities)
        verb = "reads" if len(self.rules) == 1 else "read"
        who = f"{_listed(self.rules)} {verb} {self.data_class}, and " if self.rules else ""
        never = f"; no text is ever found to be {self.data_class}" if self.is_blind else ""
        return (
            f"{self.where}: {who}no recognizer finds {named}{never}: add one to recognizers.yaml, "
            "or take the entity out where callers alone say the class"
        )


def unfound_classes(bundle: Bundle, tree: pst.PolicySet) -> Iterator[Unfound]:
    """Every class with an entity that nothing looks for, sorted by class.

    Args:
        tree: The bundle's rules.
    """
    known = CANARIES.keys() | bundle.recognizers.entities
    lost: dict[DataClass, list[str]] = {}
    for entity, rule in sorted(bundle.taxonomy.entities.items()):
        if entity not in known:
            lost.setdefault(rule.data_class, []).append(entity)
    if not lost:
        return
    found = bundle.taxonomy.class_closure(
        rule.data_class for entity, rule in bundle.taxonomy.entities.items() if entity in known
    )
    accepted = {name for gap in bundle.catalog.acceptances for name in gap.data_classes}
    at = read_yaml("taxonomy.yaml", bundle.files.get("taxonomy.yaml", b""))
    for data_class, entities in sorted(lost.items()):
        yield Unfound(
            where=at.where(("entities", entities[0])),
            data_class=data_class,
            entities=tuple(entities),
            rules=readers_of(data_class, bundle, tree),
            is_blind=data_class not in found | accepted,
        )


def readers_of(data_class: DataClass, bundle: Bundle, tree: pst.PolicySet) -> tuple[PolicyId, ...]:
    """Rules that name the class or what it implies, sorted."""
    implied = bundle.taxonomy.class_closure([data_class])
    rules: Mapping[str, Any] = tree.static_policies
    return tuple(
        sorted(
            PolicyId(name)
            for name, rule in rules.items()
            if any(
                str(uid.type) == "DataClass" and uid.id in implied for uid in pst.entity_uids(rule)
            )
        )
    )


def _listed(names: tuple[str, ...] | tuple[PolicyId, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
