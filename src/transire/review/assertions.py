"""What was asserted when a request was held, and again when it was sent again: both count. Pure."""

from collections.abc import Mapping
from typing import Any

from transire.domain.ids import DataClass, DeploymentId, Jurisdiction, Purpose, Stakes
from transire.domain.request import Assertions
from transire.errors import ConflictError

__all__ = ["assertions_json", "united"]


def assertions_json(asserted: Assertions) -> dict[str, Any]:
    """Assertions as a review keeps them."""
    fields = {name: getattr(asserted, name) for name in Assertions.__slots__}
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in fields.items()
    }


def united(held: Mapping[str, Any], sent: Assertions) -> Assertions:
    """Held and re-sent united: the stricter of both, so dropping an assertion gains nothing."""
    models = _both(held["models"], sent.models)
    tools = _both(held["allowed_tools"], sent.allowed_tools)
    jurisdictions = frozenset(held["jurisdictions"])
    if sent.jurisdictions and jurisdictions:
        jurisdictions = jurisdictions & sent.jurisdictions or frozenset({"(none)"})
    for name in ("purpose", "stakes", "redaction", "session_id", "task", "domain"):
        given = getattr(sent, name)
        if held[name] and given and held[name] != given:
            raise ConflictError(f"the held request asserted another `{name}`")
    held_purpose = held["purpose"]
    return Assertions(
        models=None if models is None else frozenset(map(DeploymentId, models)),
        purpose=Purpose(held_purpose) if held_purpose else sent.purpose,
        task=held["task"] or sent.task,
        domain=held["domain"] or sent.domain,
        stakes=Stakes(held["stakes"]) if held["stakes"] else sent.stakes,
        data_classes=frozenset(map(DataClass, held["data_classes"])) | sent.data_classes,
        jurisdictions=frozenset(map(Jurisdiction, jurisdictions or sent.jurisdictions)),
        max_cost_micro_usd=_least(held["max_cost_micro_usd"], sent.max_cost_micro_usd),
        max_latency_ms=_least(held["max_latency_ms"], sent.max_latency_ms),
        min_quality_permille=max(held["min_quality_permille"] or 0, sent.min_quality_permille or 0)
        or None,
        priority=_least(held["priority"], sent.priority),
        session_id=held["session_id"] or sent.session_id,
        redaction=held["redaction"] or sent.redaction,
        cache=held.get("cache") or sent.cache,
        shadow=held.get("shadow") or sent.shadow,
        required_tools=frozenset(held["required_tools"]) | sent.required_tools,
        allowed_tools=tools,
    )


def _both(held: Any, sent: frozenset[Any] | None) -> frozenset[Any] | None:
    if held is None:
        return sent
    return frozenset(held) if sent is None else frozenset(held) & sent


def _least(held: int | None, sent: int | None) -> int | None:
    given = [value for value in (held, sent) if value is not None]
    return min(given) if given else None
