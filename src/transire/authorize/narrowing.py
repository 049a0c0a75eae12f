"""What narrows a pair besides Cedar: the caller's limits, the quarantine, a deployment's state.

Pure. Each limit is a conjunct that only ever takes a pair away; none is a fact for Cedar, so none
can make a rule fire that would open another pair (I5).
"""

from dataclasses import dataclass

from transire.domain.authorization import Form
from transire.domain.bundle import Quarantine
from transire.domain.deployment import Deployment, DeploymentState
from transire.domain.ids import DeploymentId, Jurisdiction, TenantId
from transire.domain.request import Assertions
from transire.domain.taxonomy import Taxonomy

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything beside Cedar that judges the pairs of one request; hashable, so a memo key.

    Attributes:
        models: Deployments the asked-for `model` narrows to; None narrows nothing.
        jurisdictions: A deployment must lie, with every place of processing, in one of these;
            empty narrows nothing.
        redaction: `require` forbids raw pairs, `forbid` redacted ones; None neither.
    """

    tenant: TenantId
    quarantine: Quarantine
    models: frozenset[DeploymentId] | None
    jurisdictions: frozenset[Jurisdiction]
    redaction: str | None

    @classmethod
    def of(cls, tenant: TenantId, assertions: Assertions, quarantine: Quarantine) -> "Limits":
        """The limits of one request."""
        return cls(
            tenant,
            quarantine,
            assertions.models,
            assertions.jurisdictions,
            assertions.redaction,
        )

    def on(self, deployment: Deployment, form: Form, taxonomy: Taxonomy) -> tuple[str, ...]:
        """Names of the limits that close this pair, in a fixed order; empty leaves it to Cedar."""
        found = []
        if self.models is not None and deployment.id not in self.models:
            found.append("asserted.model")
        if self.jurisdictions:
            within = taxonomy.common_jurisdictions(deployment.regions)
            if not within & self.jurisdictions:
                found.append("asserted.jurisdiction")
        if self.redaction == ("require" if form is Form.RAW else "forbid"):
            found.append("asserted.redaction")
        if self.quarantine.blocks(deployment, self.tenant):
            found.append("quarantine")
        if deployment.state is not DeploymentState.ACTIVE:
            found.append("state")
        return tuple(found)
