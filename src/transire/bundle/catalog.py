"""Documents become domain values. Pure; names are resolved before (`references`)."""

from collections.abc import Iterable, Mapping
from typing import Final

from transire.bundle.documents.catalog import ApplicationDocument, BudgetDocument, CatalogDocument
from transire.bundle.documents.deployments import (
    DeploymentDocument,
    ModeratorDocument,
    PriceDocument,
)
from transire.bundle.documents.routing import (
    CascadeDocument,
    CueDocument,
    ModelFileDocument,
    RoutingDocument,
)
from transire.bundle.documents.taxonomy import TaxonomyDocument
from transire.bundle.judges import to_judge
from transire.domain.budget import Budget, Period, Scope
from transire.domain.bundle import Cue, RoutingRules
from transire.domain.cache import CacheRules
from transire.domain.deployment import (
    Acceptance,
    Application,
    Catalog,
    Contract,
    Deployment,
    DeploymentState,
    Model,
    Moderator,
    Person,
    Price,
    Provider,
    Queue,
    Tenant,
)
from transire.domain.escalation import CascadeRules
from transire.domain.guarding import ALL_GUARDS, Guard
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
from transire.domain.judge import JudgeRules
from transire.domain.learned import ModelFile
from transire.domain.prompt import Binding
from transire.domain.session import SessionRules
from transire.domain.taxonomy import Derivation, EntityRule, Taxonomy

__all__ = ["to_catalog", "to_routing", "to_taxonomy"]


def to_taxonomy(document: TaxonomyDocument, provided: Iterable[str] = ()) -> Taxonomy:
    """The vocabularies, as the path uses them.

    Args:
        provided: Guards that moderators provide; policy may ask for them by name, too.
    """
    guards = document.guards
    words = ALL_GUARDS if guards is None else tuple(Guard(name) for name in guards)
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
        case_matters=frozenset(
            DataClass(n) for n, c in document.data_classes.items() if c.case_matters
        ),
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
        guards=(*words, *(Guard(name) for name in sorted(set(provided) - set(words)))),
        audited_guards=frozenset(Guard(n) for n, rule in (guards or {}).items() if rule.audit),
    )


def to_catalog(c: CatalogDocument) -> Catalog:
    """Parties and deployments, as the path uses them; every name in them is known to exist."""
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
        deployments={
            DeploymentId(n): _deployment(n, d, c.price_list) for n, d in c.deployments.items()
        },
        moderators={DeploymentId(n): _moderator(n, m) for n, m in c.moderators.items()},
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
                prompts=_binding(item),
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
                languages=frozenset(item.languages),
                reason=item.reason,
                accepted_by=(PersonId(item.accepted_by[0]), PersonId(item.accepted_by[1])),
                expires=item.expires,
            )
            for name, item in sorted(c.acceptances.items())
        ),
        aliases={name: frozenset(targets) for name, targets in c.aliases.items()},
        budgets={name: _budget(name, item) for name, item in sorted(c.budgets.items())},
    )


def _budget(name: str, b: BudgetDocument) -> Budget:
    whose = Scope.TENANT if b.application is None else Scope.APPLICATION
    return Budget(
        id=name,
        scope=Scope.KEY if b.each_key else whose,
        period=Period(b.period),
        limit_micro_usd=b.limit_micro_usd,
        tenant=TenantId(b.tenant) if b.tenant else None,
        application=ApplicationId(b.application) if b.application else None,
    )


def _deployment(
    name: str, d: DeploymentDocument, listed: Mapping[str, PriceDocument]
) -> Deployment:
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
        price=_price(d, listed),
        listed_as=d.listed_as,
        latency_ms=d.latency_ms,
        concurrency=d.concurrency,
        quota_group=d.quota_group or name,
        requests_per_minute=d.requests_per_minute,
        tokens_per_minute=d.tokens_per_minute,
        state=DeploymentState(d.state),
    )


