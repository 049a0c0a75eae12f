"""Documents become domain values, and every name in them is resolved.

A label is not a fact: a deployment whose host or upstream model id contradicts its declared
regions is refused (an endpoint in Frankfurt with a `global.` profile is not an EU deployment).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from transire.bundle.documents import (
    CatalogDocument,
    CueDocument,
    DeploymentDocument,
    RoutingDocument,
    TaxonomyDocument,
)
from transire.bundle.yamlread import Document, read_yaml
from transire.domain.bundle import Cue, DetectorRules, RoutingRules
from transire.domain.deployment import (
    Acceptance,
    Application,
    Catalog,
    Contract,
    Deployment,
    DeploymentState,
    Model,
    Person,
    Price,
    Provider,
    Queue,
    Tenant,
)
from transire.domain.ids import (
    ApplicationId,
    DataClass,
    DeploymentId,
    Jurisdiction,
    ModelId,
    PersonId,
    ProviderId,
    Purpose,
    Stakes,
    TenantId,
    Tier,
)
from transire.domain.taxonomy import Derivation, EntityRule, Taxonomy
from transire.errors import BundleError

__all__ = ["Registry", "read_registry"]

M = TypeVar("M", bound=BaseModel)

_PROFILES: Final[Mapping[str, frozenset[str]]] = {
    "eu": frozenset({"EU", "EEA"}),
    "europe": frozenset({"EU", "EEA", "GDPR_ADEQUATE"}),
    "emea": frozenset(),
    "us": frozenset({"US"}),
    "usgov": frozenset({"US"}),
    "uk": frozenset({"GB"}),
    "apac": frozenset(),
    "global": frozenset(),
    "ca": frozenset({"CA"}),
    "jp": frozenset({"JP"}),
    "au": frozenset({"AU"}),
    "in": frozenset({"IN"}),
}
"""Region words that providers put into hosts and model ids → jurisdictions of which the declared
regions must lie in one; empty means the word names no single jurisdiction, so nothing agrees."""

_MODEL_PROFILE: Final = re.compile(r"^(eu|us|apac|global|jp|au|ca|us-gov|emea)\.", re.ASCII)
_HOST_PROFILE: Final = re.compile(
    r"(?:^|[.-])(eu|us|ca|uk|europe|global|apac|emea)(?=[.-]|(?:west|east|central|north|south))",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything the YAML files say."""

    taxonomy: Taxonomy
    catalog: Catalog
    routing: RoutingRules
    detector: DetectorRules


def read_registry(files: Mapping[str, bytes]) -> Registry:
    """Read all YAML files of a bundle.

    Raises:
        BundleError: with every located problem that could be found in one go.
    """
    problems: list[str] = []
    taxonomy_at = read_yaml("taxonomy.yaml", files.get("taxonomy.yaml", b""))
    routing_at = read_yaml("routing.yaml", files.get("routing.yaml", b""))
    catalogs_at = [read_yaml(n, d) for n, d in sorted(files.items()) if n.startswith("catalog/")]
    taxonomy = _parse(TaxonomyDocument, taxonomy_at, problems)
    routing = _parse(RoutingDocument, routing_at, problems)
    catalogs = [(at, _parse(CatalogDocument, at, problems)) for at in catalogs_at]
    if problems or taxonomy is None or routing is None:
        raise BundleError(problems)
    check = _Check(taxonomy, problems)
    check.taxonomy(taxonomy_at)
    merged = check.merge([(at, document) for at, document in catalogs if document is not None])
    check.routing(routing_at, routing)
    if problems:
        raise BundleError(problems)
    domain_taxonomy = _taxonomy(taxonomy)
    catalog = _catalog(merged)
    check.labels(domain_taxonomy, catalog)
    if problems:
        raise BundleError(problems)
    detector = DetectorRules(
        languages=tuple(taxonomy.detector.languages),
        **taxonomy.detector.model_dump(exclude={"languages"}),
    )
    return Registry(domain_taxonomy, catalog, _routing(routing), detector)


