"""The stage: every part of a body read, or named as unread.

Parts are scanned one by one and remembered by keyed digest, so that a growing conversation costs
its new turn. What cannot be read (images, audio, files) and what no recognizer covers (names in a
language nobody here reads, places where people live but for streets) is *uncovered*; what raised,
ran out of time or met an opaque blob is *failed*. Both are facts for policy, and neither is silence
(ADR 5).
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from transire.aside import CHARS_PER_PIECE, aside
from transire.bundle.recognizers.matchers import Allowed
from transire.classify.answers import redact_texts
from transire.classify.asked import is_asked_for
from transire.classify.cache import FindingsCache
from transire.classify.conclusion import Conclusions
from transire.classify.coverage import UNREADABLE, Coverage
from transire.classify.cues import CueReader
from transire.classify.digest import content_digest
from transire.classify.gate import Panel
from transire.classify.guarded import GuardReader
from transire.classify.guards import guard_entities, guard_recognizers
from transire.classify.language import LanguageJudge
from transire.classify.learned import Hints
from transire.classify.names.finder import NameFinder
from transire.classify.names.spans import PERSON
from transire.classify.operators import operator_recognizers
from transire.classify.placeholders import PlaceholderBook, conversation_key, placeholder_namer
from transire.classify.pool import ScanPool
from transire.classify.promises import missed
from transire.classify.reader import TextReader
from transire.classify.recognizer import Recognizer
from transire.classify.recognizers import MESSAGE_LEVEL, select
from transire.classify.recognizers.fingerprint import detector_fingerprint
from transire.classify.remedy import conversation_of, redact_body
from transire.classify.scan import Scan
from transire.classify.seams import windows_of, with_windows
from transire.classify.tokens import estimate_tokens
from transire.domain.bundle import Bundle
from transire.domain.classification import Classification, Redaction, Signals
from transire.domain.guarding import TEXT_GUARDS
from transire.domain.ids import DataClass
from transire.domain.learned import Learned
from transire.domain.ports import Clock, Keyed
from transire.domain.prompt import BundleText, Prompt, PromptReading
from transire.domain.question import last_user_text
from transire.domain.request import Body, Part, PartKind, RoutingRequest
from transire.errors import TooLargeError

__all__ = ["EngineDetector"]

_PLACES: Final = frozenset({"EMAIL_ADDRESS", "STREET_ADDRESS"})
"""Entities whose findings may hold names that are nobody's by themselves."""
_IDENTITY: Final = DataClass("IDENTITY")
_ADDRESSES: Final = DataClass("LOCATION_DATA")
"""What a text can hold and no recognizer here finds reliably: where people live."""
_CREDENTIAL: Final = DataClass("CREDENTIAL")
_INLINE_CHARS: Final = 4_000
"""More new text than this goes to a worker: 1 ms of prose, 40 ms of the worst text we know."""
_AROUND_TOKENS: Final = 8
"""What a message costs besides its text."""


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
        self._keyed = keyed
        self._promised = frozenset(bundle.taxonomy.entities)
        # Nobody could tell whether such names were read: they are neither clean nor uncovered.
        is_unasked = names is not None and not is_asked_for(bundle, PERSON)
        if is_unasked:
            self._promised -= {PERSON}
        self._message_level = MESSAGE_LEVEL | bundle.recognizers.message_level
        self._cues = CueReader(bundle.routing, bundle.taxonomy, learned)
        self._languages = LanguageJudge(bundle.detector.languages)
        self._reader = TextReader(
            panel=_panel(bundle, self._promised, recognizers),
            looked_for=self._promised | guard_entities(bundle.guards),
            pack=bundle.recognizers,
            allowed=Allowed(bundle.recognizers),
            rules=bundle.detector,
            addresses={n: r for n, r in bundle.taxonomy.entities.items() if n in _PLACES},
            names=names if PERSON in self._promised else None,
            pool=pool,
            inline_max_chars=inline_max_chars,
            monotonic=clock.monotonic,
        )
        self._missing = frozenset(bundle.taxonomy.entities[e].data_class for e in self.missed())
        models = "" if self._reader.names is None else self._reader.names.digest
        self._digest = detector_fingerprint(bundle, self._missing, models)
        self._cache = FindingsCache(keyed, self._digest, clock.monotonic)
        self._conclusions = Conclusions(
            taxonomy=bundle.taxonomy,
            guards=GuardReader(bundle.guards.intersection(TEXT_GUARDS), self._promised),
            coverage=Coverage(
                personal=self._known({*bundle.taxonomy.personal, _CREDENTIAL}),
                missing=self._missing,
                addresses=self._known({_ADDRESSES}),
                identity=self._known({_IDENTITY}),
                is_unasked=is_unasked,
                has_names=self._reader.names is not None,
                judge=self._languages,
                key=self._cache.key,
            ),
            message_level=self._message_level,
            digest=self._digest,
        )

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

    def missed(self) -> frozenset[str]:
        """Promised entities that are not found in their canary text (`promises`)."""
        return missed(self._reader, self._taxonomy.entities, self._promised)

    def close(self) -> None:
        """Give up what waits to be read for names, so that stopping waits for nobody."""
        if self._reader.names is not None:
            self._reader.names.close()

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
            aside=aside,
        )
        if not redacted.count:
            return None
        size = sum(len(part.text) for part in redacted.body.parts) // CHARS_PER_PIECE
        digest = partial(content_digest, self._keyed, redacted.body)
        return Redaction(
            body=redacted.body,
            classification=self._conclusions.of_redacted(
                request.body.parts, classification, redacted
            ),
            content_digest=await aside(size, digest),
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
            return self._conclusions.of_unread(parts)
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
            aside=aside,
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
        readable = await aside(len(parts), partial(_readable, parts))
        texts = [text for _, text in readable]
        windows = windows_of(parts, readable)
        scans = await self._scans(texts + [w.text for w in windows], tenant, application)
        if windows:
            size = len(texts)
            scans = with_windows(scans[:size], windows, scans[size:], [*map(len, texts)])
        size = len(parts) + sum(len(scan.hits) for scan in scans)
        size = max(size, sum(len(text) for _, text in readable) // CHARS_PER_PIECE)
        scope, conclude = (tenant, application), self._conclusions.of_scans
        return await aside(size, lambda: conclude(parts, readable, scans, signals, scope))

    async def _scans(self, texts: list[str], tenant: str, application: str) -> list[Scan]:
        """One scan per text: from memory, here, or in a worker."""
        key_of = self._cache.key
        keys = await aside(
            len(texts), lambda: [key_of(tenant, application, text) for text in texts]
        )
        # Held here too, so that nothing the cache forgets meanwhile is lost to this request.
        known = {
            key: scan for key in dict.fromkeys(keys) if (scan := self._cache.get(key)) is not None
        }
        new = {k: t for k, t in zip(keys, texts, strict=True) if k not in known}
        party = f"{len(tenant)}:{tenant}{application}"
        for key, scan in zip(new, await self._reader.scan(list(new.values()), party), strict=True):
            self._cache.put(key, scan)
            known[key] = scan
        return [known[key] for key in keys]

    def _known(self, classes: Iterable[DataClass]) -> frozenset[DataClass]:
        """Those the taxonomy has: policy could not even name the others."""
        return frozenset(classes) & self._taxonomy.data_classes.keys()

    def _check_size(self, parts: Sequence[Part]) -> None:
        chars = sum(len(part.text) for part in parts)
        if chars > self._rules.max_chars:
            raise TooLargeError(
                f"content may have {self._rules.max_chars} characters, and this has {chars}"
            )


def _readable(parts: Sequence[Part]) -> list[tuple[int, str]]:
    return [(at, part.text) for at, part in enumerate(parts) if part.kind not in UNREADABLE]


def _panel(
    bundle: Bundle, promised: frozenset[str], recognizers: Sequence[Recognizer] | None
) -> Panel[Recognizer]:
    """The installed recognizers for these entities, or the given ones; the bundle's; guards."""
    installed = select(promised) if recognizers is None else tuple(recognizers)
    own = operator_recognizers(bundle.recognizers)
    return Panel((*installed, *own, *guard_recognizers(promised | guard_entities(bundle.guards))))
