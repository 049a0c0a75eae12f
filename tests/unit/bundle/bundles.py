"""The smallest bundle that compiles, and changes to it."""

from pathlib import Path

from transire.bundle.compiled import CompiledBundle
from transire.bundle.limits import pack_folder
from transire.bundle.source import read_folder

__all__ = ["pack_files", "small_files", "untested"]

TAXONOMY = """\
data_classes:
  PERSONAL: {}
  CONTACT: {implies: [PERSONAL], personal: true}
  HEALTH: {}
  PHI: {implies: [HEALTH, PERSONAL], personal: true}
  CREDENTIAL: {}
derivations:
  - {class: PHI, when_all: [HEALTH, CONTACT]}
jurisdictions:
  GDPR_ADEQUATE: {}
  EU: {within: [GDPR_ADEQUATE]}
  DE: {within: [EU]}
  NO: {within: [GDPR_ADEQUATE]}
  US: {}
purposes: [support, coding]
stakes: [limited, high]
tiers: [economy, premium]
roles: [author, approver, operator, reviewer]
egress_capabilities: [store]
entities:
  EMAIL_ADDRESS: {class: CONTACT}
detector: {languages: [en, de]}
"""

CATALOG = """\
providers:
  nordwind: {owner_jurisdictions: [DE]}
models:
  breeze.1: {family: breeze}
deployments:
  eu-one:
    provider: nordwind
    model: breeze.1
    tier: economy
    groups: [fleet]
    regions: [DE]
    address: http://127.0.0.1:9101/v1
    upstream_model: breeze-1
    zero_retention: true
    context_tokens: 8000
    quality_permille: {default: 600}
tenants:
  acme:
    home: DE
    contracts:
      nordwind:
        id: nw
        dpa: true
        valid_from: 2026-01-01T00:00:00Z
        valid_until: 2028-01-01T00:00:00Z
applications:
  helpdesk: {tenant: acme, purposes: [support], stakes: limited}
people:
  ana: {tenant: acme, roles: [author]}
  ben: {tenant: acme, roles: [approver]}
  carl: {tenant: acme, roles: [author, approver]}
  omar: {tenant: acme, roles: [operator]}
queues:
  careful: {evidence: facts}
"""

ROUTING = """\
tasks:
  default: {quality_floor_permille: 500}
"""

RULES = """\
@id("grant.fleet")
permit (principal in Tenant::"acme", action in Action::"dispatch",
        resource in DeploymentGroup::"fleet");

@id("people.propose")
permit (principal in Role::"author", action == Action::"propose", resource);

@id("people.approve")
permit (principal in Role::"approver", action == Action::"approve", resource);

@id("people.activate")
permit (principal in Role::"approver", action == Action::"activate", resource);

@id("people.quarantine")
permit (principal in Role::"operator",
        action in [Action::"quarantine", Action::"lift_quarantine"], resource);

@id("people.quarantine-by-approver")
permit (principal in Role::"approver",
        action in [Action::"quarantine", Action::"lift_quarantine"], resource);
"""


def pack_files() -> dict[str, bytes]:
    """The starter pack as shipped."""
    return read_folder(pack_folder())


def small_files(**changed: str) -> dict[str, bytes]:
    """The small bundle; `taxonomy`, `catalog`, `routing` and `rules` replace a whole file."""
    limits = pack_folder() / "rules" / "limits"
    return {
        "taxonomy.yaml": changed.get("taxonomy", TAXONOMY).encode(),
        "catalog/all.yaml": changed.get("catalog", CATALOG).encode(),
        "routing.yaml": changed.get("routing", ROUTING).encode(),
        "rules/main.cedar": changed.get("rules", RULES).encode(),
        **{
            f"rules/limits/{path.name}": path.read_bytes()
            for path in sorted(Path(limits).glob("*.cedar"))
        },
    }


def untested(compiled: CompiledBundle) -> None:
    """For proposals whose own tests are not what is looked at."""
    del compiled