def _parse(model: type[M], document: Document, problems: list[str]) -> M | None:
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            path = tuple(step for step in item["loc"] if step != "[key]")
            spelled = ".".join(str(step) for step in path)
            problems.append(f"{document.where(path)}: `{spelled}`: {item['msg'].lower()}")
        return None


@dataclass(slots=True)
class _Check:
    """Finds dangling names and duplicates across files, each with its place."""

    vocabulary: TaxonomyDocument
    problems: list[str]
    places: dict[tuple[str, str], tuple[Document, tuple[str | int, ...]]] = field(
        default_factory=dict
    )

    def taxonomy(self, at: Document) -> None:
        """Every name used inside the taxonomy is a member of its vocabulary."""
        words = self.vocabulary
        for name, item in words.data_classes.items():
            self._known(at, ("data_classes", name), item.implies, words.data_classes, "data class")
        for name, place in words.jurisdictions.items():
            path = ("jurisdictions", name)
            self._known(at, path, place.within, words.jurisdictions, "jurisdiction")
        for name, entity in words.entities.items():
            path = ("entities", name)
            self._known(at, path, [entity.data_class], words.data_classes, "data class")
        for index, derivation in enumerate(words.derivations):
            names = [derivation.data_class, *derivation.when_all]
            self._known(at, ("derivations", index), names, words.data_classes, "data class")

    def merge(self, catalogs: list[tuple[Document, CatalogDocument]]) -> CatalogDocument:
        """Join all catalog files, refusing an id that stands twice, and resolve references."""
        sections: dict[str, dict[str, Any]] = {name: {} for name in CatalogDocument.model_fields}
        for at, document in catalogs:
            for section, known in sections.items():
                for name, item in getattr(document, section).items():
                    path = (section, name)
                    if name in known:
                        self.problems.append(f"{at.where(path)}: `{name}` stands twice")
                    known[name] = item
                    self.places[path] = (at, path)
        merged = CatalogDocument.model_construct(**sections)
        self._references(merged)
        return merged

    def _references(self, c: CatalogDocument) -> None:
        words = self.vocabulary
        places, classes = words.jurisdictions, words.data_classes
        for name, provider in c.providers.items():
            self._refer(("providers", name), provider.owner_jurisdictions, places, "jurisdiction")
        for name, deployment in c.deployments.items():
            path = ("deployments", name)
            self._refer(path, [deployment.provider], c.providers, "provider")
            self._refer(path, [deployment.model], c.models, "model")
            self._refer(path, [deployment.tier], words.tiers, "tier")
            self._refer(path, deployment.regions, places, "jurisdiction")
            self._refer(path, deployment.subprocessors, places, "jurisdiction")
        for name, tenant in c.tenants.items():
            path = ("tenants", name)
            self._refer(path, [tenant.home], places, "jurisdiction")
            self._refer(path, tenant.contracts, c.providers, "provider")
            for contract in tenant.contracts.values():
                self._refer(path, contract.data_classes or [], classes, "data class")
                if contract.valid_from.tzinfo is None or contract.valid_until.tzinfo is None:
                    self._report(path, f"contract `{contract.id}` needs times with a zone (…Z)")
        self._parties(c)

    def _parties(self, c: CatalogDocument) -> None:
        words = self.vocabulary
        for name, application in c.applications.items():
            path = ("applications", name)
            self._refer(path, [application.tenant], c.tenants, "tenant")
            self._refer(path, application.purposes, words.purposes, "purpose")
            self._refer(path, [application.stakes], words.stakes, "stakes level")
            self._refer(path, application.entitlements, words.tiers, "tier")
            if application.pinned_model is not None:
                self._refer(path, [application.pinned_model], c.models, "model")
        for name, person in c.people.items():
            self._refer(("people", name), [person.tenant], c.tenants, "tenant")
            self._refer(("people", name), person.roles, words.roles, "role")
        for name, acceptance in c.acceptances.items():
            path = ("acceptances", name)
            self._refer(path, acceptance.data_classes, words.data_classes, "data class")
            self._refer(path, acceptance.accepted_by, c.people, "person")
            self._refer(path, [acceptance.tenant] if acceptance.tenant else [], c.tenants, "tenant")
            if len(set(acceptance.accepted_by)) < 2:
                self._report(path, "two different people must accept a gap")
            if acceptance.expires.tzinfo is None:
                self._report(path, "`expires` needs a zone (…Z)")
        known = {*c.deployments, *c.models, *(m.family for m in c.models.values())}
        for name, targets in c.aliases.items():
            self._refer(("aliases", name), targets, known, "deployment, model or family")
            if name in known or name == "auto":
                self._report(("aliases", name), "an alias may not hide another name")

    def routing(self, at: Document, document: RoutingDocument) -> None:
        """Cues name known tasks and stakes."""
        if "default" not in document.tasks:
            self.problems.append(f"{at.where(('tasks',))}: a task `default` is needed")
        for name, cue in document.cues.items():
            path = ("cues", name)
            self._known(at, path, [cue.task] if cue.task else [], document.tasks, "task")
            stakes = [cue.stakes] if cue.stakes else []
            self._known(at, path, stakes, self.vocabulary.stakes, "stakes level")

    def labels(self, taxonomy: Taxonomy, catalog: Catalog) -> None:
        """Refuse a deployment whose name on the wire contradicts its declared regions."""
        for name, deployment in catalog.deployments.items():
            within = taxonomy.common_jurisdictions(deployment.regions)
            for word in _profile_words(deployment.address, deployment.upstream_model):
                if not _PROFILES.get(word.replace("-", ""), frozenset()) & within:
                    self._report(
                        ("deployments", name),
                        f"`{word}` in its address or upstream model contradicts its regions "
                        f"{sorted(deployment.regions)}",
                    )

    def _refer(
        self, path: tuple[str, str], names: Iterable[str], known: Iterable[str], what: str
    ) -> None:
        at, where = self.places[path]
        self._known(at, where, names, known, what)

    def _known(
        self,
        at: Document,
        path: tuple[str | int, ...],
        names: Iterable[str],
        known: Iterable[str],
        what: str,
    ) -> None:
        members = set(known)
        self.problems.extend(
            f"{at.where(path)}: `{path[-1]}` names the {what} `{name}`, which does not exist"
            for name in names
            if name not in members
        )

    def _report(self, path: tuple[str, str], message: str) -> None:
        at, where = self.places[path]
        self.problems.append(f"{at.where(where)}: `{path[-1]}`: {message}")


