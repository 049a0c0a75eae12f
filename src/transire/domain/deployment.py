"""The catalog: who offers which model where, under which terms, and who may ask for it.

All of it is governed (part of the bundle); nothing here is taken from a caller. Money is integer
micro-USD, prices are micro-USD per million tokens, quality is per mille, times are aware UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from transire.domain.budget import Budget
from transire.domain.guarding import Guard
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
from transire.domain.prompt import Binding

__all__ = [
    "Acceptance",
    "Application",
    "Catalog",
    "Contract",
    "Deployment",
    "DeploymentState",
    "Model",
    "Moderator",
    "Person",
    "Price",
    "Provider",
    "Queue",
    "Tenant",
]


class DeploymentState(StrEnum):
    """Whether a deployment takes traffic; `draining` and `disabled` are never ranked."""

    ACTIVE = "active"
    DRAINING = "draining"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A company that runs deployments; `owner_jurisdictions` is whose law binds the owner."""

    id: ProviderId
    owner_jurisdictions: frozenset[Jurisdiction]
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model version; `family` groups versions and may be asked for by callers."""

    id: ModelId
    family: ModelId


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a deployment charges, in micro-USD per million tokens.

    Attributes:
        source: Where the number comes from (contract id, price page).
        as_of: ISO date on which it was read.
        origin: `contract`, `catalog` or `list`, whichever came first in this order.
    """

    input_micro_usd_per_mtok: int
    output_micro_usd_per_mtok: int
    source: str
    as_of: str
    origin: str = "catalog"

    def cost_micro_usd(self, tokens_in: int, tokens_out: int) -> int:
        """The price of one answer, rounded up to a whole micro-USD."""
        total = (
            tokens_in * self.input_micro_usd_per_mtok + tokens_out * self.output_micro_usd_per_mtok
        )
        return -(-total // 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A model served at a place under terms: the Cedar resource.

    Attributes:
        regions: Every place of processing; several only for endpoints that choose by themselves.
        address: Base URL of an OpenAI-compatible API, without trailing slash.
        upstream_model: The model name the upstream expects.
        credential: Name of a secret in the settings (never the secret); None sends none.
        capabilities: What it takes and can do: `tools`, `vision`, `json_schema`, `logprobs`,
            `grounded`, and capability fields such as `top_k`.
        quality_permille: Task → static quality, 0–1000; `default` stands for unlisted tasks.
        price: None means unknown, which is never zero and fails every `max_cost`.
        quota_group: Deployments that share one upstream quota share Retry-After and what was
            asked of them within a minute.
        requests_per_minute, tokens_per_minute: What this router may ask of the quota group; None
            is no limit of ours.
        listed_as: `provider/model` in the catalog's price list, or None.
    """

    id: DeploymentId
    provider: ProviderId
    model: ModelId
    tier: Tier
    groups: frozenset[str]
    regions: tuple[Jurisdiction, ...]
    address: str
    upstream_model: str
    credential: str | None
    on_premise: bool
    zero_retention: bool
    trains_on_input: bool
    subprocessors: frozenset[Jurisdiction]
    capabilities: frozenset[str]
    context_tokens: int
    max_output_tokens: int
    quality_permille: Mapping[str, int]
    price: Price | None
    latency_ms: int
    concurrency: int
    quota_group: str
    state: DeploymentState = DeploymentState.ACTIVE
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    listed_as: str | None = None

    @property
    def is_metered(self) -> bool:
        """Whether what is asked of it is counted by the minute."""
        return self.requests_per_minute is not None or self.tokens_per_minute is not None

    def quality_for(self, task: str) -> int:
        """The quality the catalog gives it for a task, or for any, in permille; 0 is unknown."""
        quality = self.quality_permille.get(task)
        return self.quality_permille.get("default", 0) if quality is None else quality

    def worst_cost_micro_usd(
        self, input_bound: int | None, output_bound: int | None, choices: int
    ) -> int | None:
        """The most one answer can cost, or None where the price is unknown.

        Args:
            input_bound: The request is no more tokens than this; None is as many as the context
                window takes. The bytes of text are such a bound, because byte-level BPE makes no
                token of less than a byte; those of an image are not.
            output_bound: The caller's bound per choice, or None.
        """
        if self.price is None:
            return None
        bound = self.max_output_tokens
        if output_bound is not None and output_bound < bound:
            bound = output_bound
        window = self.context_tokens
        if input_bound is None or input_bound > window:
            input_bound = window
        return self.price.cost_micro_usd(input_bound, bound * choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moderator:
    """A service that judges texts and answers none.

    INVARIANT: it is none of the catalog's `deployments`, so no route is ever asked about it, and no
    scorer meets it; content goes there only where Cedar's `moderate` permits it.

    Attributes:
        deployment: Who runs it where and under which terms: the Cedar resource. What only answers
            have (context, quality, price) stands at nothing.
        categories: What its answers call a thing → the guard that this raises.
        timeout_ms: It has answered by then, or has failed.
        max_bytes: Of the body it is sent; a larger one is not sent, and its guards have failed.
    """

    deployment: Deployment
    categories: Mapping[str, Guard]
    timeout_ms: int = 2_000
    max_bytes: int = 131_072

    @property
    def guards(self) -> frozenset[Guard]:
        """The guards it provides."""
        return frozenset(self.categories.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What one tenant agreed with one provider; `data_classes` None means no class limit."""

    id: str
    provider: ProviderId
    dpa: bool
    baa: bool
    zero_retention: bool
    no_training: bool
    valid_from: datetime
    valid_until: datetime
    data_classes: frozenset[DataClass] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A customer of this installation."""

    id: TenantId
    home: Jurisdiction
    contracts: Mapping[ProviderId, Contract]


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A calling application; everything that widens its rights stands here, not in requests.

    Attributes:
        purposes: Purposes it may name; a key has one of them as its default.
        stakes: The floor; classifier and caller can only raise it.
        entitlements: Tiers it may use beyond what policy gives everyone.
        pinned_model: The one vetted model version, where the application has one.
        redaction: Whether redaction may be tried as a remedy.
        unknown_fields: `refuse` or `omit` body fields we do not know (I11).
        prompts: Which prompt its requests are given; None is none.
    """

    id: ApplicationId
    tenant: TenantId
    purposes: tuple[Purpose, ...]
    stakes: Stakes
    entitlements: frozenset[Tier]
    pinned_model: ModelId | None = None
    redaction: bool = False
    unknown_fields: str = "refuse"
    prompts: Binding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A human with roles; roles come from the bundle, the credential from the person."""

    id: PersonId
    tenant: TenantId
    roles: frozenset[str]
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A named, expiring acceptance of an uncovered class by two people (ADR 5).

    Attributes:
        tenant: The tenant it holds for; None means all tenants of this installation.
        modalities: `text`, `image`…; a text acceptance never covers an image.
        languages: Languages (ISO 639-1) it holds for; empty means any. One that names languages
            never covers a gap in all of them.
    """

    id: str
    data_classes: frozenset[DataClass]
    tenant: TenantId | None
    modalities: frozenset[str]
    reason: str
    accepted_by: tuple[PersonId, PersonId]
    expires: datetime
    languages: frozenset[str] = frozenset()

    def covers(self, gap: str) -> bool:
        """Whether a gap (`text`, `text.fr`) is one of those accepted."""
        modality, _, language = gap.partition(".")
        return modality in self.modalities and (not self.languages or language in self.languages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A review queue.

    Attributes:
        evidence: `facts` (classes, policies, candidates) or `content` (an encrypted hold).
        sla_minutes: A review not decided and used by then expires.
    """

    id: str
    evidence: str = "facts"
    sla_minutes: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything the bundle says about parties and deployments, by id."""

    providers: Mapping[ProviderId, Provider]
    models: Mapping[ModelId, Model]
    deployments: Mapping[DeploymentId, Deployment]
    tenants: Mapping[TenantId, Tenant]
    applications: Mapping[ApplicationId, Application]
    people: Mapping[PersonId, Person]
    queues: Mapping[str, Queue]
    acceptances: tuple[Acceptance, ...] = ()
    aliases: Mapping[str, frozenset[str]] = field(default_factory=dict)
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    moderators: Mapping[DeploymentId, Moderator] = field(default_factory=dict)

    @property
    def receivers(self) -> Mapping[DeploymentId, Deployment]:
        """Everything content can be sent to: deployments, and moderators."""
        moderating = {name: one.deployment for name, one in self.moderators.items()}
        return {**self.deployments, **moderating}

    @property
    def credentials(self) -> frozenset[str]:
        """Names of the secrets that deployments and moderators ask for."""
        asked = (deployment.credential for deployment in self.receivers.values())
        return frozenset(name for name in asked if name is not None)
