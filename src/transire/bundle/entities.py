"""Taxonomy and catalog as Cedar entities, in Cedar's JSON form."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from transire.domain.deployment import Application, Catalog, Contract, Deployment, Tenant
from transire.domain.taxonomy import Taxonomy

__all__ = ["INSTALLATION", "datetime_value", "entity_rows", "reference", "uid"]

INSTALLATION = "this"
"""The one Installation entity: what a quarantine is imposed on."""


def uid(kind: str, name: str) -> dict[str, str]:
    """An entity uid as data, never as text: names of tenants need no quoting."""
    return {"type": kind, "id": name}


def reference(kind: str, name: str) -> dict[str, dict[str, str]]:
    """A uid where a value is expected."""
    return {"__entity": uid(kind, name)}


def datetime_value(moment: datetime) -> dict[str, dict[str, str]]:
    """A Cedar datetime, to the millisecond, in UTC."""
    text = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    return {"__extn": {"fn": "datetime", "arg": text}}


def entity_rows(taxonomy: Taxonomy, catalog: Catalog) -> tuple[dict[str, Any], ...]:
    """Every entity policy can name, sorted by type and id. Enum members need no row."""
    rows = [_row("Installation", INSTALLATION)]
    for provider in catalog.providers.values():
        owners = taxonomy.jurisdiction_closure(provider.owner_jurisdictions)
        rows.append(_row("Provider", provider.id, {"ownerJurisdictions": _places(owners)}))
    families = {m.family for m in catalog.models.values()} - set(catalog.models)
    rows += [_row("Model", family) for family in families]
    for model in catalog.models.values():
        parents = [uid("Model", model.family)] if model.family != model.id else []
        rows.append(_row("Model", model.id, parents=parents))
    groups = {g for d in catalog.receivers.values() for g in d.groups}
    rows += [_row("DeploymentGroup", group) for group in groups]
    for tenant in catalog.tenants.values():
        rows += [_contract(c, tenant) for c in tenant.contracts.values()]
        rows.append(_tenant(tenant, taxonomy))
        attrs = {"tenant": reference("Tenant", tenant.id)}
        rows.append(_row("AuditLog", tenant.id, attrs, [uid("Tenant", tenant.id)]))
    rows += [_application(a) for a in catalog.applications.values()]
    rows += [_deployment(d, taxonomy, catalog) for d in catalog.receivers.values()]
    for person in catalog.people.values():
        parents = [uid("Role", r) for r in sorted(person.roles)] + [uid("Tenant", person.tenant)]
        rows.append(
            _row("User", person.id, {"tenant": reference("Tenant", person.tenant)}, parents)
        )
    return tuple(sorted(rows, key=lambda row: (row["uid"]["type"], row["uid"]["id"])))


def _row(
    kind: str,
    name: str,
    attrs: Mapping[str, Any] | None = None,
    parents: Iterable[Mapping[str, str]] = (),
    tags: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    row = {"uid": uid(kind, name), "attrs": dict(attrs or {}), "parents": list(parents)}
    return {**row, "tags": dict(tags)} if tags else row


def _places(names: Iterable[str]) -> list[dict[str, dict[str, str]]]:
    return [reference("Jurisdiction", name) for name in sorted(names)]


def _contract(contract: Contract, tenant: Tenant) -> dict[str, Any]:
    attrs: dict[str, Any] = {
        "dpa": contract.dpa,
        "baa": contract.baa,
        "zeroRetention": contract.zero_retention,
        "noTraining": contract.no_training,
        "validFrom": datetime_value(contract.valid_from),
        "validUntil": datetime_value(contract.valid_until),
    }
    if contract.data_classes is not None:
        attrs["dataClasses"] = [reference("DataClass", c) for c in sorted(contract.data_classes)]
    return _row("Contract", _contract_name(contract, tenant), attrs)


def _contract_name(contract: Contract, tenant: Tenant) -> str:
    return f"{tenant.id}/{contract.id}"


def _tenant(tenant: Tenant, taxonomy: Taxonomy) -> dict[str, Any]:
    tags = {
        str(provider): reference("Contract", _contract_name(contract, tenant))
        for provider, contract in sorted(tenant.contracts.items())
    }
    attrs = {
        "home": reference("Jurisdiction", tenant.home),
        "homeClosure": _places(taxonomy.jurisdiction_closure([tenant.home])),
    }
    return _row("Tenant", tenant.id, attrs, tags=tags)


def _application(application: Application) -> dict[str, Any]:
    attrs: dict[str, Any] = {
        "tenant": reference("Tenant", application.tenant),
        "stakes": reference("Stakes", application.stakes),
        "entitlements": [reference("Tier", t) for t in sorted(application.entitlements)],
    }
    if application.pinned_model is not None:
        attrs["pinnedModel"] = reference("Model", application.pinned_model)
    return _row("Application", application.id, attrs, [uid("Tenant", application.tenant)])


def _deployment(d: Deployment, taxonomy: Taxonomy, catalog: Catalog) -> dict[str, Any]:
    owners = catalog.providers[d.provider].owner_jurisdictions
    attrs = {
        "provider": d.provider,
        "model": reference("Model", d.model),
        "tier": reference("Tier", d.tier),
        "onPremise": d.on_premise,
        "zeroRetention": d.zero_retention,
        "trainsOnInput": d.trains_on_input,
        "processingRegions": _places(taxonomy.jurisdiction_closure(d.regions)),
        "ownerJurisdictions": _places(taxonomy.jurisdiction_closure(owners)),
        "subprocessors": _places(taxonomy.jurisdiction_closure(d.subprocessors)),
    }
    # Parents are what *every* region lies in: as a parent, an owner's or a sub-processor's
    # jurisdiction would open a machine that stands elsewhere.
    parents = [uid("Jurisdiction", j) for j in sorted(taxonomy.common_jurisdictions(d.regions))]
    parents += [uid("Provider", d.provider), uid("Model", d.model)]
    parents += [uid("DeploymentGroup", group) for group in sorted(d.groups)]
    return _row("Deployment", d.id, attrs, parents)
