"""What the detector says of a request: findings, coverage, and what it could not say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from transire.domain.guarding import Guard
from transire.domain.ids import DataClass, DeploymentId, Stakes
from transire.domain.request import Body
from transire.domain.restoring import Placeholders

__all__ = ["Classification", "Finding", "PartState", "Redaction", "Signals"]


class PartState(StrEnum):
    """What became of one part's scan; only `clean` and `found` mean it was read."""

    CLEAN = "clean"
    FOUND = "found"
    NOT_SCANNED = "not_scanned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One detection, as a half-open character range of one part; never its text.

    Attributes:
        part: Index into `Body.parts`.
        end: Beyond the part's text where the finding goes on in the next texts of the message.
        score_pct: Detector confidence, 0–100.
        via: The decode view it was found through (`base64`), or None.
        by: The recognizer, for people's tools; `patterns` stands for the installed ones.
    """

    part: int
    start: int
    end: int
    entity: str
    data_class: DataClass
    score_pct: int
    via: str | None = None
    by: str = field(default="patterns", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What routing can use without reading content again.

    Attributes:
        language: ISO 639-1 code judged above the confidence floor; None below it, and where no
            cue asked for it.
        task: Task by cues of `routing.yaml` or the caller's tag; `default` without one.
        cues: Names of the cues that fired, for the record.
        quality_floor_permille: Floor set by cues, 0–1000.
        stakes: Stakes raised by cues, or None.
        needs: Capabilities that cues and the task ask for (`grounded`).
        task_by: Who named the task: `cue`, `tag`, `learned`, or `default` where nobody did.
        gains: What a fitted predictor expects beside the catalog's quality (`domain.learned`).
    """

    language: str | None = None
    task: str = "default"
    cues: tuple[str, ...] = ()
    quality_floor_permille: int = 0
    stakes: Stakes | None = None
    needs: frozenset[str] = frozenset()
    task_by: str = "default"
    gains: Mapping[DeploymentId, int] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """What the detector could and could not say about one body.

    Attributes:
        findings: Ordered by part, then start.
        states: One per part, same order.
        found: Accepted classes before closure.
        failed: A recognizer raised, timed out, went over budget, or met an opaque blob.
        uncovered: Class → what the standing gap is in: a modality (`text`, `image`), or a modality
            and a language (`text.fr`) where other languages are read.
        reduced: Classes that were read, in part, by a weaker model than the bundle names, because
            the better one ran out of its time.
        raised_guards: Guards that found what they look for.
        failed_guards: Guards that could not say.
        detector_digest: Names recognizers, thresholds and versions.
        failures: Names of the recognizers that failed, for errors and metrics.
    """

    findings: tuple[Finding, ...]
    states: tuple[PartState, ...]
    found: frozenset[DataClass]
    failed: frozenset[DataClass]
    uncovered: Mapping[DataClass, frozenset[str]]
    detector_digest: str
    signals: Signals
    failures: tuple[str, ...] = ()
    reduced: frozenset[DataClass] = frozenset()
    raised_guards: frozenset[Guard] = frozenset()
    failed_guards: frozenset[Guard] = frozenset()

    @property
    def unscanned_parts(self) -> int:
        """How many parts nobody read."""
        return sum(s in (PartState.NOT_SCANNED, PartState.FAILED) for s in self.states)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """The same request with what was found replaced, classified again.

    Attributes:
        body: The body that would be sent.
        classification: Of that body: residual classes.
        content_digest: Keyed digest of that body's content.
        count: Values replaced.
        placeholders: What was replaced, for the way back; in memory alone.
    """

    body: Body
    classification: Classification
    content_digest: bytes
    count: int
    placeholders: Placeholders | None = field(default=None, repr=False, compare=False)