def _profile_words(address: str, upstream_model: str) -> list[str]:
    host = (urlsplit(address).hostname or "").lower()
    found = _HOST_PROFILE.findall(host)
    return [*found, *_MODEL_PROFILE.findall(upstream_model.lower())]


def _taxonomy(document: TaxonomyDocument) -> Taxonomy:
    return Taxonomy(
        data_classes={
            DataClass(name): frozenset(map(DataClass, item.implies))
            for name, item in document.data_classes.items()
        },
        jurisdictions={
            Jurisdiction(name): frozenset(map(Jurisdiction, item.within))
            for name, item in document.jurisdictions.items()
        },
        personal=frozenset(DataClass(n) for n, c in document.data_classes.items() if c.personal),
        purposes=tuple(map(Purpose, document.purposes)),
        stakes=tuple(map(Stakes, document.stakes)),
        tiers=tuple(map(Tier, document.tiers)),
        roles=tuple(document.roles),
        egress_capabilities=tuple(document.egress_capabilities),
        entities={
            name: EntityRule(
                data_class=DataClass(rule.data_class),
                min_score_pct=rule.min_score_pct,
                min_count=rule.min_count,
            )
            for name, rule in document.entities.items()
        },
        derivations=tuple(
            Derivation(
                data_class=DataClass(d.data_class), when_all=frozenset(map(DataClass, d.when_all))
            )
            for d in document.derivations
        ),
    )


