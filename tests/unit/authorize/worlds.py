"""The starter pack's registry under rules of a test's own, and requests to put to them."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import cedarpy
from cedarpy import pst
from tests.unit.bundle.bundles import pack_files

from transire.bundle.compile import compile_bundle
from transire.bundle.compiled import CompiledBundle
from transire.bundle.observed import observed_guards
from transire.bundle.rules import read_rules
from transire.domain.authorization import Facts
from transire.domain.classification import Classification, Finding, PartState, Redaction, Signals
from transire.domain.deployment import Acceptance, Application
from transire.domain.ids import (
    ApplicationId,
    DataClass,
    DecisionId,
    DeploymentId,
    KeyId,
    PersonId,
    PolicyId,
    Purpose,
    Stakes,
    TenantId,
)
from transire.domain.request import Assertions, Body, Principal, RoutingRequest

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
APPLICATION = ApplicationId("docs-qa")
"""The pack's application that allows redaction; its one purpose is `document_qa`."""
EU, US, HOUSE = map(DeploymentId, ("eu-premium", "us-premium", "onprem-general"))

GRANT = """
@id("grant.all")
permit (principal in Tenant::"acme", action in Action::"dispatch", resource)
when { principal in Tenant::"acme" };
"""

BODY = Body(
    fields={},
    parts=(),
    capabilities=frozenset(),
    needs=frozenset(),
    ignored=(),
    size_bytes=0,
    tokens_estimate=0,
)


@cache
def pack() -> CompiledBundle:
    """The starter pack, compiled once."""
    return compile_bundle(pack_files())


@cache
def ruled(text: str) -> CompiledBundle:
    """The pack's registry, judged by these rules alone."""
    base, rules = pack(), read_rules({"rules/own.cedar": text.encode()})
    tree = pst.PolicySet(
        templates={}, static_policies={rule.id: rule.node for rule in rules}, template_links=()
    )
    annotations = {PolicyId(rule.id): dict(rule.node.annotations) for rule in rules}
    guards = observed_guards(tree, base.bundle.taxonomy)
    return replace(
        base,
        bundle=replace(base.bundle, annotations=annotations, guards=guards),
        policies=cedarpy.PolicySet.from_pst(tree),
        tree=tree,
    )


def with_acceptances(compiled: CompiledBundle, *acceptances: Acceptance) -> CompiledBundle:
    catalog = replace(compiled.bundle.catalog, acceptances=acceptances)
    return replace(compiled, bundle=replace(compiled.bundle, catalog=catalog))


def with_application(compiled: CompiledBundle, **changed: Any) -> CompiledBundle:
    """The registry with its one application changed, for what Cedar does not read."""
    catalog = compiled.bundle.catalog
    application: Application = replace(catalog.applications[APPLICATION], **changed)
    applications = {**catalog.applications, APPLICATION: application}
    catalog = replace(catalog, applications=applications)
    return replace(compiled, bundle=replace(compiled.bundle, catalog=catalog))


def acceptance(name: str, *names: str, **changed: Any) -> Acceptance:
    """An acceptance of these classes in text, in force, for every tenant."""
    whole = Acceptance(
        id=name,
        data_classes=classes(*names),
        tenant=None,
        modalities=frozenset({"text"}),
        reason="accepted in a test",
        accepted_by=(PersonId("ben"), PersonId("priya")),
        expires=datetime(2027, 1, 1, tzinfo=UTC),
    )
    return replace(whole, **changed)


def classes(*names: str) -> frozenset[DataClass]:
    return frozenset(map(DataClass, names))


def finding(data_class: str) -> Finding:
    return Finding(
        part=0, start=0, end=4, entity="ANY", data_class=DataClass(data_class), score_pct=90
    )


def judged(
    *found: str,
    failed: frozenset[DataClass] = frozenset(),
    uncovered: dict[str, set[str]] | None = None,
    stakes: str | None = None,
    states: tuple[PartState, ...] = (PartState.FOUND,),
    located: bool = True,
) -> Classification:
    """A classification; with `located`, a finding stands for each class found."""
    return Classification(
        findings=tuple(finding(name) for name in found) if located else (),
        states=states,
        found=classes(*found),
        failed=failed,
        uncovered={DataClass(c): frozenset(m) for c, m in (uncovered or {}).items()},
        detector_digest="d",
        signals=Signals(stakes=None if stakes is None else Stakes(stakes)),
    )


def redacted(classification: Classification) -> Redaction:
    return Redaction(body=BODY, classification=classification, content_digest=b"", count=1)


def asking(
    assertions: Assertions | None = None,
    *,
    capabilities: frozenset[str] = frozenset(),
    **principal: Any,
) -> RoutingRequest:
    """A request of the one application; `principal` changes who asks."""
    who = Principal(
        kind="application",
        tenant=TenantId("acme"),
        key_id=KeyId("key_1"),
        application=APPLICATION,
        purpose=Purpose("document_qa"),
    )
    return RoutingRequest(
        id=DecisionId("dec_X"),
        principal=replace(who, **principal),
        asked_model="auto",
        body=replace(BODY, capabilities=capabilities),
        assertions=assertions or Assertions(),
        is_stream=False,
        wants_usage=False,
        mac=b"",
        content_digest=b"",
        deadline_s=10,
    )


def facts(**changed: Any) -> Facts:
    """Facts of a harmless request."""
    plain = Facts(
        purpose=Purpose("document_qa"),
        stakes=Stakes("limited"),
        data_classes=frozenset(),
        failed_classes=frozenset(),
        uncovered_classes=frozenset(),
        unscanned_parts=0,
        capabilities=frozenset(),
        redacted=False,
    )
    return replace(plain, **changed)
