"""The Cedar schema, generated from taxonomy and catalog.

Closed vocabularies are enumerated entity types (Cedar RFC 53), so a misspelt literal in a policy
is a validation error, not a rule that never fires. Enumerated types cannot have parents: closures
are written into entities and facts instead (`domain.taxonomy`).
"""

from collections.abc import Iterable, Mapping

from transire.domain.taxonomy import Taxonomy

__all__ = ["enumerations", "schema_text"]

_ENTITIES = """
// A company that runs deployments; whose law binds its owner.
entity Provider { ownerJurisdictions: Set<Jurisdiction> };
// A model version, inside its family.
entity Model in [Model];
entity DeploymentGroup;
entity Contract {
  dpa: Bool, baa: Bool, zeroRetention: Bool, noTraining: Bool,
  validFrom: datetime, validUntil: datetime,
  // Absent means the contract limits no class.
  dataClasses?: Set<DataClass>,
};
// Tags are the tenant's contracts, keyed by provider id.
entity Tenant in [Tenant] { home: Jurisdiction, homeClosure: Set<Jurisdiction> } tags Contract;
entity Application in [Tenant] {
  tenant: Tenant, stakes: Stakes, entitlements: Set<Tier>, pinnedModel?: Model,
};
// `in Jurisdiction::"X"` means: every place of processing lies in X.
entity Deployment in [Jurisdiction, Provider, Model, DeploymentGroup] {
  provider: String, model: Model, tier: Tier,
  onPremise: Bool, zeroRetention: Bool, trainsOnInput: Bool,
  processingRegions: Set<Jurisdiction>, ownerJurisdictions: Set<Jurisdiction>,
  subprocessors: Set<Jurisdiction>,
};
entity User in [Role, Tenant] { tenant: Tenant };
entity ReviewItem in [Tenant] {
  tenant: Tenant, queue: String, stakes: Stakes, dataClasses: Set<DataClass>,
  requestedBy?: User, keyHolders: Set<User>,
};
entity PolicyBundle { author: User };
entity AuditLog in [Tenant] { tenant: Tenant };
entity Installation;

type RouteContext = {
  now: datetime, purpose: Purpose,
  // The highest of the application's floor, the classifier's and the caller's.
  stakes: Stakes,
  // All four are upward-closed.
  dataClasses: Set<DataClass>, failedClasses: Set<DataClass>, uncoveredClasses: Set<DataClass>,
  // Read in part by a weaker model than the bundle names.
  reducedClasses: Set<DataClass>,
  // What guards found, and which could not say; of the answer for `receive`.
  raisedGuards: Set<Guard>, failedGuards: Set<Guard>,
  unscannedParts: Long,
  // Egress-changing fields the body asks for.
  capabilities: Set<Capability>,
  redacted: Bool,
  subjectRegion?: Jurisdiction,
  // From a verified token only.
  user?: User,
};
action "dispatch";
action "route", "route_unreviewed" in [Action::"dispatch"]
  appliesTo { principal: [Application], resource: [Deployment], context: RouteContext };

// Whether what was redacted may be put back into an answer; `restore_arguments` also into the
// arguments of its tool calls. Asked of permitted routes with `redacted`, and apart from
// "dispatch": a grant of a fleet says nothing about it.
action "restore", "restore_arguments"
  appliesTo { principal: [Application], resource: [Deployment], context: RouteContext };

// Whether the caller may get an answer that holds these classes: the context's class sets and
// guards are of the answer, everything else is of its request. `receive_redacted`, asked where
// `receive` is not allowed: whether the values may be replaced for good; `receive` is then asked
// of what is left, with `redacted`. An application to which no rule of either applies has its
// answers unread.
action "receive", "receive_redacted"
  appliesTo { principal: [Application], resource: [Deployment], context: RouteContext };

// Whether the answer to a request with these facts may be kept, and given to the same principal for
// the same request again. Asked of permitted routes in raw form, before anything is looked up and
// before anything is kept. Only a permit that names the action counts.
action "cache"
  appliesTo { principal: [Application], resource: [Deployment], context: RouteContext };

// Whether a copy of a request that was answered may be sent there as well, its answer going to
// nobody. Under "dispatch", so that what keeps content from a deployment keeps a copy from it; a
// forbid of a route binds it, too. Only a permit that names the action counts.
action "shadow" in [Action::"dispatch"]
  appliesTo { principal: [Application], resource: [Deployment], context: RouteContext };

// Whether the texts of a request may be sent to a moderator of the catalog, before the request is
// put to `route`: guards had no say yet, so `raisedGuards` and `failedGuards` are empty. Under
// "dispatch", and bound by a forbid of a route, as a shadow is. Only a permit that names the action
// counts; a moderator is never a route.
action "moderate" in [Action::"dispatch"]
  appliesTo { principal: [Application], resource: [Deployment], context: RouteContext };

// Whether a conversation and its answer may be sent to a deployment that scores the answer: the
// context's class sets and guards are of both together. Under "dispatch", and bound by a forbid of
// a route, as a shadow is. Only a permit that names the action counts.
action "judge" in [Action::"dispatch"]
  appliesTo { principal: [Application], resource: [Deployment], context: RouteContext };

type ActContext = { now: datetime };
// `solo`: this installation was founded for one person (`transire init --solo`).
type GovernContext = { now: datetime, solo: Bool };
action "release", "view_content"
  appliesTo { principal: [User], resource: [ReviewItem], context: GovernContext };
action "propose", "approve", "activate"
  appliesTo { principal: [User], resource: [PolicyBundle], context: GovernContext };
action "quarantine", "lift_quarantine"
  appliesTo { principal: [User], resource: [Installation], context: GovernContext };
action "mint_key", "revoke_key"
  appliesTo { principal: [User], resource: [Application], context: GovernContext };
action "invite", "revoke_credential"
  appliesTo { principal: [User], resource: [User], context: GovernContext };
action "read_audit", "erase"
  appliesTo { principal: [User], resource: [AuditLog], context: ActContext };
action "explain"
  appliesTo { principal: [User, Application], resource: [AuditLog], context: ActContext };
"""


def enumerations(taxonomy: Taxonomy) -> Mapping[str, tuple[str, ...]]:
    """Enumerated entity type → its members, in a fixed order."""
    return {
        "DataClass": tuple(sorted(taxonomy.data_classes)),
        "Jurisdiction": tuple(sorted(taxonomy.jurisdictions)),
        "Purpose": taxonomy.purposes,
        "Stakes": taxonomy.stakes,
        "Tier": taxonomy.tiers,
        "Role": taxonomy.roles,
        "Capability": taxonomy.egress_capabilities,
        "Guard": tuple(sorted(taxonomy.guards)),
    }


def schema_text(taxonomy: Taxonomy) -> str:
    """The schema in Cedar's human syntax. Names come from the id grammars, so need no quoting."""
    lines = ["// Generated from taxonomy.yaml; do not edit.\n"]
    lines += [f"entity {t} enum {_members(m)};\n" for t, m in enumerations(taxonomy).items()]
    return "".join(lines) + _ENTITIES


def _members(names: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"
