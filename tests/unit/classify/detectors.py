"""Builders of small bundles, requests and detectors for the detector's tests."""

import asyncio
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transire.classify.detector import EngineDetector
from transire.classify.pool import ScanPool
from transire.classify.recognizer import Hit, Recognizer
from transire.clock import SystemClock
from transire.domain.bundle import Bundle, Cue, DetectorRules, RoutingRules
from transire.domain.classification import Classification, Redaction
from transire.domain.deployment import Catalog
from transire.domain.ids import (
    ApplicationId,
    BundleDigest,
    DataClass,
    DecisionId,
    KeyId,
    Purpose,
    Stakes,
    TenantId,
    Tier,
)
from transire.domain.request import (
    Assertions,
    Body,
    Part,
    PartKind,
    Principal,
    RoutingRequest,
)
from transire.domain.taxonomy import EntityRule, Taxonomy

__all__ = [
    "ENTITIES",
    "Keys",
    "bundle_of",
    "classify",
    "detector_of",
    "failing",
    "redact",
    "request_of",
    "rules_of",
    "text_part",
]

ENTITIES = {
    "EMAIL_ADDRESS": "CONTACT",
    "PHONE_NUMBER": "CONTACT",
    "CREDIT_CARD": "PCI",
    "US_SSN": "NATIONAL_ID",
    "SECRET": "CREDENTIAL",
    "PASSWORD": "CREDENTIAL",
    "DIAGNOSIS": "HEALTH",
    "CONFIDENTIAL_MARKING": "CONFIDENTIAL",
    "EXPORT_MARKING": "EXPORT_CONTROLLED",
}
PERSONAL = ("CONTACT", "IDENTITY", "LOCATION_DATA", "NATIONAL_ID", "PCI")
CLASSES = {*ENTITIES.values(), *PERSONAL, "PSEUDONYMISED"}


class Keys:
    """`domain.ports.Keyed` under one fixed key."""

    def digest(self, purpose: str, data: bytes) -> bytes:
        return hmac.digest(b"key", purpose.encode() + b"\0" + data, hashlib.sha256)


def rules_of(**classes: str) -> dict[str, EntityRule]:
    return {name: EntityRule(data_class=DataClass(value)) for name, value in classes.items()}


def bundle_of(
    entities: Mapping[str, EntityRule] | None = None,
    *,
    cues: Sequence[Cue] = (),
    detector: DetectorRules | None = None,
) -> Bundle:
    taxonomy = Taxonomy(
        data_classes={DataClass(name): frozenset() for name in CLASSES},
        jurisdictions={},
        personal=frozenset(map(DataClass, PERSONAL)),
        purposes=(Purpose("support"),),
        stakes=(Stakes("limited"), Stakes("high")),
        tiers=(Tier("economy"),),
        roles=(),
        egress_capabilities=(),
        entities=rules_of(**ENTITIES) if entities is None else entities,
    )
    return Bundle(
        digest=BundleDigest("0" * 64),
        taxonomy=taxonomy,
        catalog=Catalog(
            providers={},
            models={},
            deployments={},
            tenants={},
            applications={},
            people={},
            queues={},
        ),
        routing=RoutingRules(
            tasks=("default", "billing"),
            cues=tuple(cues),
            task_quality_floor_permille={"billing": 850},
            latency_target_ms={"default": 8000},
        ),
        detector=detector or DetectorRules(languages=("en", "de")),
        annotations={},
        files={},
    )


def detector_of(
    bundle: Bundle | None = None,
    *,
    pool: ScanPool | None = None,
    inline_max_chars: int = 4_000,
    recognizers: Sequence[Recognizer] | None = None,
) -> EngineDetector:
    return EngineDetector(
        bundle or bundle_of(),
        keyed=Keys(),
        clock=SystemClock(),
        pool=pool,
        inline_max_chars=inline_max_chars,
        recognizers=recognizers,
    )


def text_part(text: str, index: int = 0, *, role: str = "user", **changes: Any) -> Part:
    fields = {"pointer": ("messages", index, "content"), "kind": PartKind.TEXT, "role": role}
    return Part(**{**fields, "text": text, **changes})


def request_of(
    *parts: str | Part,
    assertions: Assertions | None = None,
    tenant: str = "acme",
    application: str = "desk",
    needs: frozenset[str] = frozenset(),
    tokens: int = 1,
) -> RoutingRequest:
    typed = tuple(text_part(p, i) if isinstance(p, str) else p for i, p in enumerate(parts))
    messages = [{"role": p.role, "content": p.text} for p in typed]
    body = Body(
        fields={"messages": messages},
        parts=typed,
        capabilities=frozenset(),
        needs=needs,
        ignored=(),
        size_bytes=1,
        tokens_estimate=tokens,
    )
    return RoutingRequest(
        id=DecisionId("dec_1"),
        principal=Principal(
            kind="application",
            tenant=TenantId(tenant),
            key_id=KeyId("k"),
            application=ApplicationId(application),
        ),
        asked_model="auto",
        body=body,
        assertions=assertions or Assertions(),
        is_stream=False,
        wants_usage=False,
        mac=b"",
        content_digest=b"",
        deadline_s=10,
    )


def classify(detector: EngineDetector, request: RoutingRequest) -> Classification:
    return asyncio.run(detector.classify(request))


def redact(detector: EngineDetector, request: RoutingRequest) -> Redaction | None:
    async def both() -> Redaction | None:
        return await detector.redact(request, await detector.classify(request))

    return asyncio.run(both())


def failing(entity: str, error: Exception) -> Recognizer:
    def find(text: str, seconds: float) -> Iterator[Hit]:
        raise error
        yield

    return Recognizer(entity, lambda _: True, find)