def _moderator(name: str, m: ModeratorDocument) -> Moderator:
    return Moderator(
        deployment=Deployment(
            id=DeploymentId(name),
            provider=ProviderId(m.provider),
            model=ModelId(m.model),
            tier=Tier(m.tier),
            groups=frozenset(m.groups),
            regions=tuple(map(Jurisdiction, m.regions)),
            address=m.address.rstrip("/"),
            upstream_model=m.upstream_model,
            credential=m.credential,
            on_premise=m.on_premise,
            zero_retention=m.zero_retention,
            trains_on_input=m.trains_on_input,
            subprocessors=frozenset(map(Jurisdiction, m.subprocessors)),
            capabilities=frozenset(),
            context_tokens=0,
            max_output_tokens=0,
            quality_permille={},
            price=None,
            latency_ms=m.timeout_ms,
            concurrency=1,
            quota_group=m.quota_group or name,
            requests_per_minute=m.requests_per_minute,
            state=DeploymentState(m.state),
        ),
        categories={category: Guard(guard) for category, guard in m.categories.items()},
        timeout_ms=m.timeout_ms,
        max_bytes=m.max_bytes,
    )


def _binding(a: ApplicationDocument) -> Binding | None:
    if a.prompt is None and not a.prompts:
        return None
    return Binding(default=a.prompt, tasks=dict(a.prompts))


def _price(d: DeploymentDocument, listed: Mapping[str, PriceDocument]) -> Price | None:
    """What was agreed goes before what the catalog says, and that before a list (ADR 24)."""
    for origin, price in (
        ("contract", d.contract_price),
        ("catalog", d.price),
        ("list", listed.get(d.listed_as or "")),
    ):
        if price is not None:
            return Price(origin=origin, **price.model_dump())
    return None


def to_routing(document: RoutingDocument, taxonomy: Taxonomy) -> RoutingRules:
    """Cues, tasks, cascades, judges, the attempt budget, repair, sessions, the cache, models."""
    levels, quality = document.repair_stakes, document.quality
    judges = {n: to_judge(n, j, taxonomy.stakes) for n, j in sorted(document.judges.items())}
    return RoutingRules(
        tasks=tuple(sorted(document.tasks)),
        cues=tuple(_cue(name, cue) for name, cue in document.cues.items()),
        task_quality_floor_permille={
            n: t.quality_floor_permille for n, t in document.tasks.items()
        },
        latency_target_ms={n: t.latency_target_ms for n, t in document.tasks.items()},
        task_needs={n: frozenset(t.needs) for n, t in document.tasks.items() if t.needs},
        task_quality_target_permille={
            n: t.quality_target_permille
            for n, t in document.tasks.items()
            if t.quality_target_permille is not None
        },
        quality_model=_model_file(quality),
        task_model=_model_file(document.task_model),
        dearer_permille=0 if quality is None else quality.dearer_permille,
        repair_stakes=None if levels is None else frozenset(map(Stakes, levels)),
        sessions=SessionRules(
            idle_s=60 * document.sessions.idle_minutes,
            per_application=document.sessions.per_application,
        ),
        cache=CacheRules(
            ttl_s=document.cache.ttl_s,
            tasks=document.cache.tasks,
            applications={ApplicationId(n): s for n, s in document.cache.applications.items()},
            sampled=document.cache.sampled,
        ),
        cascades={
            n: _cascade(t.cascade, judges)
            for n, t in document.tasks.items()
            if t.cascade is not None
        },
        judges=judges,
        **document.model_dump(exclude=_MADE),
    )


_MADE: Final = {"tasks", "cues", "repair_stakes", "sessions", "quality", "task_model", "cache"} | {
    "judges"
}
"""Members of `routing.yaml` that are not taken as they stand."""


def _model_file(document: ModelFileDocument | None) -> ModelFile | None:
    return None if document is None else ModelFile(path=document.model, sha256=document.sha256)


def _cascade(cascade: CascadeDocument, judges: Mapping[str, JudgeRules]) -> CascadeRules:
    return CascadeRules(
        on=frozenset(cascade.on),
        min_confidence_permille=cascade.min_confidence_permille or 0,
        min_score_permille=cascade.min_score_permille or 0,
        judge=None if cascade.judge is None else judges[cascade.judge],
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
