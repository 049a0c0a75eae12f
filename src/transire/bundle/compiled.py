"""A compiled bundle: the domain value together with Cedar's parsed handles."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cedarpy
from cedarpy import pst

from transire.domain.bundle import Bundle
from transire.domain.ids import BundleDigest

__all__ = ["CompiledBundle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledBundle:
    """Everything evaluation needs, parsed once; handles are immutable and may be shared.

    Attributes:
        tree: The same policies as syntax, for static analysis.
        entity_rows: The JSON rows `entities` was made from.
        entity_ids: Every (type, id) that exists, enumerated members included.
        warnings: What lint found; never a reason to refuse.
    """

    bundle: Bundle
    schema_text: str
    schema: cedarpy.Schema = field(repr=False)
    policies: cedarpy.PolicySet = field(repr=False)
    tree: pst.PolicySet = field(repr=False)
    entities: cedarpy.Entities = field(repr=False)
    entity_rows: tuple[Mapping[str, Any], ...] = field(repr=False)
    entity_ids: frozenset[tuple[str, str]] = field(repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def digest(self) -> BundleDigest:
        """The bundle's digest."""
        return self.bundle.digest
