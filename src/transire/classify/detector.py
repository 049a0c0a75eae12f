"""The stage: every part of a body read, or named as unread.

Parts are scanned one by one and remembered by keyed digest, so that a growing conversation costs
its new turn. What cannot be read (images, audio, files) and what no recognizer covers (names, for
now) is *uncovered*; what raised, ran out of time or met an opaque blob is *failed*. Both are facts
for policy, and neither is silence (DESIGN §5).
"""

import hashlib
from collections.abc import Mapping
from typing import Final

import orjson

from transire import __version__
from transire.classify.cues import CueReader, last_user_text
from transire.classify.digest import content_digest
from transire.classify.language import LanguageJudge
from transire.classify.mapping import failed_classes, findings_of, promised_classes
from transire.classify.normalize import rebuild_with
from transire.classify.pool import ScanPool
from transire.classify.recognizer import Hit
from transire.classify.recognizers import all_recognizers
from transire.classify.redact import placeholder_namer, replacements
from transire.classify.scan import OPAQUE, Scan, scan_text
from transire.domain.bundle import Bundle
from transire.domain.decision import Classification, PartState, Redaction, Signals
from transire.domain.ids import DataClass
from transire.domain.ports import Keyed
from transire.domain.request import Body, Part, PartKind, RoutingRequest
from transire.errors import TooLargeError

__all__ = ["CANARIES", "EngineDetector"]

_UNREADABLE: Final = {PartKind.IMAGE: "image", PartKind.AUDIO: "audio", PartKind.FILE: "file"}
_NAME_CLASSES: Final = (DataClass("IDENTITY"), DataClass("LOCATION_DATA"))
"""Classes only a name recognizer can give."""
_PSEUDONYMISED: Final = DataClass("PSEUDONYMISED")
_CACHE_SIZE: Final = 20_000
_INLINE_CHARS: Final = 4_000
"""Longer texts go to a worker: above this a scan of hostile text can hold the loop for long."""

CANARIES: Final[Mapping[str, str]] = {
    "EMAIL_ADDRESS": "write to canary@corp.internal today",
    "PHONE_NUMBER": "call +49 30 901820 now",
    "CREDIT_CARD": "card 4111 1111 1111 1111",
    "IBAN_CODE": "IBAN DE89 3704 0044 0532 0130 00",
    "US_SSN": "my ssn is 536-90-4399",
    "IP_ADDRESS": "host 203.0.113.77 is down",
    "SECRET": "key AKIA2E4Q7RT3XYZWUVKL",
    "PRIVATE_KEY": "-----BEGIN RSA PRIVATE KEY-----",
    "PASSWORD": "password: hunter2!x9",
    "DIAGNOSIS": "the patient was diagnosed with diabetes",
    "CONFIDENTIAL_MARKING": "STRICTLY CONFIDENTIAL",
    "EXPORT_MARKING": "ITAR CONTROLLED",
    "VULNERABILITY": "see CVE-2026-12345",
    "MINOR_AGE": "my daughter is 9 years old",
}
"""One text per entity that must be found at start-up; a missed one makes its class uncovered."""


