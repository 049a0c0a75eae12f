"""`schemas/` equals what the code makes; `make schemas` writes the files anew."""

import json
import os
from collections.abc import Mapping

import jsonschema_rs
import orjson
import pytest
from tests.conftest import REPOSITORY
from tests.unit.bundle.bundles import pack_files

from transire.api.app import described
from transire.bundle.compile import compile_bundle
from transire.bundle.publish import json_schemas, render_schema
from transire.bundle.yamlread import read_yaml
from transire.workbench.testfile import SuiteDocument

FOLDER = REPOSITORY / "schemas"


def published() -> Mapping[str, bytes]:
    return {
        **json_schemas(),
        "policy-test.schema.json": render_schema(SuiteDocument, "tests/*_test.yaml"),
        "transire.cedarschema": compile_bundle(pack_files()).schema_text.encode(),
        "openapi.json": json.dumps(described(), indent=1, sort_keys=True).encode() + b"\n",
    }


@pytest.mark.parametrize("name", sorted(published()))
def test_the_published_schema_is_the_one_the_code_makes(name: str) -> None:
    made = published()[name]
    if os.environ.get("UPDATE_SCHEMAS"):
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / name).write_bytes(made)

    assert (FOLDER / name).read_bytes() == made


def test_the_packs_files_keep_to_the_published_schemas() -> None:
    kinds = {
        "taxonomy.yaml": "taxonomy",
        "routing.yaml": "routing",
        "catalog": "catalog",
        "tests": "policy-test",
    }
    files = {n: d for n, d in pack_files().items() if n.endswith(".yaml")}

    for name, data in files.items():
        kind = kinds[name.split("/")[0]]
        schema = orjson.loads((FOLDER / f"{kind}.schema.json").read_bytes())
        assert jsonschema_rs.is_valid(schema, read_yaml(name, data).value), name
