"""People's and applications' own acts, through Cedar: approve, release, mint keys, explain.

Anything unclear is a refusal: an unknown principal or resource, an entity or action that does not
fit the schema, an evaluation error, `NoDecision` (I4).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import cedarpy
import orjson

from transire.authorize.engine import ask
from transire.bundle.compiled import CompiledBundle
from transire.bundle.entities import datetime_value, uid

__all__ = ["may_act"]

_MODELESS: Final = frozenset({"read_audit", "erase", "explain"})
"""Actions whose context in the schema does not hold `solo`."""


def may_act(
    compiled: CompiledBundle,
    principal: tuple[str, str],
    action: str,
    resource: Mapping[str, Any],
    *,
    now: datetime,
    solo: bool = False,
) -> bool:
    """Whether Cedar allows one act.

    Args:
        principal: Entity type and id; only one of the registry can act.
        resource: `type` and `id` of an entity of the registry, or with `attrs` (and `parents`) an
            entity that exists for this question alone and must not be in the registry.

    Raises:
        GovernanceUnavailable: the policy engine itself failed.
    """
    if principal not in compiled.entity_ids:
        return False
    entities = _with_resource(compiled, resource)
    if entities is None:
        return False
    context: dict[str, Any] = {"now": datetime_value(now)}
    if action not in _MODELESS:
        context["solo"] = solo
    question = {
        "principal": uid(*principal),
        "action": uid("Action", action),
        "resource": uid(resource["type"], resource["id"]),
        "context": orjson.dumps(context).decode(),
    }
    answer = ask([question], compiled.policies, entities, compiled.schema)[0]
    return answer.permits


def _with_resource(
    compiled: CompiledBundle, resource: Mapping[str, Any]
) -> cedarpy.Entities | None:
    """The registry, with an ephemeral resource where one is described; None where it cannot be."""
    if "attrs" not in resource:
        known = (resource["type"], resource["id"]) in compiled.entity_ids
        return compiled.entities if known else None
    row = {
        "uid": uid(resource["type"], resource["id"]),
        "attrs": resource["attrs"],
        "parents": list(resource.get("parents", ())),
    }
    try:
        # INVARIANT: a uid of the registry is refused here, so nobody's attributes are replaced.
        text = orjson.dumps([row]).decode()
        return compiled.entities.with_added_json_str(text, compiled.schema)
    except (TypeError, ValueError):
        return None
