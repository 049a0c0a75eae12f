"""The exact bytes an upstream receives, built from a normalised body. Pure.

Nothing is relayed: the body is the rebuilt one, with the deployment's own model name and its own
spelling of the token bound. Fields only some deployments take are left out and named.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from transire.domain.deployment import Deployment
from transire.domain.outward import Wire
from transire.domain.ports import Keyed
from transire.domain.request import Body, Pointer, path_of

__all__ = ["build_wire"]


def build_wire(body: Body, deployment: Deployment, keyed: Keyed, *, is_stream: bool) -> Wire:
    """Build and digest one upstream body."""
    fields: dict[str, Any] = dict(body.fields)
    ignored: list[str] = []
    for pointer, capability in body.carried:
        if capability not in deployment.capabilities:
            _drop(fields, pointer)
            ignored.append(path_of(pointer))
    if "max_tokens" in fields and "max_completion_tokens" in deployment.capabilities:
        fields["max_completion_tokens"] = fields.pop("max_tokens")
    fields["model"] = deployment.upstream_model
    if is_stream:
        fields["stream"] = True
        # Tokens are always recorded, whether or not the caller wants to see them.
        fields["stream_options"] = {"include_usage": True}
    data = orjson.dumps(fields)
    return Wire(
        deployment=deployment,
        body=data,
        digest=keyed.digest("wire", data),
        ignored=tuple(ignored),
    )


def _drop(fields: dict[str, Any], pointer: Pointer) -> None:
    """Remove one value, copying each container on the way."""
    node: Any = fields
    for step in pointer[:-1]:
        inner = node[step]
        node[step] = dict(inner) if isinstance(inner, Mapping) else list(inner)
        node = node[step]
    node.pop(pointer[-1], None)
