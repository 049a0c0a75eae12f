"""The shapes of the YAML files, with units in names; unknown keys are errors.

These models are the documentation of `taxonomy.yaml`, `catalog/*.yaml` and `routing.yaml`, and the
source of the JSON Schemas in `schemas/`.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

__all__ = [
    "AcceptanceDocument",
    "ApplicationDocument",
    "BudgetDocument",
    "CacheDocument",
    "CascadeDocument",
    "CatalogDocument",
    "ContractDocument",
    "CueDocument",
    "DataClassDocument",
    "DeploymentDocument",
    "DerivationDocument",
    "DetectorDocument",
    "EntityDocument",
    "GuardDocument",
    "JurisdictionDocument",
    "ModelDocument",
    "ModelFileDocument",
    "ModeratorDocument",
    "PersonDocument",
    "PriceDocument",
    "PromptDocument",
    "ProviderDocument",
    "QualityDocument",
    "QueueDocument",
    "RoutingDocument",
    "SessionsDocument",
    "TaskDocument",
    "TaxonomyDocument",
    "TenantDocument",
]

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""An id as `domain.ids` spells it."""
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
"""A member of a closed vocabulary."""
PromptRef = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}@[1-9][0-9]{0,5}$")
]
"""A prompt's name and version, such as `support@3`."""
Permille = Annotated[int, Field(ge=0, le=1000)]
Ttl = Annotated[int, Field(ge=0, le=2_592_000)]
"""Seconds, at most 30 days."""

GuardName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""A guard: built in (`domain.guarding.ALL_GUARDS`), or provided by a moderator."""
Category = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,64}$")]
"""A category as a moderator's answers spell it."""

_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


def _moment(value: object) -> datetime:
    """One spelling of time: `2027-12-31T00:00:00Z`; a bare number is no time at all."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("a time is spelled like 2027-12-31T00:00:00Z")
    try:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("this time is not in the calendar") from None


Moment = Annotated[datetime, BeforeValidator(_moment)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataClassDocument(_Model):
    """One data class; `personal` ones count as found personal data while uncovered.

    Redaction takes a value out wherever it recurs, in whatever case, unless `case_matters`.
    """

    implies: list[Name] = []
    personal: bool = False
    case_matters: bool = False
    title: str = ""


class JurisdictionDocument(_Model):
    """One jurisdiction and the ones it lies within."""

    within: list[Name] = []


class EntityDocument(_Model):
    """How a detector's entity becomes a data class."""

    data_class: Name = Field(alias="class")
    min_score_pct: Annotated[int, Field(ge=0, le=100)] = 40
    min_count: Annotated[int, Field(ge=1, le=10_000)] = 1


class DerivationDocument(_Model):
    """A class present when all of others are."""

    data_class: Name = Field(alias="class")
    when_all: Annotated[list[Name], Field(min_length=1)]


class DetectorDocument(_Model):
    """How detection runs; deadlines fail closed."""

    languages: Annotated[list[str], Field(min_length=1)] = ["en"]
    names: str | list[str] = "none"
    audited: list[Name] = []
    base_deadline_ms: Annotated[int, Field(ge=10, le=60_000)] = 500
    deadline_ms_per_kchar: Annotated[int, Field(ge=0, le=1_000)] = 10
    max_chars: Annotated[int, Field(ge=1_000, le=20_000_000)] = 2_000_000


class GuardDocument(_Model):
    """One guard; it runs where a rule reads it, or `audit` asks for it."""

    audit: bool = False


class TaxonomyDocument(_Model):
    """`taxonomy.yaml`: the closed vocabularies."""

    data_classes: dict[Name, DataClassDocument]
    jurisdictions: dict[Name, JurisdictionDocument]
    purposes: Annotated[list[Id], Field(min_length=1)]
    stakes: Annotated[list[Id], Field(min_length=1)]
    tiers: Annotated[list[Id], Field(min_length=1)]
    roles: Annotated[list[Id], Field(min_length=1)]
    egress_capabilities: Annotated[list[Id], Field(min_length=1)]
    entities: dict[str, EntityDocument] = {}
    derivations: list[DerivationDocument] = []
    detector: DetectorDocument = DetectorDocument()
    guards: Annotated[dict[GuardName, GuardDocument], Field(min_length=1)] | None = None


class ProviderDocument(_Model):
    """A company that runs deployments."""

    name: str = ""
    owner_jurisdictions: Annotated[list[Name], Field(min_length=1)]


class ModelDocument(_Model):
    """A model version; `family` groups versions."""

    family: Id