class EngineDetector:
    """Implements `domain.ports.Detector` for one bundle."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        keyed: Keyed,
        pool: ScanPool | None,
        inline_max_chars: int = _INLINE_CHARS,
    ) -> None:
        self._taxonomy = bundle.taxonomy
        self._rules = bundle.detector
        self._entities = frozenset(bundle.taxonomy.entities)
        self._keyed = keyed
        self._pool = pool
        self._inline_max_chars = inline_max_chars
        self._cues = CueReader(bundle.routing, bundle.taxonomy)
        self._languages = LanguageJudge(bundle.detector.languages)
        self._cache: dict[bytes, Scan] = {}
        self._missing = self._missed_canaries()
        self._digest = _digest(bundle, sorted(self._missing))

    @property
    def digest(self) -> str:
        """Names rules, recognizers and versions (hex)."""
        return self._digest

    @property
    def missing(self) -> frozenset[DataClass]:
        """Classes whose canary was missed or that no recognizer is installed for."""
        return self._missing

    async def classify(self, request: RoutingRequest) -> Classification:
        """See `domain.ports.Detector`."""
        text = last_user_text(request.body)
        language = self._languages.judge(text)
        return await self._classify(request, request.body, self._cues.read(request, language))

    async def redact(
        self, request: RoutingRequest, classification: Classification
    ) -> Redaction | None:
        """See `domain.ports.Detector`."""
        session = request.assertions.session_id or request.id
        namer = placeholder_namer(self._keyed.digest, request.principal.tenant, session)
        texts, count = replacements(request.body.parts, classification.findings, namer)
        if not count:
            return None
        body = rebuild_with(request.body, texts)
        judged = await self._classify(request, body, classification.signals)
        found = judged.found | {_PSEUDONYMISED} & set(self._taxonomy.data_classes)
        return Redaction(
            body=body,
            classification=Classification(
                findings=judged.findings,
                states=judged.states,
                found=found,
                failed=judged.failed | classification.failed,
                uncovered=judged.uncovered,
                detector_digest=judged.detector_digest,
                signals=judged.signals,
                failures=judged.failures,
            ),
            content_digest=content_digest(self._keyed, body),
            count=count,
        )

    async def classify_text(self, text: str, tenant: str) -> Classification:
        """See `domain.ports.Detector`."""
        part = Part(pointer=(), kind=PartKind.TEXT, text=text, role="assistant")
        return await self._judge((part,), tenant.encode(), Signals())

    async def _classify(
        self, request: RoutingRequest, body: Body, signals: Signals
    ) -> Classification:
        scope = f"{request.principal.tenant}\x00{request.principal.application}".encode()
        return await self._judge(body.parts, scope, signals)

    async def _judge(
        self, parts: tuple[Part, ...], scope: bytes, signals: Signals
    ) -> Classification:
        chars = sum(len(part.text) for part in parts)
        if chars > self._rules.max_chars:
            raise TooLargeError(f"content may have {self._rules.max_chars} characters")
        seconds = (
            self._rules.base_deadline_ms + self._rules.deadline_ms_per_kchar * chars / 1_000
        ) / 1_000
        hits: list[tuple[int, Hit]] = []
        failed: set[str] = set()
        states: list[PartState] = []
        for index, part in enumerate(parts):
            if part.kind in _UNREADABLE:
                states.append(PartState.NOT_SCANNED)
                continue
            scan = await self._scan(part.text, scope, seconds)
            hits += [(index, hit) for hit in scan.hits]
            failed.update(scan.failed)
            states.append(PartState.FAILED if scan.failed else PartState.CLEAN)
        findings = findings_of(hits, self._taxonomy.entities)
        for finding in findings:
            if states[finding.part] is PartState.CLEAN:
                states[finding.part] = PartState.FOUND
        return Classification(
            findings=findings,
            states=tuple(states),
            found=frozenset(f.data_class for f in findings),
            failed=failed_classes(failed, self._taxonomy.entities),
            uncovered=self._uncovered(parts),
            detector_digest=self._digest,
            signals=signals,
            failures=tuple(sorted(failed)),
        )

    async def _scan(self, text: str, scope: bytes, seconds: float) -> Scan:
        key = self._keyed.digest("scan", scope + b"\x00" + text.encode())
        known = self._cache.get(key)
        if known is not None:
            return known
        if len(text) <= self._inline_max_chars or self._pool is None:
            scan = scan_text(text, seconds, self._entities)
        else:
            pooled = await self._pool.scan(text, seconds, self._entities)
            scan = pooled if pooled is not None else Scan((), (OPAQUE,))
        if not scan.failed:  # a failure may be load; the next try deserves its own chance
            if len(self._cache) >= _CACHE_SIZE:
                del self._cache[next(iter(self._cache))]
            self._cache[key] = scan
        return scan

    def _uncovered(self, parts: tuple[Part, ...]) -> dict[DataClass, frozenset[str]]:
        modalities = {_UNREADABLE[p.kind] for p in parts if p.kind in _UNREADABLE}
        unreadable = self._taxonomy.personal | {DataClass("CREDENTIAL")}
        gaps = {c: set(modalities) for c in unreadable if modalities}
        in_text = set(self._missing)
        if self._rules.names == "none":
            in_text.update(c for c in _NAME_CLASSES if c in self._taxonomy.data_classes)
        if any(part.kind not in _UNREADABLE for part in parts):
            for data_class in in_text:
                gaps.setdefault(data_class, set()).add("text")
        return {data_class: frozenset(names) for data_class, names in gaps.items()}

    def _missed_canaries(self) -> frozenset[DataClass]:
        rules = self._taxonomy.entities
        installed = {recognizer.entity for recognizer in all_recognizers()}
        promised = {
            rule.data_class for entity, rule in rules.items() if entity not in installed
        } - {rule.data_class for entity, rule in rules.items() if entity in installed}
        for entity, text in CANARIES.items():
            if entity not in rules:
                continue
            scan = scan_text(text, 5.0, frozenset({entity}))
            if not findings_of(((0, hit) for hit in scan.hits), {entity: rules[entity]}):
                promised.add(rules[entity].data_class)
        return frozenset(promised) & promised_classes(rules)


def _digest(bundle: Bundle, missing: list[str]) -> str:
    from importlib.metadata import version

    described = {
        "transire": __version__,
        "presidio": version("presidio-analyzer"),
        "phonenumbers": version("phonenumbers"),
        "recognizers": sorted(r.entity for r in all_recognizers()),
        "missing": missing,
        "taxonomy": bundle.files["taxonomy.yaml"].decode(),
        "routing": bundle.files["routing.yaml"].decode(),
    }
    return hashlib.sha256(orjson.dumps(described, option=orjson.OPT_SORT_KEYS)).hexdigest()
