"""Builders of small fleets for the scorer's tests."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from transire.domain.authorization import Authorization, Effect, Form, Obligation, Pair, Verdict
from transire.domain.bundle import Bundle, DetectorRules, RoutingRules
from transire.domain.classification import Classification, Signals
from transire.domain.deployment import Catalog, Deployment, Price
from transire.domain.ids import (
    BundleDigest,
    DecisionId,
    DeploymentId,
    Jurisdiction,
    KeyId,
    ModelId,
    ProviderId,
    TenantId,
    Tier,
)
from transire.domain.request import Assertions, Body, Principal, RoutingRequest
from transire.domain.taxonomy import Taxonomy
from transire.score.health import FleetHealth


def deployment(name: str = "a", **changes: Any) -> Deployment:
    plain = Deployment(
        id=DeploymentId(name),
        provider=ProviderId("p"),
        model=ModelId("m"),
        tier=Tier("economy"),
        groups=frozenset(),
        regions=(Jurisdiction("DE"),),
        address="http://127.0.0.1:1/v1",
        upstream_model="m",
        credential=None,
        on_premise=False,
        zero_retention=True,
        trains_on_input=False,
        subprocessors=frozenset(),
        capabilities=frozenset({"tools"}),
        context_tokens=8_000,
        max_output_tokens=1_000,
        quality_permille={"default": 700},
        price=Price(
            input_micro_usd_per_mtok=1_000_000,
            output_micro_usd_per_mtok=2_000_000,
            source="test",
            as_of="2026-10-01",
        ),
        latency_ms=500,
        concurrency=10,
        quota_group=name,
    )
    return replace(plain, **changes)


def price(per_mtok: int) -> Price:
    return Price(
        input_micro_usd_per_mtok=per_mtok,
        output_micro_usd_per_mtok=per_mtok,
        source="test",
        as_of="2026-10-01",
    )


def verdict(name: str, form: Form = Form.RAW, *, queue: str = "") -> Verdict:
    obligations = (Obligation(kind="review", queue=queue),) if queue else ()
    return Verdict(
        pair=Pair(deployment=DeploymentId(name), form=form),
        effect=Effect.PERMIT,
        obligations=obligations,
    )


def request_of(assertions: Assertions | None = None, **body: Any) -> RoutingRequest:
    fields: Mapping[str, Any] = {
        "fields": {},
        "parts": (),
        "capabilities": frozenset(),
        "needs": frozenset(),
        "ignored": (),
        "size_bytes": 400,
        "tokens_estimate": 100,
    }
    return RoutingRequest(
        id=DecisionId("dec_1"),
        principal=Principal(kind="application", tenant=TenantId("t"), key_id=KeyId("k")),
        asked_model="auto",
        body=Body(**{**fields, **body}),
        assertions=assertions or Assertions(),
        is_stream=False,
        wants_usage=False,
        mac=b"",
        content_digest=b"",
        deadline_s=60.0,
    )


def bundle_of(*deployments: Deployment, **rules: Any) -> Bundle:
    routing: Mapping[str, Any] = {
        "tasks": ("default",),
        "cues": (),
        "task_quality_floor_permille": {},
        "latency_target_ms": {"default": 2_000},
    }
    return Bundle(
        digest=BundleDigest("0" * 64),
        taxonomy=Taxonomy(
            data_classes={},
            jurisdictions={},
            personal=frozenset(),
            purposes=(),
            stakes=(),
            tiers=(),
            roles=(),
            egress_capabilities=(),
        ),
        catalog=Catalog(
            providers={},
            models={},
            deployments={d.id: d for d in deployments},
            tenants={},
            applications={},
            people={},
            queues={},
        ),
        routing=RoutingRules(**{**routing, **rules}),
        detector=DetectorRules(),
        annotations={},
        files={},
    )


def authorization_of(*verdicts: Verdict) -> Authorization:
    return Authorization(
        verdicts=verdicts,
        facts={},
        bundle_digest=BundleDigest("0" * 64),
        quarantine_version=0,
        evaluated_at=datetime(2026, 11, 25, tzinfo=UTC),
        evaluation=b"",
        evaluation_digest="",
    )


def classification_of(**signals: Any) -> Classification:
    return Classification(
        findings=(),
        states=(),
        found=frozenset(),
        failed=frozenset(),
        uncovered={},
        detector_digest="",
        signals=Signals(**signals),
    )


def success(health: FleetHealth, name: str, latency_ms: int = 100) -> None:
    end(health, name, "", latency_ms)


def end(
    health: FleetHealth,
    name: str,
    failure: str,
    latency_ms: int = 100,
    retry_after_s: float | None = None,
) -> None:
    """One whole attempt."""
    health.started(DeploymentId(name))
    health.finished(
        DeploymentId(name),
        failure=failure,
        latency_ms=latency_ms,
        retry_after_s=retry_after_s,
    )
