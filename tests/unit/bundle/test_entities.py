from datetime import UTC, datetime

from tests.unit.bundle.bundles import CATALOG, pack_files, small_files

from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.entities import datetime_value


def row(compiled: CompiledBundle, kind: str, name: str) -> dict[str, object]:
    return next(dict(r) for r in compiled.entity_rows if r["uid"] == {"type": kind, "id": name})


def parents(found: dict[str, object], kind: str) -> set[str]:
    return {p["id"] for p in found["parents"] if p["type"] == kind}  # type: ignore[attr-defined]


def places(found: dict[str, object], attribute: str) -> set[str]:
    return {v["__entity"]["id"] for v in found["attrs"][attribute]}  # type: ignore[index]


def with_regions(regions: str) -> CompiledBundle:
    return compile_bundle(small_files(catalog=CATALOG.replace("regions: [DE]", regions)))


def test_a_deployment_lies_in_everything_its_region_lies_in() -> None:
    found = row(with_regions("regions: [DE]"), "Deployment", "eu-one")

    assert parents(found, "Jurisdiction") == {"DE", "EU", "GDPR_ADEQUATE"}


def test_an_endpoint_with_two_regions_lies_only_in_what_both_lie_in() -> None:
    found = row(with_regions("regions: [DE, NO]"), "Deployment", "eu-one")

    assert parents(found, "Jurisdiction") == {"GDPR_ADEQUATE"}
    assert places(found, "processingRegions") == {"DE", "NO", "EU", "GDPR_ADEQUATE"}


def test_an_endpoint_that_may_leave_lies_nowhere() -> None:
    found = row(with_regions("regions: [DE, US]"), "Deployment", "eu-one")

    assert parents(found, "Jurisdiction") == set()


def test_an_owners_jurisdiction_is_never_a_parent() -> None:
    catalog = CATALOG.replace("owner_jurisdictions: [DE]", "owner_jurisdictions: [US]")
    found = row(compile_bundle(small_files(catalog=catalog)), "Deployment", "eu-one")

    assert "US" not in parents(found, "Jurisdiction")
    assert places(found, "ownerJurisdictions") == {"US"}


def test_a_model_version_lies_in_its_family() -> None:
    assert parents(row(with_regions("regions: [DE]"), "Model", "breeze.1"), "Model") == {"breeze"}


def test_a_contract_is_a_tag_under_the_providers_name() -> None:
    tenant = row(with_regions("regions: [DE]"), "Tenant", "acme")

    contract = {"__entity": {"type": "Contract", "id": "acme/nw"}}
    assert tenant["tags"] == {"nordwind": contract}


def test_every_reference_in_the_pack_resolves() -> None:
    compiled = compile_bundle(pack_files())

    assert set(references(list(compiled.entity_rows))) <= compiled.entity_ids


def references(value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        if set(value) == {"type", "id"}:
            return [(value["type"], value["id"])]
        return [found for inner in value.values() for found in references(inner)]
    if isinstance(value, list | tuple):
        return [found for inner in value for found in references(inner)]
    return []


def test_a_time_is_written_to_the_millisecond() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)

    assert datetime_value(moment)["__extn"]["arg"] == "2026-01-02T03:04:05.678Z"
