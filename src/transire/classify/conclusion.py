"""What the scans of a body amount to: the stage's result. Pure but for what coverage remembers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from transire.classify.coverage import UNREADABLE, Coverage
from transire.classify.guarded import GuardReader, data_of
from transire.classify.mapping import failed_classes, findings_of
from transire.classify.remedy import Redacted
from transire.classify.scan import Scan
from transire.classify.seams import is_across
from transire.domain.classification import Classification, Finding, PartState, Signals
from transire.domain.guarding import NOTHING_GUARDED
from transire.domain.ids import DataClass
from transire.domain.request import Part
from transire.domain.taxonomy import Taxonomy

__all__ = ["Conclusions"]

_PSEUDONYMISED: Final = DataClass("PSEUDONYMISED")
_NONE: Final = frozenset[DataClass]()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusions:
    """Draws them for one detector.

    Attributes:
        message_level: Entities that are about a whole message, not about a place in it.
        digest: The detector's.
    """

    taxonomy: Taxonomy
    guards: GuardReader
    coverage: Coverage
    message_level: frozenset[str]
    digest: str

    def of_scans(
        self,
        parts: Sequence[Part],
        readable: Sequence[tuple[int, str]],
        scans: Sequence[Scan],
        signals: Signals,
        scope: tuple[str, str],
    ) -> Classification:
        """What the scans of the readable parts amount to.

        Args:
            readable: (index among the parts, text), one for each scan.
            scope: Tenant and application.
        """
        is_whole = len(scans) == len(readable)  # a text without its scan is never clean
        if is_whole and not any(scan.hits or scan.failed or scan.reduced for scan in scans):
            return self._of_nothing(parts, signals, scope)
        guarded, entities = NOTHING_GUARDED, self.taxonomy.entities
        if self.guards.guards:
            guarded = self.guards.read(parts, readable, scans)
            scans = [data_of(scan) for scan in scans]
        states = [PartState.NOT_SCANNED] * len(parts)
        for (index, _), scan in zip(readable, scans, strict=True):
            states[index] = PartState.FAILED if scan.failed else PartState.CLEAN
        findings = findings_of(
            ((i, hit) for (i, _), scan in zip(readable, scans, strict=True) for hit in scan.hits),
            entities,
        )
        _mark_found(states, findings)
        failures = frozenset(name for scan in scans for name in scan.failed)
        return Classification(
            findings=findings,
            states=tuple(states),
            found=frozenset(f.data_class for f in findings),
            failed=failed_classes(failures, entities),
            uncovered=self.coverage.gaps(parts, scope),
            detector_digest=self.digest,
            signals=signals,
            failures=tuple(sorted(failures)),
            reduced=failed_classes((name for scan in scans for name in scan.reduced), entities),
            raised_guards=guarded.raised,
            failed_guards=guarded.failed,
        )

    def _of_nothing(
        self, parts: Sequence[Part], signals: Signals, scope: tuple[str, str]
    ) -> Classification:
        """Nothing was found and nothing failed: most requests, at a third of the cost."""
        clean, unread = PartState.CLEAN, PartState.NOT_SCANNED
        return Classification(
            findings=(),
            states=tuple([unread if part.kind in UNREADABLE else clean for part in parts]),
            found=_NONE,
            failed=_NONE,
            uncovered=self.coverage.gaps(parts, scope),
            detector_digest=self.digest,
            signals=signals,
        )

    def of_redacted(
        self, parts: Sequence[Part], raw: Classification, rest: Redacted
    ) -> Classification:
        """What is known of the redacted body: nothing that was unknown has become known.

        Args:
            parts: Of the raw body.
        """
        rules, redacted = self.taxonomy.entities, rest.judged
        kept = {rules[f.entity].data_class for f in raw.findings if f.entity in self.message_level}
        # A value in two parts may have lost one half, which makes the other no less of it.
        kept |= {f.data_class for f in raw.findings if is_across(f, parts)}
        kept |= rest.kept
        gaps = dict(raw.uncovered)
        for name, modalities in redacted.uncovered.items():
            gaps[name] = gaps.get(name, frozenset()) | modalities
        # Policy could not even name a class that the taxonomy does not have.
        made = {_PSEUDONYMISED} & self.taxonomy.data_classes.keys()
        return Classification(
            findings=redacted.findings,
            states=redacted.states,
            found=redacted.found | kept | made,
            failed=raw.failed | redacted.failed,
            uncovered=gaps,
            detector_digest=self.digest,
            signals=raw.signals,
            failures=tuple(sorted({*raw.failures, *redacted.failures})),
            reduced=raw.reduced | redacted.reduced,
            raised_guards=raw.raised_guards | redacted.raised_guards,
            failed_guards=raw.failed_guards | redacted.failed_guards,
        )

    def of_unread(self, parts: Sequence[Part]) -> Classification:
        """What is known of parts that nobody may read: nothing."""
        return Classification(
            findings=(),
            states=(PartState.FAILED,) * len(parts),
            found=frozenset(),
            failed=frozenset(self.taxonomy.data_classes),
            uncovered={},
            detector_digest=self.digest,
            signals=Signals(),
            failures=("size",),
            failed_guards=self.guards.guards,
        )


def _mark_found(states: list[PartState], findings: Iterable[Finding]) -> None:
    for finding in findings:
        if states[finding.part] is PartState.CLEAN:
            states[finding.part] = PartState.FOUND
