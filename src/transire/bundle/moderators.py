"""What can be said of moderators when a bundle is compiled: who is never asked, who never hears.

A moderator that nobody may ask is no error: that is how one is turned off. It is said, because its
author may think that it is on.
"""

from collections.abc import Iterator, Mapping

from cedarpy import pst

from transire.bundle.observed import observed_guards
from transire.bundle.rules import actions_of
from transire.domain.deployment import Moderator
from transire.domain.guarding import ALL_GUARDS, Guard
from transire.domain.ids import DeploymentId
from transire.domain.taxonomy import Taxonomy

__all__ = ["moderator_notes"]

_ACTION = "moderate"
_RECEIVING = frozenset({"receive", "receive_redacted"})


def moderator_notes(
    moderators: Mapping[DeploymentId, Moderator],
    tree: pst.PolicySet,
    taxonomy: Taxonomy,
    guards: frozenset[Guard],
) -> Iterator[str]:
    """Warnings, in the order of the catalog.

    Args:
        guards: Those that the bundle runs.
    """
    if not moderators:
        return
    rules = tree.static_policies.values()
    if not any(r.effect == "permit" and _ACTION in actions_of(r) for r in rules):
        yield "catalog: no rule permits `moderate`, so no moderator is ever asked"
    for name, moderator in moderators.items():
        if not moderator.guards & guards:
            yield f"catalog: `{name}` is never asked: no rule reads a guard that it provides"
    judging = [rule for rule in rules if actions_of(rule) & _RECEIVING]
    heard = observed_guards(judging, taxonomy) if judging else frozenset[Guard]()
    for guard in sorted(heard - set(ALL_GUARDS)):
        yield f"rules: `{guard}` is never said of an answer: moderators read requests"
