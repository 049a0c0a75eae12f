from dataclasses import replace

import pytest
from tests.unit.bundle.bundles import pack_files
from tests.unit.score.fleets import deployment

from transire.bundle.labels import contradicting_labels, region_contradicts
from transire.bundle.registry import read_registry
from transire.domain.ids import Jurisdiction
from transire.domain.taxonomy import Taxonomy


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return read_registry(pack_files()).taxonomy


@pytest.mark.parametrize(
    ("host", "model", "regions", "label"),
    [
        ("bedrock-runtime.us-east-1.amazonaws.com", "m", ["DE"], "us-east-1"),
        ("bedrock-runtime.eu-west-2.amazonaws.com", "m", ["DE"], "eu-west-2"),
        ("bedrock-runtime.eu-central-1.amazonaws.com", "m", ["FR"], "eu-central-1"),
        ("bedrock-runtime.eu-central-1.amazonaws.com", "us.anthropic.m", ["DE"], "us"),
        ("bedrock-runtime.eu-central-1.amazonaws.com", "global.m", ["DE"], "global"),
        ("bedrock-runtime.ap-northeast-1.amazonaws.com", "apac.m", ["JP"], "apac"),
        ("eastus2.api.cognitive.microsoft.com", "m", ["DE"], "eastus2"),
        ("acme-westeurope.openai.azure.com", "m", ["DE"], "westeurope"),
        ("us-central1-aiplatform.googleapis.com", "m", ["NL"], "us-central1"),
        ("us.api.openai.com", "m", ["DE"], "us"),
        ("acme-us.example.com", "m", ["DE"], "us"),
        ("api.global.example.com", "m", ["US"], "global"),
        ("api.example.com", "gale-us", ["DE"], "us"),
        ("api.example.com", "gale@europe-west2", ["DE"], "europe-west2"),
        ("api.example.com", "arn:aws:bedrock:us-west-2:1:profile/eu.m", ["DE"], "us-west-2"),
        ("eu.api.example.com", "m", ["CH"], "eu"),
        ("eu.api.example.com", "m", ["DE", "US"], "eu"),
        ("llm.eu-east-9.example.com", "m", ["US"], "eu-east-9"),
        ("API.US.EXAMPLE.COM", "m", ["DE"], "us"),
    ],
)
def test_a_label_that_contradicts_the_regions_is_found(
    taxonomy: Taxonomy, host: str, model: str, regions: list[str], label: str
) -> None:
    declared = tuple(map(Jurisdiction, regions))

    assert contradicting_labels(f"https://{host}/v1", model, declared, taxonomy) == [label]


@pytest.mark.parametrize(
    ("host", "model", "regions"),
    [
        ("bedrock-runtime.eu-central-1.amazonaws.com", "eu.anthropic.m", ["DE"]),
        ("bedrock-runtime.eu-central-1.amazonaws.com", "m", ["EU"]),
        ("bedrock-runtime.us-gov-west-1.amazonaws.com", "us-gov.m", ["US"]),
        ("acme-westeurope.openai.azure.com", "m", ["NL"]),
        ("uksouth.api.cognitive.microsoft.com", "m", ["GB"]),
        ("europe-west6-aiplatform.googleapis.com", "m", ["CH"]),
        ("llm.eu-east-9.example.com", "m", ["PL"]),
        ("eu.api.openai.com", "m", ["FR", "DE"]),
        ("api.example.eu", "m", ["US"]),
        ("business.example.com", "neural-us3", ["DE"]),
        ("museum-eureka.example.com", "m", ["US"]),
        ("127.0.0.1", "m", ["DE"]),
        ("10.1.2.3", "m", ["DE"]),
        ("localhost", "m", ["US"]),
        ("ca.internal.example", "m", ["DE"]),
    ],
)
def test_agreeing_and_absent_labels_are_no_contradiction(
    taxonomy: Taxonomy, host: str, model: str, regions: list[str]
) -> None:
    declared = tuple(map(Jurisdiction, regions))

    assert contradicting_labels(f"https://{host}/v1", model, declared, taxonomy) == []


@pytest.mark.parametrize(
    ("place", "regions", "contradicts"),
    [
        ("East US 2", ["DE"], True),
        ("East US 2", ["US"], False),
        ("eu-central-1", ["DE"], False),
        ("eu-central-1", ["FR"], True),
        ("eu-central-1", ["FR", "DE"], False),
        ("eu-central-1", ["EU"], False),
        ("DE,US", ["DE"], True),
        ("DE, FR", ["DE", "FR"], False),
        ("EU", ["DE"], False),
        ("global", ["DE"], True),
        ("rack 7", ["DE"], False),
        ("", ["DE"], False),
    ],
)
def test_a_place_an_answer_names_is_held_against_the_catalog(
    taxonomy: Taxonomy, place: str, regions: list[str], contradicts: bool
) -> None:
    there = replace(deployment("a"), regions=tuple(map(Jurisdiction, regions)))

    assert region_contradicts(place, there, taxonomy) is contradicts
