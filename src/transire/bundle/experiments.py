"""`experiments.yaml`: read, resolved against the rest of the bundle, and digested. Pure."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from transire.bundle.documents.catalog import CatalogDocument
from transire.bundle.documents.routing import RoutingDocument
from transire.bundle.documents.taxonomy import TaxonomyDocument
from transire.bundle.documents.trials import ExperimentDocument, ExperimentsDocument, GuardDocument
from transire.bundle.shadows import shadow_problems, to_shadow
from transire.bundle.yamlread import Document, parse_model, read_yaml
from transire.domain.ids import ApplicationId, DeploymentId, Stakes
from transire.domain.prompt import Prompt
from transire.domain.shadow import ShadowRules
from transire.domain.trial import CONTROL, Experiment, Guard, Variant

__all__ = ["FILE", "Known", "Tried", "read_experiments"]

FILE: Final = "experiments.yaml"
_WHOLE_PERMILLE: Final = 1_000
_HOUR_S: Final = 3_600


@dataclass(frozen=True, slots=True)
class Known:
    """The rest of the bundle, whose names experiments use."""

    taxonomy: TaxonomyDocument
    routing: RoutingDocument
    catalog: CatalogDocument
    prompts: Mapping[str, Prompt]


@dataclass(frozen=True, slots=True)
class Tried:
    """What `experiments.yaml` says, each sorted by id."""

    experiments: tuple[Experiment, ...] = ()
    shadows: tuple[ShadowRules, ...] = ()


def read_experiments(files: Mapping[str, bytes], known: Known, problems: list[str]) -> Tried:
    """Every experiment and every shadow; what is wrong is added to `problems`."""
    if FILE not in files:
        return Tried()
    at = read_yaml(FILE, files[FILE])
    document = parse_model(ExperimentsDocument, at, problems)
    if document is None:
        return Tried()
    for name, item in document.experiments.items():
        problems.extend(_problems(at, name, item, known))
    rest = (known.taxonomy, known.routing, known.catalog)
    for name, shadow in document.shadows.items():
        where = at.where(("shadows", name))
        if name in document.experiments:
            problems.append(f"{where}: `{name}` is an experiment already")
        problems.extend(f"{where}: {said}" for said in shadow_problems(name, shadow, *rest))
    if problems:
        return Tried()
    return Tried(
        tuple(
            _experiment(name, item, known) for name, item in sorted(document.experiments.items())
        ),
        tuple(to_shadow(n, item, known.taxonomy) for n, item in sorted(document.shadows.items())),
    )


def _problems(at: Document, name: str, item: ExperimentDocument, known: Known) -> Iterator[str]:
    where = at.where(("experiments", name))
    if CONTROL not in item.variants or len(item.variants) < 2:
        yield f"{where}: `{name}` needs a variant `{CONTROL}` and at least one other"
    elif sum(v.share_permille for v in item.variants.values()) != _WHOLE_PERMILLE:
        yield f"{where}: the shares of `{name}` must add up to {_WHOLE_PERMILLE}"
    if CONTROL in item.variants and (item.variants[CONTROL].only or item.variants[CONTROL].prefer):
        yield f"{where}: `{CONTROL}` of `{name}` is what is done without the others"
    if (item.kind == "canary") != (item.guard is not None):
        yield f"{where}: a canary has a `guard`, and nothing else has; `{name}` is `{item.kind}`"
    if item.reward is not None and item.kind != "bandit":
        yield f"{where}: nothing is rewarded but a bandit; `{name}` is `{item.kind}`"
    if item.guard is not None and not _margins(item.guard):
        yield f"{where}: the `guard` of `{name}` watches nothing"
    used: tuple[tuple[Iterable[str], Collection[str], str], ...] = (
        (item.applications, known.catalog.applications, "application"),
        (item.tasks, known.routing.tasks, "task"),
        (item.stakes or (), known.taxonomy.stakes, "stakes level"),
        *(((v.prompt,), known.prompts, "prompt") for v in item.variants.values() if v.prompt),
        *(
            ((*v.prefer, *v.only), known.catalog.deployments, "deployment")
            for v in item.variants.values()
        ),
    )
    for names, there, what in used:
        for missing in sorted(set(names) - set(there)):
            yield f"{where}: `{name}` names the {what} `{missing}`, which does not exist"


def _experiment(name: str, item: ExperimentDocument, known: Known) -> Experiment:
    # Left out, it is every level but the highest, as for repairs.
    levels = known.taxonomy.stakes[:-1] if item.stakes is None else item.stakes
    texts = [known.prompts[v.prompt].text for v in item.variants.values() if v.prompt]
    canonical: dict[str, Any] = {**item.model_dump(), "id": name, "levels": levels, "texts": texts}
    if item.reward is None:  # as before there was one: no digest changes for it
        del canonical["reward"]
    data = orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS)
    return Experiment(
        id=name,
        digest=hashlib.sha256(data).hexdigest(),
        kind=item.kind,
        variants=tuple(
            Variant(
                name=arm,
                share_permille=v.share_permille,
                prompt=v.prompt,
                prefer=frozenset(map(DeploymentId, v.prefer)),
                only=frozenset(map(DeploymentId, v.only)),
            )
            for arm, v in item.variants.items()
        ),
        applications=frozenset(map(ApplicationId, item.applications)),
        tasks=frozenset(item.tasks),
        stakes=frozenset(map(Stakes, levels)),
        unit=item.unit,
        salt=item.salt,
        guard=Guard() if item.guard is None else _guard(item.guard),
        explore_permille=item.explore_permille,
        reward_within_s=0 if item.reward is None else item.reward.within_hours * _HOUR_S,
    )


def _guard(item: GuardDocument) -> Guard:
    return Guard(
        min_samples=item.min_samples,
        alpha_ppm=item.alpha_permille * 1_000,
        margins=_margins(item),
        slow_ms=item.slow_ms or 0,
        dear_micro_usd=item.dear_micro_usd or 0,
    )


def _margins(item: GuardDocument) -> dict[str, int]:
    margins = {"error": item.error_permille, "contract": item.contract_permille}
    if item.slow_ms is not None:
        margins["slow"] = item.slow_permille
    if item.dear_micro_usd is not None:
        margins["dear"] = item.dear_permille
    return {metric: margin for metric, margin in margins.items() if margin is not None}
