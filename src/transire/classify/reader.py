"""Texts to scans: patterns here or in a worker, then names, all inside one deadline."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from transire.bundle.recognizers.matchers import Allowed
from transire.classify.gate import Panel
from transire.classify.names.finder import NameFinder
from transire.classify.pool import ScanPool
from transire.classify.recognizer import Hit, Recognizer
from transire.classify.scan import Scan, joined, run
from transire.domain.bundle import DetectorRules
from transire.domain.pack import Pack
from transire.domain.taxonomy import EntityRule

__all__ = ["TextReader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReader:
    """Reads texts for one bundle; remembers nothing.

    Attributes:
        panel: The recognizers that run on the event loop.
        looked_for: The entities that a worker scans for.
        allowed: The bundle's lists of what is no finding.
        addresses: The taxonomy's rules for addresses of mail and of houses, which names inside them
            give way to.
        names: Finds names of people; None reads none.
        pool: For long texts; None scans everything in the calling process.
        inline_max_chars: Characters scanned on the event loop for one request.
        monotonic: Seconds.
    """

    panel: Panel[Recognizer]
    looked_for: frozenset[str]
    pack: Pack
    allowed: Allowed
    rules: DetectorRules
    addresses: Mapping[str, EntityRule]
    names: NameFinder | None
    pool: ScanPool | None
    inline_max_chars: int
    monotonic: Callable[[], float]

    async def scan(self, texts: list[str], party: str) -> Sequence[Scan]:
        """Patterns, then names, inside the one deadline that the texts' length gives.

        Waiting behind other parties is no time of these texts.
        """
        chars = sum(map(len, texts))
        budget_ms = self.rules.base_deadline_ms + self.rules.deadline_ms_per_kchar * chars / 1_000
        deadline = self.monotonic() + budget_ms / 1_000
        scans = await self._patterns(texts, chars, budget_ms / 1_000, party)
        if self.names is not None and texts:
            left_s = deadline - self.monotonic()
            if self._is_pooled(chars):
                left_s = budget_ms / 1_000  # what is left says how long others' texts took
            names = await self.names.find(texts, left_s, party)
            scans = [self._with_names(*pair) for pair in zip(scans, names, strict=True)]
        return self._without_jargon(texts, scans)

    def scan_now(self, texts: Sequence[str], seconds: float) -> Sequence[Scan]:
        """The same here, whatever the texts' length, names included; blocks."""
        scans: Sequence[Scan] = self._inline(texts, seconds)
        if self.names is not None:
            names = self.names.find_now(texts, seconds)
            scans = [self._with_names(*pair) for pair in zip(scans, names, strict=True)]
        return self._without_jargon(texts, scans)

    def _inline(self, texts: Iterable[str], seconds: float) -> list[Scan]:
        """Patterns here and now, inside one deadline for all texts."""
        monotonic = self.monotonic
        deadline = monotonic() + seconds
        return [run(text, deadline, self.panel, monotonic) for text in texts]

    async def _patterns(
        self, texts: list[str], chars: int, seconds: float, party: str
    ) -> Sequence[Scan]:
        if self.pool is None or not self._is_pooled(chars):
            return self._inline(texts, seconds)
        answer = await self.pool.scan(texts, seconds, self.looked_for, self.pack, party=party)
        return [Scan((), (answer,))] * len(texts) if isinstance(answer, str) else answer

    def _is_pooled(self, chars: int) -> bool:
        return self.pool is not None and chars > self.inline_max_chars

    def _without_jargon(self, texts: Sequence[str], scans: Sequence[Scan]) -> Sequence[Scan]:
        """Without the hits that an allow-list of the bundle calls no finding."""
        if not self.allowed:
            return scans
        holds = self.allowed.holds
        return [
            replace(s, hits=tuple(h for h in s.hits if not holds(h.entity, text[h.start : h.end])))
            for text, s in zip(texts, scans, strict=True)
        ]

    def _with_names(self, scan: Scan, names: Scan) -> Scan:
        """Names beside what patterns found; the `bob` of a mail address belongs to the address.

        So does the name in `8 Nelson Mandela Drive`. Of an address that counts, that is: what the
        taxonomy may yet drop must not hide a name.
        """
        rules = self.addresses
        counting = [h for h in scan.hits if h.entity in rules and _counts(h, rules[h.entity])]
        if not counting:
            return joined((scan, names))
        starts = [address.start for address in counting]

        def is_part(hit: Hit) -> bool:
            at = bisect_right(starts, hit.start) - 1
            return at >= 0 and hit.end <= counting[at].end

        kept = tuple(hit for hit in names.hits if not is_part(hit))
        return joined((scan, replace(names, hits=kept)))


def _counts(hit: Hit, rule: EntityRule) -> bool:
    return rule.min_count <= 1 and hit.score_pct >= rule.min_score_pct
