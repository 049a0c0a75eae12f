"""The pages for authors: their examples work, and the reference names every key."""

import re
from collections.abc import Iterator

import pytest
from pydantic import BaseModel
from tests.conftest import REPOSITORY
from tests.unit.bundle.bundles import pack_files

from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.compile import compile_bundle
from transire.bundle.documents.catalog import CatalogDocument
from transire.bundle.documents.routing import RoutingDocument
from transire.bundle.documents.taxonomy import TaxonomyDocument
from transire.workbench.test import run_tests

HOW_TO = (REPOSITORY / "docs" / "how-to" / "write-policies.md").read_text()
REFERENCE = (REPOSITORY / "docs" / "reference" / "catalog.md").read_text()


def examples(language: str) -> str:
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", HOW_TO, flags=re.DOTALL))


def test_the_examples_of_the_how_to_compile_and_pass() -> None:
    files = {n: d for n, d in pack_files().items() if not n.startswith("tests/")}
    files["rules/examples.cedar"] = examples("cedar").encode()
    files["tests/examples_test.yaml"] = examples("yaml").encode()
    compiled = compile_bundle(files)

    report = run_tests(compiled, CedarAuthorizer(compiled))

    assert [str(failure) for failure in report.failures] == []
    assert report.cells == 8


def keys(model: type[BaseModel]) -> Iterator[str]:
    for definition in [
        model.model_json_schema(),
        *model.model_json_schema().get("$defs", {}).values(),
    ]:
        yield from definition.get("properties", {})


@pytest.mark.parametrize("model", [CatalogDocument, TaxonomyDocument, RoutingDocument])
def test_the_reference_names_every_key(model: type[BaseModel]) -> None:
    missing = sorted({key for key in keys(model) if f"`{key}`" not in REFERENCE})

    assert missing == []