def _catalog(c: CatalogDocument) -> Catalog:
    return Catalog(
        providers={
            ProviderId(name): Provider(
                id=ProviderId(name),
                name=item.name,
                owner_jurisdictions=frozenset(map(Jurisdiction, item.owner_jurisdictions)),
            )
            for name, item in c.providers.items()
        },
        models={
            ModelId(name): Model(id=ModelId(name), family=ModelId(item.family))
            for name, item in c.models.items()
        },
        deployments={DeploymentId(n): _deployment(n, d) for n, d in c.deployments.items()},
        tenants={
            TenantId(name): Tenant(
                id=TenantId(name),
                home=Jurisdiction(item.home),
                contracts={
                    ProviderId(p): Contract(
                        provider=ProviderId(p),
                        data_classes=None
                        if contract.data_classes is None
                        else frozenset(map(DataClass, contract.data_classes)),
                        **contract.model_dump(exclude={"data_classes"}),
                    )
                    for p, contract in item.contracts.items()
                },
            )
            for name, item in c.tenants.items()
        },
        applications={
            ApplicationId(name): Application(
                id=ApplicationId(name),
                tenant=TenantId(item.tenant),
                purposes=tuple(map(Purpose, item.purposes)),
                stakes=Stakes(item.stakes),
                entitlements=frozenset(map(Tier, item.entitlements)),
                pinned_model=ModelId(item.pinned_model) if item.pinned_model else None,
                redaction=item.redaction,
                unknown_fields=item.unknown_fields,
            )
            for name, item in c.applications.items()
        },
        people={
            PersonId(name): Person(
                id=PersonId(name),
                tenant=TenantId(item.tenant),
                roles=frozenset(item.roles),
                name=item.name,
            )
            for name, item in c.people.items()
        },
        queues={
            "default": Queue(id="default"),
            **{
                n: Queue(id=n, evidence=q.evidence, sla_minutes=q.sla_minutes)
                for n, q in c.queues.items()
            },
        },
        acceptances=tuple(
            Acceptance(
                id=name,
                data_classes=frozenset(map(DataClass, item.data_classes)),
                tenant=TenantId(item.tenant) if item.tenant else None,
                modalities=frozenset(item.modalities),
                reason=item.reason,
                accepted_by=(PersonId(item.accepted_by[0]), PersonId(item.accepted_by[1])),
                expires=item.expires,
            )
            for name, item in sorted(c.acceptances.items())
        ),
        aliases={name: frozenset(targets) for name, targets in c.aliases.items()},
    )


def _deployment(name: str, d: DeploymentDocument) -> Deployment:
    return Deployment(
        id=DeploymentId(name),
        provider=ProviderId(d.provider),
        model=ModelId(d.model),
        tier=Tier(d.tier),
        groups=frozenset(d.groups),
        regions=tuple(map(Jurisdiction, d.regions)),
        address=d.address.rstrip("/"),
        upstream_model=d.upstream_model,
        credential=d.credential,
        on_premise=d.on_premise,
        zero_retention=d.zero_retention,
        trains_on_input=d.trains_on_input,
        subprocessors=frozenset(map(Jurisdiction, d.subprocessors)),
        capabilities=frozenset(d.capabilities),
        context_tokens=d.context_tokens,
        max_output_tokens=d.max_output_tokens,
        quality_permille=dict(d.quality_permille),
        price=Price(**d.price.model_dump()) if d.price else None,
        latency_ms=d.latency_ms,
        concurrency=d.concurrency,
        quota_group=d.quota_group or name,
        state=DeploymentState(d.state),
    )


def _routing(document: RoutingDocument) -> RoutingRules:
    return RoutingRules(
        tasks=tuple(sorted(document.tasks)),
        cues=tuple(_cue(name, cue) for name, cue in document.cues.items()),
        task_quality_floor_permille={
            n: t.quality_floor_permille for n, t in document.tasks.items()
        },
        latency_target_ms={n: t.latency_target_ms for n, t in document.tasks.items()},
        **document.model_dump(exclude={"tasks", "cues"}),
    )


def _cue(name: str, cue: CueDocument) -> Cue:
    return Cue(
        name=name,
        words=tuple(cue.words),
        min_tokens=cue.min_tokens,
        has_tools=cue.has_tools,
        languages=frozenset(cue.languages),
        task=cue.task,
        quality_floor_permille=cue.quality_floor_permille,
        stakes=Stakes(cue.stakes) if cue.stakes else None,
        needs=frozenset(cue.needs),
    )
