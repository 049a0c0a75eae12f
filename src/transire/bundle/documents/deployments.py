"""The shapes of what the catalog sends to: providers, models, deployments, moderators, prices."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from transire.bundle.documents.words import Document, GuardName, Id, Name, Permille

__all__ = [
    "DeploymentDocument",
    "ListedName",
    "ModelDocument",
    "ModeratorDocument",
    "PriceDocument",
    "ProviderDocument",
    "ServedDocument",
]

Category = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,64}$")]
"""A category as a moderator's answers spell it."""
ListedName = Annotated[
    str, StringConstraints(pattern=r"^[^/\s\x00-\x1f]{1,64}/[^\s\x00-\x1f]{1,128}$")
]
"""`provider/model` of a price list."""


class PriceDocument(Document):
    """Micro-USD per million tokens, where it comes from, and when it was read."""

    input_micro_usd_per_mtok: Annotated[int, Field(ge=0)]
    output_micro_usd_per_mtok: Annotated[int, Field(ge=0)]
    source: str
    as_of: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class ProviderDocument(Document):
    """A company that runs deployments."""

    name: str = ""
    owner_jurisdictions: Annotated[list[Name], Field(min_length=1)]


class ModelDocument(Document):
    """A model version; `family` groups versions."""

    family: Id


class ServedDocument(Document):
    """What is said of every place that texts are sent to."""

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


class DeploymentDocument(ServedDocument):
    """A model served at a place under terms."""

    capabilities: list[str] = []
    context_tokens: Annotated[int, Field(ge=256)]
    max_output_tokens: Annotated[int, Field(ge=1)] = 4_096
    quality_permille: dict[Id, Permille]
    contract_price: PriceDocument | None = None
    price: PriceDocument | None = None
    listed_as: ListedName | None = None
    latency_ms: Annotated[int, Field(ge=1)] = 1_000
    concurrency: Annotated[int, Field(ge=1)] = 16
    tokens_per_minute: Annotated[int, Field(ge=1)] | None = None


class ModeratorDocument(ServedDocument):
    """A deployment that judges texts and answers none: asked `/moderations`, never a route's."""

    categories: Annotated[dict[Category, GuardName], Field(min_length=1, max_length=64)]
    """What its answers call a thing → the guard that this raises."""
    timeout_ms: Annotated[int, Field(ge=10, le=30_000)] = 2_000
    max_bytes: Annotated[int, Field(ge=1_024, le=4_194_304)] = 131_072
    """Of what is sent; where a request is larger, its guards have failed."""
