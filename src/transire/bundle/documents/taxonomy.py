"""The shape of `taxonomy.yaml`: the closed vocabularies, detection and guards."""

from typing import Annotated

from pydantic import Field

from transire.bundle.documents.words import Document, GuardName, Id, Name

__all__ = [
    "DataClassDocument",
    "DerivationDocument",
    "DetectorDocument",
    "EntityDocument",
    "GuardDocument",
    "JurisdictionDocument",
    "TaxonomyDocument",
]


class DataClassDocument(Document):
    """One data class; `personal` ones count as found personal data while uncovered.

    Redaction takes a value out wherever it recurs, in whatever case, unless `case_matters`.
    """

    implies: list[Name] = []
    personal: bool = False
    case_matters: bool = False
    title: str = ""


class JurisdictionDocument(Document):
    """One jurisdiction and the ones it lies within."""

    within: list[Name] = []


class EntityDocument(Document):
    """How a detector's entity becomes a data class."""

    data_class: Name = Field(alias="class")
    min_score_pct: Annotated[int, Field(ge=0, le=100)] = 40
    min_count: Annotated[int, Field(ge=1, le=10_000)] = 1


class DerivationDocument(Document):
    """A class present when all of others are."""

    data_class: Name = Field(alias="class")
    when_all: Annotated[list[Name], Field(min_length=1)]


class DetectorDocument(Document):
    """How detection runs; deadlines fail closed."""

    languages: Annotated[list[str], Field(min_length=1)] = ["en"]
    names: str | list[str] = "none"
    audited: list[Name] = []
    base_deadline_ms: Annotated[int, Field(ge=10, le=60_000)] = 500
    deadline_ms_per_kchar: Annotated[int, Field(ge=0, le=1_000)] = 10
    max_chars: Annotated[int, Field(ge=1_000, le=20_000_000)] = 2_000_000


class GuardDocument(Document):
    """One guard; it runs where a rule reads it, or `audit` asks for it."""

    audit: bool = False


class TaxonomyDocument(Document):
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
