"""The schemas of what compliance writes, as files for editors and other tools.

`schemas/` holds them; a test keeps the files equal to what this module makes of the code.
"""

from collections.abc import Mapping

import orjson
from pydantic import BaseModel

from transire.bundle.documents.catalog import CatalogDocument
from transire.bundle.documents.prompts import PromptDocument
from transire.bundle.documents.routing import RoutingDocument
from transire.bundle.documents.taxonomy import TaxonomyDocument
from transire.bundle.documents.trials import ExperimentsDocument

__all__ = ["json_schemas", "render_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schemas() -> Mapping[str, bytes]:
    """File name → JSON Schema of each kind of YAML file in a bundle but its tests."""
    return {
        "taxonomy.schema.json": render_schema(TaxonomyDocument, "taxonomy.yaml"),
        "catalog.schema.json": render_schema(CatalogDocument, "catalog/*.yaml"),
        "routing.schema.json": render_schema(RoutingDocument, "routing.yaml"),
        "experiments.schema.json": render_schema(ExperimentsDocument, "experiments.yaml"),
        "prompt.schema.json": render_schema(PromptDocument, "prompts/NAME@VERSION.yaml"),
    }


def render_schema(model: type[BaseModel], title: str) -> bytes:
    """One JSON Schema (2020-12), indented, keys in the model's order."""
    schema = {"$schema": _DIALECT, **model.model_json_schema(), "title": title}
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
