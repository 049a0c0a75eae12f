"""What a caller's `model` means: a name for a set of deployments, which only narrows. Pure."""

import difflib

from transire.domain.deployment import Catalog
from transire.domain.ids import DeploymentId
from transire.errors import UnknownModelError

__all__ = ["AUTO", "resolve_model"]

AUTO = "auto"


def resolve_model(catalog: Catalog, name: str) -> frozenset[DeploymentId] | None:
    """The deployments a name stands for; None for `auto`, which narrows nothing.

    A name is an alias, a model family, a model version, or a deployment id.

    Raises:
        UnknownModelError: none of these; the message lists near aliases and families, and no
            deployment, because which ones exist is not for every caller.
    """
    if name == AUTO:
        return None
    targets = catalog.aliases.get(name, frozenset({name}))
    found = frozenset(
        deployment.id
        for deployment in catalog.deployments.values()
        if targets & {deployment.id, deployment.model, catalog.models[deployment.model].family}
    )
    if not found:
        known = [AUTO, *catalog.aliases, *(m.family for m in catalog.models.values())]
        near = difflib.get_close_matches(name[:128], known, n=3, cutoff=0.4) or sorted(known)[:3]
        raise UnknownModelError(
            f"no such model; near names are {', '.join(near)}; GET /v1/models lists yours",
            param="model",
        )
    return found
