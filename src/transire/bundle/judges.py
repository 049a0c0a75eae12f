"""`judges` of `routing.yaml`: resolved against the rest of the bundle, and digested. Pure."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping

import orjson

from transire.bundle.documents.catalog import CatalogDocument
from transire.bundle.documents.routing import JudgeDocument, RoutingDocument
from transire.bundle.rules import Rule, actions_of
from transire.domain.deployment import Deployment
from transire.domain.ids import ApplicationId, DeploymentId, Stakes
from transire.domain.judge import JudgeRules

__all__ = ["idle_judges", "judge_problems", "to_judge", "unpriced_judges"]


def judge_problems(
    document: RoutingDocument, levels: Collection[str], catalog: CatalogDocument
) -> Iterator[tuple[tuple[str, ...], str]]:
    """(path, reason) of everything wrong with the judges of a document."""
    used_by_cascades = {
        task.cascade.judge for task in document.tasks.values() if task.cascade is not None
    }
    for name, judge in document.judges.items():
        path = ("judges", name)
        named: tuple[tuple[Iterable[str], Collection[str], str], ...] = (
            ([judge.deployment], catalog.deployments, "deployment"),
            (judge.applications, catalog.applications, "application"),
            (judge.tasks, document.tasks, "task"),
            (judge.stakes or (), levels, "stakes level"),
        )
        for names, there, what in named:
            for missing in sorted(set(names) - set(there)):
                yield path, f"`{name}` names the {what} `{missing}`, which does not exist"
        if not judge.share_ppm and name not in used_by_cascades:
            yield path, f"`{name}` judges nothing: it has no `share_ppm`, and no cascade names it"
        if not judge.share_ppm and (judge.applications or judge.tasks or judge.salt):
            yield (
                path,
                f"`{name}`: `applications`, `tasks` and `salt` are of a share, and it has none",
            )


def to_judge(name: str, item: JudgeDocument, levels: tuple[Stakes, ...]) -> JudgeRules:
    """One judge without problems.

    Args:
        levels: The taxonomy's, the highest last.
    """
    stakes = levels[:-1] if item.stakes is None else item.stakes
    canonical = {**item.model_dump(), "id": name, "levels": list(stakes)}
    data = orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS)
    return JudgeRules(
        id=name,
        digest=hashlib.sha256(data).hexdigest(),
        deployment=DeploymentId(item.deployment),
        criteria=item.criteria,
        daily_micro_usd=item.daily_micro_usd,
        share_ppm=item.share_ppm,
        applications=frozenset(map(ApplicationId, item.applications)),
        tasks=frozenset(item.tasks),
        stakes=frozenset(map(Stakes, stakes)),
        timeout_ms=item.timeout_ms,
        max_output_tokens=item.max_output_tokens,
        salt=item.salt,
    )


def unpriced_judges(
    judges: Mapping[str, JudgeRules], deployments: Mapping[DeploymentId, Deployment]
) -> Iterator[str]:
    """Why a judge cannot be one: nobody knows what a judgment could cost there."""
    for judge in judges.values():
        if deployments[judge.deployment].price is None:
            yield (
                f"routing.yaml: `{judge.id}` asks `{judge.deployment}`, which has no known price: "
                "nothing could be reserved"
            )


def idle_judges(rules: Iterable[Rule], judges: Collection[str]) -> tuple[str, ...]:
    """Remarks on judges that judge nothing, because no rule permits the action."""
    permits = any(r.node.effect == "permit" and "judge" in actions_of(r.node) for r in rules)
    return tuple(
        f"routing.yaml: no rule permits `judge`, so `{name}` judges nothing"
        for name in judges
        if not permits
    )