ListedName = Annotated[
    str, StringConstraints(pattern=r"^[^/\s\x00-\x1f]{1,64}/[^\s\x00-\x1f]{1,128}$")
]
"""`provider/model` of a price list."""


class PriceDocument(_Model):
    """Micro-USD per million tokens, where it comes from, and when it was read."""

    input_micro_usd_per_mtok: Annotated[int, Field(ge=0)]
    output_micro_usd_per_mtok: Annotated[int, Field(ge=0)]
    source: str
    as_of: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class DeploymentDocument(_Model):
    """A model served at a place under terms."""

    provider: Id
    model: Id
    tier: Id
    groups: list[Id] = []
    regions: Annotated[list[Name], Field(min_length=1)]
    address: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")]
    upstream_model: str
    credential: Id | None = None
    on_premise: bool = False
    zero_retention: bool = False
    trains_on_input: bool = False
    subprocessors: list[Name] = []
    capabilities: list[str] = []
    context_tokens: Annotated[int, Field(ge=256)]
    max_output_tokens: Annotated[int, Field(ge=1)] = 4_096
    quality_permille: dict[Id, Permille]
    contract_price: PriceDocument | None = None
    price: PriceDocument | None = None
    listed_as: ListedName | None = None
    latency_ms: Annotated[int, Field(ge=1)] = 1_000
    concurrency: Annotated[int, Field(ge=1)] = 16
    quota_group: Id | None = None
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    tokens_per_minute: Annotated[int, Field(ge=1)] | None = None
    state: Literal["active", "draining", "disabled"] = "active"


class ModeratorDocument(_Model):
    """A deployment that judges texts and answers none: asked `/moderations`, never a route's."""

    provider: Id
    model: Id
    tier: Id
    groups: list[Id] = []
    regions: Annotated[list[Name], Field(min_length=1)]
    address: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")]
    upstream_model: str
    credential: Id | None = None
    on_premise: bool = False
    zero_retention: bool = False
    trains_on_input: bool = False
    subprocessors: list[Name] = []
    quota_group: Id | None = None
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    state: Literal["active", "draining", "disabled"] = "active"
    categories: Annotated[dict[Category, GuardName], Field(min_length=1, max_length=64)]
    """What its answers call a thing → the guard that this raises."""
    timeout_ms: Annotated[int, Field(ge=10, le=30_000)] = 2_000
    max_bytes: Annotated[int, Field(ge=1_024, le=4_194_304)] = 131_072
    """Of what is sent; where a request is larger, its guards have failed."""


class ContractDocument(_Model):
    """What a tenant agreed with a provider."""

    id: Id
    dpa: bool
    baa: bool = False
    zero_retention: bool = False
    no_training: bool = False
    valid_from: Moment
    valid_until: Moment
    data_classes: list[Name] | None = None


class TenantDocument(_Model):
    """A customer of this installation; `contracts` is keyed by provider id."""

    home: Name
    contracts: dict[Id, ContractDocument] = {}


class ApplicationDocument(_Model):
    """A calling application and everything that widens its rights."""

    tenant: Id
    purposes: Annotated[list[Id], Field(min_length=1)]
    stakes: Id
    entitlements: list[Id] = []
    pinned_model: Id | None = None
    redaction: bool = False
    unknown_fields: Literal["refuse", "omit"] = "refuse"
    prompt: PromptRef | None = None
    prompts: dict[Id, PromptRef] = {}
    """Task → prompt; `prompt` stands for the tasks that are not listed."""


class PersonDocument(_Model):
    """A human with roles."""

    name: str = ""
    tenant: Id
    roles: list[Id]


class QueueDocument(_Model):
    """A review queue."""

    evidence: Literal["facts", "content"] = "facts"
    sla_minutes: Annotated[int, Field(ge=1, le=43_200)] = 60


class AcceptanceDocument(_Model):
    """A named, expiring acceptance of uncovered classes by two people."""

    data_classes: Annotated[list[Name], Field(min_length=1)]
    tenant: Id | None = None
    modalities: Annotated[list[Literal["text", "image", "audio", "file"]], Field(min_length=1)]
    languages: list[str] = []
    reason: str
    accepted_by: Annotated[list[Id], Field(min_length=2, max_length=2)]
    expires: Moment


class BudgetDocument(_Model):
    """A hard limit on spending, in whole micro-USD a day or calendar month (UTC).

    Counts a tenant's or an application's requests, the latter with `each_key` key by key. What has
    no known price is refused where a budget applies.
    """

    tenant: Id | None = None
    application: Id | None = None
    each_key: bool = False
    period: Literal["day", "month"]
    limit_micro_usd: Annotated[int, Field(ge=1, le=10**15)]


