"""`shadows` of `experiments.yaml`: resolved against the rest of the bundle, and digested. Pure."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import orjson

from transire.bundle.documents.catalog import CatalogDocument
from transire.bundle.documents.routing import RoutingDocument
from transire.bundle.documents.taxonomy import TaxonomyDocument
from transire.bundle.documents.trials import ShadowDocument
from transire.bundle.rules import Rule, actions_of
from transire.domain.deployment import Deployment
from transire.domain.ids import ApplicationId, DeploymentId, Stakes
from transire.domain.shadow import ShadowRules
from transire.domain.trial import CONTROL, MILLION

__all__ = ["idle_shadows", "shadow_problems", "to_shadow", "unpriced"]


def shadow_problems(
    name: str,
    item: ShadowDocument,
    taxonomy: TaxonomyDocument,
    routing: RoutingDocument,
    catalog: CatalogDocument,
) -> Iterator[str]:
    """What is wrong with one shadow, without its place."""
    if CONTROL in item.targets:
        yield f"`{CONTROL}` of `{name}` is what is not copied, and no target"
    if sum(item.targets.values()) > MILLION:
        yield f"the targets of `{name}` must not add up to more than {MILLION}"
    if item.stakes is not None and taxonomy.stakes[-1] in item.stakes:
        yield f"`{name}` lists `{taxonomy.stakes[-1]}`: nothing of the highest stakes is copied"
    used: tuple[tuple[Iterable[str], Collection[str], str], ...] = (
        (item.targets.keys() - {CONTROL}, catalog.deployments, "deployment"),
        (item.applications, catalog.applications, "application"),
        (item.tasks, routing.tasks, "task"),
        (item.stakes or (), taxonomy.stakes, "stakes level"),
    )
    for names, there, what in used:
        for missing in sorted(set(names) - set(there)):
            yield f"`{name}` names the {what} `{missing}`, which does not exist"


def to_shadow(name: str, item: ShadowDocument, taxonomy: TaxonomyDocument) -> ShadowRules:
    """One shadow without problems."""
    levels = taxonomy.stakes[:-1] if item.stakes is None else item.stakes
    canonical: dict[str, Any] = {**item.model_dump(), "id": name, "levels": levels}
    # The targets' order decides which point falls where.
    canonical["targets"] = list(item.targets.items())
    data = orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS)
    return ShadowRules(
        id=name,
        digest=hashlib.sha256(data).hexdigest(),
        targets=tuple((DeploymentId(target), share) for target, share in item.targets.items()),
        daily_micro_usd=item.daily_micro_usd,
        applications=frozenset(map(ApplicationId, item.applications)),
        tasks=frozenset(item.tasks),
        stakes=frozenset(map(Stakes, levels)),
        unit=item.unit,
        salt=item.salt,
    )


def unpriced(
    shadows: Iterable[ShadowRules], deployments: Mapping[DeploymentId, Deployment]
) -> Iterator[str]:
    """Why a target cannot be one: nobody knows what a copy could cost there."""
    for shadow in shadows:
        for target, _ in shadow.targets:
            if deployments[target].price is None:
                yield (
                    f"experiments.yaml: `{shadow.id}` copies to `{target}`, which has no known "
                    "price: nothing could be reserved"
                )


def idle_shadows(rules: Iterable[Rule], shadows: Iterable[ShadowRules]) -> tuple[str, ...]:
    """Remarks on shadows that copy nothing, because no rule permits the action."""
    permits = any(r.node.effect == "permit" and "shadow" in actions_of(r.node) for r in rules)
    return tuple(
        f"experiments.yaml: no rule permits `shadow`, so `{shadow.id}` copies nothing"
        for shadow in shadows
        if not permits
    )
