"""Whose an entry is: which tenant's auditors are shown it. Pure.

    a tenant's          what names the tenant, and what belongs to a decision of it
    everybody's         what governs every tenant: bundles, blocks of deployments and providers,
                        canaries that take themselves back
    nobody's            the rest; whoever holds the log itself sees it (`transire audit tail`)

An `attempt`, an `outcome`, a shadow, a judgment and the end of a moderation name their decision and
no tenant: theirs is the decision's.
"""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["EVERYBODY", "owner_of"]

EVERYBODY: Final = "*"
"""No tenant's id (`domain.ids`); stands where every tenant's auditors may look."""


def owner_of(entry: Mapping[str, Any]) -> str | None:
    """A tenant, `EVERYBODY`, or None where the entry itself does not say."""
    kind, tenant = str(entry["kind"]), entry.get("tenant")
    if tenant is not None:
        return str(tenant)
    if kind.startswith("policy.") or kind == "experiment.rolled_back":
        return EVERYBODY
    if kind.startswith("quarantine."):
        # Whom else the operator blocked is that tenant's business alone.
        return str(entry["subject_id"]) if entry["subject"] == "tenant" else EVERYBODY
    return None
