"""The stage: every part of a body read, or named as unread.

Parts are scanned one by one and remembered by keyed digest, so that a growing conversation costs
its new turn. What cannot be read (images, audio, files) and what no recognizer covers (names in a
language nobody here reads, where people live) is *uncovered*; what raised, ran out of time or met
an opaque blob is *failed*. Both are facts for policy, and neither is silence (ADR 5).
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from transire.bundle.recognizers.matchers import Allowed, probes
from transire.classify.answers import redact_texts
from transire.classify.asked import is_asked_for
from transire.classify.cache import FindingsCache
from transire.classify.cues import CueReader
from transire.classify.digest import content_digest
from transire.classify.gate import Panel
from transire.classify.guarded import GuardReader, data_of
from transire.classify.guards import guard_entities, guard_recognizers
from transire.classify.language import PASSAGE_LEAST_CHARS, HeardCache, LanguageJudge
from transire.classify.learned import Hints
from transire.classify.mapping import failed_classes, findings_of
from transire.classify.names.finder import LANGUAGES, NameFinder
from transire.classify.names.spans import PERSON
from transire.classify.operators import operator_recognizers
from transire.classify.placeholders import PlaceholderBook, conversation_key, placeholder_namer
from transire.classify.pool import ScanPool
from transire.classify.recognizer import Hit, Recognizer
from transire.classify.recognizers import MESSAGE_LEVEL, select
from transire.classify.recognizers.canaries import CANARIES
from transire.classify.recognizers.fingerprint import detector_fingerprint
from transire.classify.remedy import Redacted, conversation_of, redact_body
from transire.classify.scan import Scan, joined, run
from transire.classify.tokens import estimate_tokens
from transire.domain.bundle import Bundle
from transire.domain.classification import Classification, Finding, PartState, Redaction, Signals
from transire.domain.guarding import NOTHING_GUARDED, TEXT_GUARDS
from transire.domain.ids import DataClass
from transire.domain.learned import Learned
from transire.domain.ports import Clock, Keyed
from transire.domain.prompt import BundleText, Prompt, PromptReading
from transire.domain.question import last_user_text
from transire.domain.request import Body, Part, PartKind, RoutingRequest
from transire.errors import TooLargeError

__all__ = ["EngineDetector", "canaries", "missed"]

_UNREADABLE: Final = {PartKind.IMAGE: "image", PartKind.AUDIO: "audio", PartKind.FILE: "file"}
_TEXT: Final = frozenset({"text"})
_MAIL: Final = "EMAIL_ADDRESS"
_IDENTITY: Final = DataClass("IDENTITY")
_ADDRESSES: Final = DataClass("LOCATION_DATA")
"""What a text can hold and no recognizer here finds: where people live."""
_CREDENTIAL: Final = DataClass("CREDENTIAL")
_PSEUDONYMISED: Final = DataClass("PSEUDONYMISED")
_INLINE_CHARS: Final = 4_000
"""More new text than this goes to a worker: 1 ms of prose, 40 ms of the worst text we know."""
_CANARY_S: Final = 5.0
_INLINE_PIECES: Final = 512
"""Texts and hits of one body that are sorted and rewritten on the event loop: about 5 ms."""
_CHARS_PER_PIECE: Final = 100
"""Judging languages reads the text again; so much of it costs as much as a hit."""
_AROUND_TOKENS: Final = 8
"""What a message costs besides its text."""
T = TypeVar("T")


class EngineDetector:
    """Implements `domain.governed.Detector` for one bundle.

    Args:
        pool: For long texts; None scans everything in the calling process (tools, tests).
        inline_max_chars: Characters of new text scanned on the event loop per request.
        recognizers: Instead of the installed ones; for tests, and without a pool.
        names: Finds names of people, where anything asks for them; None leaves them uncovered,
            whatever the bundle says.
        learned: The bundle's fitted models, for signals alone.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        keyed: Keyed,
        clock: Clock,
        pool: ScanPool | None,
        inline_max_chars: int = _INLINE_CHARS,
        recognizers: Sequence[Recognizer] | None = None,
        names: NameFinder | None = None,
        learned: Learned | None = None,
    ) -> None:
        self._taxonomy = bundle.taxonomy
        self._rules = bundle.detector
        self._entities = frozenset(bundle.taxonomy.entities)
        # Nobody could tell whether such names were read: they are neither clean nor uncovered.
        self._is_unasked = names is not None and not is_asked_for(bundle, PERSON)
        if self._is_unasked:
            self._entities -= {PERSON}
        self._guards = GuardReader(bundle.guards.intersection(TEXT_GUARDS), self._entities)
        self._looked_for = self._entities | guard_entities(bundle.guards)
        self._keyed = keyed
        self._clock = clock
        self._pool = pool
        self._inline_max_chars = inline_max_chars
        self._pack = bundle.recognizers
        self._allowed = Allowed(self._pack)
        self._message_level = MESSAGE_LEVEL | self._pack.message_level
        installed = select(self._entities) if recognizers is None else tuple(recognizers)
        self._panel = Panel(
            (*installed, *operator_recognizers(self._pack), *guard_recognizers(self._looked_for))
        )
        self._cues = CueReader(bundle.routing, bundle.taxonomy, learned)
        self._languages = LanguageJudge(bundle.detector.languages)
        self._personal = self._known({*self._taxonomy.personal, _CREDENTIAL})
        self._names = names if PERSON in self._entities else None
        self._identity = self._known({_IDENTITY})
        self._addresses = self._known({_ADDRESSES})
        self._missing = canaries(self)
        models = "" if self._names is None else self._names.digest
        self._digest = detector_fingerprint(bundle, self._missing, models)
        self._heard = HeardCache()
        self._cache = FindingsCache(keyed, self._digest, clock.monotonic)

    @property
    def digest(self) -> str:
        """Names rules, recognizers and versions (hex)."""
        return self._digest

    @property
    def missing(self) -> frozenset[DataClass]:
        """Classes whose canary was missed, or that no recognizer is installed for."""
        return self._missing

    @property
    def hints(self) -> Hints | None:
        """What asks the bundle's fitted models; None where it names none."""
        return self._cues.hints

    def close(self) -> None:
        """Give up what waits to be read for names, so that stopping waits for nobody."""
        if self._names is not None:
            self._names.close()

    async def classify(self, request: RoutingRequest) -> Classification:
        """See `domain.governed.Detector`.

        Raises:
            RequestError: the asserted task does not exist.
            TooLargeError: the content passes `max_chars`.
        """
        self._check_size(request.body.parts)
        text = last_user_text(request.body)
        signals = self._cues.read(request, text, self._languages.judge)
        return await self._classify(request, request.body, signals)

    async def redact(
        self, request: RoutingRequest, classification: Classification
    ) -> Redaction | None:
        """See `domain.governed.Detector`."""
        principal = request.principal
        scope = (principal.tenant, principal.key_id, conversation_of(request))
        namer = placeholder_namer(conversation_key(self._keyed.digest, scope))
        book = PlaceholderBook(namer, self._taxonomy.entities)
        redacted = await redact_body(
            request.body,
            classification,
            book,
            taxonomy=self._taxonomy,
            message_level=self._message_level,
            judge=lambda body: self._classify(request, body, classification.signals),
            aside=_aside,
        )
        if not redacted.count:
            return None
        size = sum(len(part.text) for part in redacted.body.parts) // _CHARS_PER_PIECE
        digest = partial(content_digest, self._keyed, redacted.body)
        return Redaction(
            body=redacted.body,
            classification=self._residual(classification, redacted),
            content_digest=await _aside(size, digest),
            count=redacted.count,
            placeholders=book,
        )

    async def classify_text(self, text: str, tenant: str) -> Classification:
        """See `domain.governed.Detector`."""
        part = Part(pointer=(), kind=PartKind.TEXT, text=text, role="assistant")
        self._check_size((part,))
        return await self._judge((part,), tenant, "", Signals())

    async def read_prompt(self, prompt: Prompt) -> PromptReading:
        """See `domain.governed.Detector`."""
        judged = await self.classify_text(prompt.text, "")
        data = f"{prompt.role}\n{prompt.text}".encode()
        return PromptReading(
            prompt=prompt,
            digest=self._keyed.digest("prompt", data),
            tokens=estimate_tokens(prompt.text) + _AROUND_TOKENS,
            text=BundleText(
                found=judged.found,
                failed=judged.failed,
                uncovered=judged.uncovered,
                reduced=judged.reduced,
            ),
            detector=self._digest,
        )

    async def classify_answer(self, parts: Sequence[Part], tenant: str) -> Classification:
        """See `domain.governed.Detector`."""
        if sum(len(part.text) for part in parts) > self._rules.max_chars:
            return self._unread(parts)
        return await self._judge(tuple(parts), tenant, "", Signals())

    async def redact_answer(
        self,
        parts: Sequence[Part],
        classification: Classification,
        classes: frozenset[DataClass],
        tenant: str,
    ) -> tuple[tuple[str, ...], int]:
        """See `domain.governed.Detector`."""
        namer = placeholder_namer(conversation_key(self._keyed.digest, (tenant, "answer")))
        return await redact_texts(
            parts,
            classification,
            classes,
            PlaceholderBook(namer, self._taxonomy.entities),
            taxonomy=self._taxonomy,
            message_level=self._message_level,
            judge=partial(self.classify_answer, tenant=tenant),
            aside=_aside,
        )

    def _unread(self, parts: Sequence[Part]) -> Classification:
        """What is known of parts that nobody may read: nothing."""
        return Classification(
            findings=(),
            states=(PartState.FAILED,) * len(parts),
            found=frozenset(),
            failed=frozenset(self._taxonomy.data_classes),
            uncovered={},
            detector_digest=self._digest,
            signals=Signals(),
            failures=("size",),
            failed_guards=self._guards.guards,
        )

    def scan_inline(self, texts: Iterable[str], seconds: float) -> list[Scan]:
        """Scan here and now, inside one deadline for all texts."""
        monotonic = self._clock.monotonic
        deadline = monotonic() + seconds
        return [run(text, deadline, self._panel, monotonic) for text in texts]

    def _residual(self, raw: Classification, rest: Redacted) -> Classification:
        """What is known of the redacted body: nothing that was unknown has become known."""
        rules, redacted = self._taxonomy.entities, rest.judged
        kept = {rules[f.entity].data_class for f in raw.findings if f.entity in self._message_level}
        kept |= rest.kept
        gaps = dict(raw.uncovered)
        for name, modalities in redacted.uncovered.items():
            gaps[name] = gaps.get(name, frozenset()) | modalities
        return Classification(
            findings=redacted.findings,
            states=redacted.states,
            found=redacted.found | kept | self._known({_PSEUDONYMISED}),
            failed=raw.failed | redacted.failed,
            uncovered=gaps,
            detector_digest=self._digest,
            signals=raw.signals,
            failures=tuple(sorted({*raw.failures, *redacted.failures})),
            reduced=raw.reduced | redacted.reduced,
            raised_guards=raw.raised_guards | redacted.raised_guards,
            failed_guards=raw.failed_guards | redacted.failed_guards,
        )

    async def _classify(
        self, request: RoutingRequest, body: Body, signals: Signals
    ) -> Classification:
        principal = request.principal
        # A person has no application; the key keeps people's texts apart from each other's.
        application = principal.application or f"person {principal.person or principal.key_id}"
        return await self._judge(body.parts, principal.tenant, application, signals)

    async def _judge(
        self, parts: tuple[Part, ...], tenant: str, application: str, signals: Signals
    ) -> Classification:
        readable = [(i, part.text) for i, part in enumerate(parts) if part.kind not in _UNREADABLE]
        scans = await self._scans([text for _, text in readable], tenant, application)
        size = len(parts) + sum(len(scan.hits) for scan in scans)
        size = max(size, sum(len(text) for _, text in readable) // _CHARS_PER_PIECE)
        scope = tenant, application
        return await _aside(size, lambda: self._concluded(parts, readable, scans, signals, scope))

    def _concluded(
        self,
        parts: tuple[Part, ...],
        readable: Sequence[tuple[int, str]],
        scans: Sequence[Scan],
        signals: Signals,
        scope: tuple[str, str],
    ) -> Classification:
        """What the scans of the readable parts amount to."""
        guarded = NOTHING_GUARDED
        if self._guards.guards:
            guarded = self._guards.read(parts, readable, scans)
            scans = [data_of(scan) for scan in scans]
        states = [PartState.NOT_SCANNED] * len(parts)
        for (index, _), scan in zip(readable, scans, strict=True):
            states[index] = PartState.FAILED if scan.failed else PartState.CLEAN
        findings = findings_of(
            ((i, hit) for (i, _), scan in zip(readable, scans, strict=True) for hit in scan.hits),
            self._taxonomy.entities,
        )
        _mark_found(states, findings)
        failures = frozenset(name for scan in scans for name in scan.failed)
        return Classification(
            findings=findings,
            states=tuple(states),
            found=frozenset(f.data_class for f in findings),
            failed=failed_classes(failures, self._taxonomy.entities),
            uncovered=self._uncovered(parts, scope),
            detector_digest=self._digest,
            signals=signals,
            failures=tuple(sorted(failures)),
            reduced=failed_classes(
                (name for scan in scans for name in scan.reduced), self._taxonomy.entities
            ),
            raised_guards=guarded.raised,
            failed_guards=guarded.failed,
        )

    async def _scans(self, texts: list[str], tenant: str, application: str) -> list[Scan]:
        """One scan per text: from memory, here, or in a worker."""
        key_of = self._cache.key
        keys = await _aside(
            len(texts), lambda: [key_of(tenant, application, text) for text in texts]
        )
        # Held here too, so that nothing the cache forgets meanwhile is lost to this request.
        known = {key: scan for key in keys if (scan := self._cache.get(key)) is not None}
        new = {k: t for k, t in zip(keys, texts, strict=True) if k not in known}
        party = f"{len(tenant)}:{tenant}{application}"
        for key, scan in zip(new, await self._scan(list(new.values()), party), strict=True):
            self._cache.put(key, scan)
            known[key] = scan
        return [known[key] for key in keys]

    async def _scan(self, texts: list[str], party: str) -> Sequence[Scan]:
        """Patterns, then names, inside the one deadline that the texts' length gives.

        Waiting behind other parties is no time of these texts.
        """
        chars = sum(map(len, texts))
        budget_ms = self._rules.base_deadline_ms + self._rules.deadline_ms_per_kchar * chars / 1_000
        deadline = self._clock.monotonic() + budget_ms / 1_000
        scans = await self._patterns(texts, chars, budget_ms / 1_000, party)
        if self._names is not None and texts:
            left_s = deadline - self._clock.monotonic()
            if self._is_pooled(chars):
                left_s = budget_ms / 1_000  # what is left says how long others' texts took
            names = await self._names.find(texts, left_s, party)
            scans = [self._with_names(*pair) for pair in zip(scans, names, strict=True)]
        return self._without_jargon(texts, scans)

    def _without_jargon(self, texts: Sequence[str], scans: Sequence[Scan]) -> Sequence[Scan]:
        """Without the hits that an allow-list of the bundle calls no finding."""
        if not self._allowed:
            return scans
        holds = self._allowed.holds
        return [
            replace(s, hits=tuple(h for h in s.hits if not holds(h.entity, text[h.start : h.end])))
            for text, s in zip(texts, scans, strict=True)
        ]

    def _with_names(self, scan: Scan, names: Scan) -> Scan:
        """Names beside what patterns found; the `bob` of a mail address belongs to the address.

        Of an address that counts, that is: what the taxonomy may yet drop must not hide a name.
        """
        rule = self._taxonomy.entities.get(_MAIL)
        if rule is None or rule.min_count > 1:
            return joined((scan, names))
        mails = [h for h in scan.hits if h.entity == _MAIL and h.score_pct >= rule.min_score_pct]
        starts = [mail.start for mail in mails]

        def is_part(hit: Hit) -> bool:
            at = bisect_right(starts, hit.start) - 1
            return at >= 0 and hit.end <= mails[at].end

        kept = tuple(hit for hit in names.hits if not is_part(hit))
        return joined((scan, replace(names, hits=kept)))

    def _is_pooled(self, chars: int) -> bool:
        return self._pool is not None and chars > self._inline_max_chars

    async def _patterns(
        self, texts: list[str], chars: int, seconds: float, party: str
    ) -> Sequence[Scan]:
        if self._pool is None or not self._is_pooled(chars):
            return self.scan_inline(texts, seconds)
        answer = await self._pool.scan(texts, seconds, self._looked_for, self._pack, party=party)
        return [Scan((), (answer,))] * len(texts) if isinstance(answer, str) else answer

    def _uncovered(
        self, parts: tuple[Part, ...], scope: tuple[str, str]
    ) -> dict[DataClass, frozenset[str]]:
        unread = frozenset(_UNREADABLE[p.kind] for p in parts if p.kind in _UNREADABLE)
        gaps = dict.fromkeys(self._personal, unread) if unread else {}
        texts = [part.text for part in parts if part.kind not in _UNREADABLE]
        if texts:
            found = dict.fromkeys(self._missing | self._addresses, _TEXT)
            for name in self._identity - self._missing:
                found[name] = self._names_gaps(texts, scope)
            for name, places in found.items():
                if places:
                    gaps[name] = gaps.get(name, frozenset()) | places
        return gaps

    def _names_gaps(self, texts: Sequence[str], scope: tuple[str, str]) -> frozenset[str]:
        """In what nobody here reads names: all text, or passages in some languages."""
        if self._is_unasked:
            return frozenset()
        if self._names is None:
            return _TEXT
        long_texts = [text for text in texts if len(text) >= PASSAGE_LEAST_CHARS]
        judge, key_of = self._languages, self._cache.key
        spoken = judge.joined(
            self._heard.of(key_of(*scope, text), partial(judge.heard, text)) for text in long_texts
        )
        return frozenset(f"text.{code}" for code in spoken - LANGUAGES)

    def _known(self, classes: Iterable[DataClass]) -> frozenset[DataClass]:
        """Those the taxonomy has: policy could not even name the others."""
        return frozenset(classes) & self._taxonomy.data_classes.keys()

    def _check_size(self, parts: Sequence[Part]) -> None:
        chars = sum(len(part.text) for part in parts)
        if chars > self._rules.max_chars:
            raise TooLargeError(
                f"content may have {self._rules.max_chars} characters, and this has {chars}"
            )


def canaries(detector: EngineDetector) -> frozenset[DataClass]:
    """Promised classes of which some entity is not found in its canary text (about 2 ms)."""
    rules = detector._taxonomy.entities  # noqa: SLF001 - the same module
    return frozenset(rules[entity].data_class for entity in missed(detector))


def missed(detector: EngineDetector) -> frozenset[str]:
    """Promised entities that are not found in their canary text.

    An entity without an installed recognizer, or without a canary, is missed too.
    """
    rules = detector._taxonomy.entities  # noqa: SLF001 - the same module
    own = probes(detector._pack)  # noqa: SLF001 - the same module
    covered = {entity for entity, _ in own}
    looked_for = detector._entities  # noqa: SLF001 - the same module
    pairs = [(e, CANARIES.get(e, "")) for e in rules if e in looked_for]
    pairs = [(e, text) for e, text in pairs if text or e not in covered]
    pairs += own
    texts = [text for _, text in pairs]
    scans = detector.scan_inline(texts, _CANARY_S)
    if detector._names is not None:  # noqa: SLF001 - the same module
        named = detector._names.find_now(texts, _CANARY_S)  # noqa: SLF001
        both = zip(scans, named, strict=True)
        scans = [detector._with_names(*pair) for pair in both]  # noqa: SLF001
    scans = list(detector._without_jargon(texts, scans))  # noqa: SLF001
    return frozenset(
        entity
        for (entity, _), scan in zip(pairs, scans, strict=True)
        if not any(
            h.entity == entity and h.score_pct >= rules[entity].min_score_pct for h in scan.hits
        )
    )


async def _aside(size: int, work: Callable[[], T]) -> T:
    """Do work of this many pieces here, or in a thread where the event loop would wait for it."""
    return work() if size <= _INLINE_PIECES else await asyncio.to_thread(work)


def _mark_found(states: list[PartState], findings: Iterable[Finding]) -> None:
    for finding in findings:
        if states[finding.part] is PartState.CLEAN:
            states[finding.part] = PartState.FOUND
