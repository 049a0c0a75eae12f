"""What entries stood on, assembled again from the facts that they name (I8)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from transire.api.archive import Archive
from transire.domain.authorization import Authorization, Facts, Form, Pair
from transire.domain.ids import ApplicationId, DeploymentId, Jurisdiction, TenantId
from transire.domain.request import Assertions

__all__ = ["authorization_of", "facts_of", "pair_of"]


async def authorization_of(
    head: Mapping[str, Any],
    entry: Mapping[str, Any],
    archive: Archive,
    *,
    is_any_model: bool = False,
) -> Authorization:
    """What policy said when this entry was written; the caller's limits are the decision's.

    Args:
        is_any_model: The `model` that the caller named does not count: it is who answers.
    """
    facts = await facts_of(entry, archive)
    limits = head["limits"]
    models = None if is_any_model else limits["models"]
    return (await archive.authorizer(entry["bundle"])).assemble(
        ApplicationId(head["app"]),
        TenantId(head["tenant"]),
        facts,
        Assertions(
            models=None if models is None else frozenset(map(DeploymentId, models)),
            jurisdictions=frozenset(map(Jurisdiction, limits["jurisdictions"])),
            redaction=limits["redaction"],
        ),
        quarantine=await archive.quarantine(entry["quarantine"]),
        now=datetime.fromisoformat(entry["evaluated_at"]),
    )


async def facts_of(stood: Mapping[str, Any], archive: Archive) -> dict[Form, tuple[Facts, Facts]]:
    """(base, asserted) by form, of the facts that something recorded names."""
    facts = {}
    for form, both in (await archive.facts(stood)).items():
        base = Facts.from_json(both["base"])
        asserted = base if both["asserted"] is None else Facts.from_json(both["asserted"])
        facts[Form(form)] = (base, asserted)
    return facts


def pair_of(permit: Mapping[str, Any]) -> Pair:
    """The pair that a permit names."""
    form = Form(permit.get("form", Form.RAW.value))
    return Pair(deployment=DeploymentId(permit["deployment"]), form=form)
