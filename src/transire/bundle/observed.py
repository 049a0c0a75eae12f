"""Which data classes some rule can tell from absent ones: what nobody reads need not be looked for.

A rule observes a class where it asks `context.dataClasses` for it by name; any other use of the set
(`isEmpty`, a comparison, `context` as a whole) observes every class. What implies an observed class
is observed too, and so is what helps to derive one.
"""

from collections.abc import Mapping
from typing import Any, Final

from cedarpy import pst

from transire.domain.guarding import Guard
from transire.domain.ids import DataClass
from transire.domain.taxonomy import Taxonomy

__all__ = ["observed_classes", "observed_guards"]

_SETS: Final = frozenset({"dataClasses", "reducedClasses"})
"""Facts that a finding, or the reading of a text, adds to. `failedClasses` and `uncoveredClasses`
say what a recognizer could not: without the recognizer there is nothing that they could say."""
_GUARDS: Final = frozenset({"raisedGuards", "failedGuards"})
"""A guard that does not run says nothing, so who asks whether it failed asks for it too."""
_ASKING: Final = frozenset({"contains", "contains_any", "contains_all"})


def observed_classes(tree: object, taxonomy: Taxonomy) -> frozenset[DataClass] | None:
    """The classes that rules can observe; None where they can observe all.

    Args:
        tree: The rules' syntax.
    """
    named: set[str] = set()
    if not _collect(tree, named, _SETS):
        return None
    observed = {DataClass(name) for name in named}
    while True:
        grown = observed | {c for c, above in taxonomy.data_classes.items() if above & observed}
        for derivation in taxonomy.derivations:
            if derivation.data_class in grown:
                grown |= derivation.when_all
        if grown == observed:
            return frozenset(observed)
        observed = grown


def observed_guards(tree: object, taxonomy: Taxonomy) -> frozenset[Guard]:
    """The guards that rules can observe, in the same manner.

    Args:
        tree: The rules' syntax.
    """
    named: set[str] = set()
    if not _collect(tree, named, _GUARDS):
        return frozenset(taxonomy.guards)
    return frozenset(map(Guard, named))


def _collect(node: Any, named: set[str], sets: frozenset[str]) -> bool:
    """Add every member asked for by name; false where a set is read in another way."""
    if isinstance(node, pst.BinaryOp) and node.op in _ASKING and _is_set(node.left, sets):
        asked: Any = node.right.elements if isinstance(node.right, pst.Set) else (node.right,)
        if not all(isinstance(item, pst.EntityLit) for item in asked):
            return False
        named.update(str(item.value.id) for item in asked)
        return True
    if isinstance(node, pst.Var):
        return node.name != "context"
    if isinstance(node, pst.GetAttr | pst.HasAttr) and node.base == pst.Var("context"):
        attrs = (node.attr,) if isinstance(node, pst.GetAttr) else node.attrs[:1]
        return sets.isdisjoint(attrs)
    if isinstance(node, pst.GetAttr) and node.attr in sets:  # of what people review
        return False
    return all(_collect(inner, named, sets) for inner in _inner(node))


def _is_set(node: object, sets: frozenset[str]) -> bool:
    if not isinstance(node, pst.GetAttr) or node.base != pst.Var("context"):
        return False
    return node.attr in sets


def _inner(node: Any) -> tuple[Any, ...]:
    if isinstance(node, Mapping):
        return tuple(node.values())
    if isinstance(node, list | tuple | frozenset):
        return tuple(node)
    return tuple(getattr(node, name) for name in getattr(node, "__dataclass_fields__", ()))