class CatalogDocument(_Model):
    """Any `catalog/*.yaml`; sections may be spread over files, ids may not repeat."""

    providers: dict[Id, ProviderDocument] = {}
    models: dict[Id, ModelDocument] = {}
    deployments: dict[Id, DeploymentDocument] = {}
    moderators: dict[Id, ModeratorDocument] = {}
    tenants: dict[Id, TenantDocument] = {}
    applications: dict[Id, ApplicationDocument] = {}
    people: dict[Id, PersonDocument] = {}
    queues: dict[Id, QueueDocument] = {}
    acceptances: dict[Id, AcceptanceDocument] = {}
    budgets: dict[Id, BudgetDocument] = {}
    price_list: dict[ListedName, PriceDocument] = {}
    aliases: dict[Id, Annotated[list[Id], Field(min_length=1)]] = {}


class CueDocument(_Model):
    """A deterministic sign in a request; every condition given must hold."""

    words: list[str] = []
    min_tokens: Annotated[int, Field(ge=0)] = 0
    has_tools: bool | None = None
    languages: list[str] = []
    task: Id | None = None
    quality_floor_permille: Permille = 0
    stakes: Id | None = None
    needs: list[Id] = []


class CascadeDocument(_Model):
    """When a task's answers are escalated to a better deployment: on our own verdicts alone."""

    on: Annotated[
        list[Literal["refusal", "low_confidence", "contract", "evaluator"]], Field(min_length=1)
    ]
    to: Literal["better"] = "better"
    """The cheapest permitted deployment of a higher quality for the task."""
    min_confidence_permille: Annotated[int, Field(ge=1, le=1000)] | None = None
    min_score_permille: Annotated[int, Field(ge=1, le=1000)] | None = None


class TaskDocument(_Model):
    """What a task asks of a deployment, and when another is asked too."""

    quality_floor_permille: Permille = 0
    quality_target_permille: Permille | None = None
    """What the predictor should expect of the pick (`quality`); left out, the floor."""
    needs: list[Id] = []
    """Capabilities that a deployment must list for this task."""
    latency_target_ms: Annotated[int, Field(ge=1)] = 10_000
    cascade: CascadeDocument | None = None


class ModelFileDocument(_Model):
    """A fitted model on the router's machine, by absolute path and by the digest of its bytes."""

    model: Annotated[str, StringConstraints(pattern=r"^/[^\x00-\x1f\x7f]{1,1023}$")]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class QualityDocument(ModelFileDocument):
    """A predictor of quality, and how many of a key's requests it may make dearer."""

    dearer_permille: Permille = 200


class SessionsDocument(_Model):
    """How long a session is remembered without a turn, and how many of one application."""

    idle_minutes: Annotated[int, Field(ge=1, le=43_200)] = 720
    per_application: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000


class PromptDocument(_Model):
    """`prompts/NAME@VERSION.yaml`: text that is put before requests as a message of this role.

    An `exclusive` prompt refuses requests that bring `system` or `developer` messages themselves.
    """

    role: Literal["system", "developer"] = "system"
    title: str = ""
    text: Annotated[str, StringConstraints(min_length=1, max_length=65_536)]
    exclusive: bool = False


class CacheDocument(_Model):
    """How long answers may be kept that rules of `cache` permit to keep; 0 keeps none."""

    ttl_s: Ttl = 0
    tasks: dict[Id, Ttl] = {}
    applications: dict[Id, Ttl] = {}
    """Seconds by task and by application; where both are named, the shorter counts."""
    sampled: bool = False
    """Keep answers to requests that do not ask for `temperature: 0`, too."""


class RoutingDocument(_Model):
    """`routing.yaml`: cues, tasks and the attempt budget."""

    tasks: dict[Id, TaskDocument]
    cues: dict[Id, CueDocument] = {}
    near_tie_permille: Permille = 50
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    deadline_s: Annotated[float, Field(gt=0, le=3_600)] = 120.0
    expected_output_tokens: Annotated[int, Field(ge=1)] = 400
    repair_stakes: list[Id] | None = None
    """Stakes at which an answer's JSON syntax may be repaired; left out, all but the highest."""
    retry_with_errors: bool = False
    """After a broken contract, tell the next attempt in a `developer` message what was wrong."""
    sessions: SessionsDocument = SessionsDocument()
    quality: QualityDocument | None = None
    """A model of `transire quality train`, which expects more or less of each deployment."""
    task_model: ModelFileDocument | None = None
    """A model of `transire quality train-tasks`, which names a task where neither cue nor tag does.
    """
    cache: CacheDocument = CacheDocument()
