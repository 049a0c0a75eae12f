"""The shape of `catalog/*.yaml`: who asks, under which contracts, within which limits."""

from typing import Annotated, Literal

from pydantic import Field

from transire.bundle.documents.deployments import (
    DeploymentDocument,
    ListedName,
    ModelDocument,
    ModeratorDocument,
    PriceDocument,
    ProviderDocument,
)
from transire.bundle.documents.words import Document, Id, Moment, Name, PromptRef

__all__ = [
    "AcceptanceDocument",
    "ApplicationDocument",
    "BudgetDocument",
    "CatalogDocument",
    "ContractDocument",
    "PersonDocument",
    "QueueDocument",
    "TenantDocument",
]


class ContractDocument(Document):
    """What a tenant agreed with a provider."""

    id: Id
    dpa: bool
    baa: bool = False
    zero_retention: bool = False
    no_training: bool = False
    valid_from: Moment
    valid_until: Moment
    data_classes: list[Name] | None = None


class TenantDocument(Document):
    """A customer of this installation; `contracts` is keyed by provider id."""

    home: Name
    contracts: dict[Id, ContractDocument] = {}


class ApplicationDocument(Document):
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


class PersonDocument(Document):
    """A human with roles."""

    name: str = ""
    tenant: Id
    roles: list[Id]


class QueueDocument(Document):
    """A review queue."""

    evidence: Literal["facts", "content"] = "facts"
    sla_minutes: Annotated[int, Field(ge=1, le=43_200)] = 60


class AcceptanceDocument(Document):
    """A named, expiring acceptance of uncovered classes by two people."""

    data_classes: Annotated[list[Name], Field(min_length=1)]
    tenant: Id | None = None
    modalities: Annotated[list[Literal["text", "image", "audio", "file"]], Field(min_length=1)]
    languages: list[str] = []
    reason: str
    accepted_by: Annotated[list[Id], Field(min_length=2, max_length=2)]
    expires: Moment


class BudgetDocument(Document):
    """A hard limit on spending, in whole micro-USD a day or calendar month (UTC).

    Counts a tenant's or an application's requests, the latter with `each_key` key by key. What has
    no known price is refused where a budget applies.
    """

    tenant: Id | None = None
    application: Id | None = None
    each_key: bool = False
    period: Literal["day", "month"]
    limit_micro_usd: Annotated[int, Field(ge=1, le=10**15)]


class CatalogDocument(Document):
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
