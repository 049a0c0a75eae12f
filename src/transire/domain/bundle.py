"""What compliance owns, as one immutable value, and the quarantine that stands beside it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from transire.domain.cache import CacheRules
from transire.domain.deployment import Catalog, Deployment
from transire.domain.escalation import CascadeRules
from transire.domain.guarding import Guard
from transire.domain.ids import (
    BundleDigest,
    DataClass,
    DeploymentId,
    PolicyId,
    ProviderId,
    Stakes,
    TenantId,
)
from transire.domain.judge import JudgeRules
from transire.domain.learned import ModelFile
from transire.domain.pack import NO_PACK, Pack
from transire.domain.prompt import Prompt
from transire.domain.session import SessionRules
from transire.domain.shadow import ShadowRules
from transire.domain.taxonomy import Taxonomy
from transire.domain.trial import Experiment

__all__ = ["Bundle", "Cue", "DetectorRules", "Quarantine", "RoutingRules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """A deterministic sign in a request, from `routing.yaml`; every condition given must hold.

    Attributes:
        words: Any of these words or phrases, matched case-insensitively on word borders in the
            last user message.
        min_tokens: At least this many estimated tokens.
        has_tools: The body offers tools.
        languages: The judged language is one of these.
        task: Task it sets (the first cue that fires and names one wins).
        quality_floor_permille: Floor it sets (the highest wins).
        stakes: Level it raises to (the highest wins).
        needs: Capabilities it asks for (united).
    """

    name: str
    words: tuple[str, ...] = ()
    min_tokens: int = 0
    has_tools: bool | None = None
    languages: frozenset[str] = frozenset()
    task: str | None = None
    quality_floor_permille: int = 0
    stakes: Stakes | None = None
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingRules:
    """The governed part of scoring.

    Attributes:
        tasks: Known task names; `default` is always one.
        task_quality_floor_permille: Task → quality floor.
        latency_target_ms: Task → target for the whole answer; `default` stands for the rest.
        near_tie_permille: Candidates whose cost is within this share of the cheapest are ties.
        max_attempts: Attempt budget over retries, fallbacks and broken contracts.
        deadline_s: Total seconds a request may take.
        repair_stakes: Stakes at which an answer's syntax may be repaired; None is every level but
            the taxonomy's highest.
        retry_with_errors: After a broken contract, the next attempt is told what was wrong.
        sessions: How long and how many sessions are remembered.
        task_needs: Task → capabilities it asks for.
        task_quality_target_permille: Task → what the predictor should expect of the pick; a task
            that is not listed wants its floor.
        quality_model, task_model: Fitted models, where the bundle names any.
        dearer_permille: Share of one key's requests that the predictor may send to something
            dearer than would be chosen without it.
        cache: How long answers are kept, where rules permit that at all.
        cascades: Task → when its answers are escalated; most tasks have none.
        judges: By id; the first of which a share applies decides on an answered request.
    """

    tasks: tuple[str, ...]
    cues: tuple[Cue, ...]
    task_quality_floor_permille: Mapping[str, int]
    latency_target_ms: Mapping[str, int]
    near_tie_permille: int = 50
    max_attempts: int = 3
    deadline_s: float = 120.0
    expected_output_tokens: int = 400
    repair_stakes: frozenset[Stakes] | None = None
    retry_with_errors: bool = False
    sessions: SessionRules = field(default_factory=SessionRules)
    task_needs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    task_quality_target_permille: Mapping[str, int] = field(default_factory=dict)
    quality_model: ModelFile | None = None
    task_model: ModelFile | None = None
    dearer_permille: int = 0
    cache: CacheRules = field(default_factory=CacheRules)
    cascades: Mapping[str, CascadeRules] = field(default_factory=dict)
    judges: Mapping[str, JudgeRules] = field(default_factory=dict)

    def quality_floor(
        self, task: str, cues: Collection[str], asserted: int | None
    ) -> tuple[int, str]:
        """The quality floor in permille, and who set it: the bundle, where both ask for as much.

        Args:
            cues: Names of the cues that fired.
            asserted: The caller's own floor, or None.

        Returns:
            The floor, and "cue `…`", "task `…`" or `min_quality`, the caller's.
        """
        floors = [
            (cue.quality_floor_permille, f"cue `{cue.name}`")
            for cue in self.cues
            if cue.name in cues
        ]
        floors.append((self.task_quality_floor_permille.get(task, 0), f"task `{task}`"))
        floors.append((asserted or 0, "`min_quality`"))
        return max(floors, key=lambda floor: floor[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorRules:
    """The governed part of detection.

    Attributes:
        languages: Languages the installation expects; judged among these alone.
        names: Which name recognizers run, together; `none` makes their classes uncovered.
        audited: Classes looked for though no rule can observe them, for the record's sake.
        base_deadline_ms: Fixed part of one scan's deadline.
        deadline_ms_per_kchar: Added for each thousand characters.
        max_chars: Longer content is refused, never truncated.
    """

    languages: tuple[str, ...] = ("en",)
    names: tuple[str, ...] = ("none",)
    audited: frozenset[DataClass] = frozenset()
    base_deadline_ms: int = 500
    deadline_ms_per_kchar: int = 10
    max_chars: int = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """One compiled, validated, immutable bundle.

    Attributes:
        digest: SHA-256 (hex) over the source files: names and bytes, sorted by name.
        annotations: Policy id → its annotations (`reason`, `regulation`, `owner`, `queue`, …).
        permits: Ids of the policies whose effect is permit; every other one forbids.
        files: Source by path relative to the policies folder, sorted.
        guards: Those that run: some rule reads them, or the audit asks for them.
        observed: Classes that some rule can tell from absent ones; None means all.
        prompts: By `name@version`.
        experiments: By id; the first that applies to a request is its only one.
        shadows: By id; the first that applies to an answered request decides on its copy.
    """

    digest: BundleDigest
    taxonomy: Taxonomy
    catalog: Catalog
    routing: RoutingRules
    detector: DetectorRules
    annotations: Mapping[PolicyId, Mapping[str, str]]
    files: Mapping[str, bytes] = field(repr=False)
    recognizers: Pack = NO_PACK
    observed: frozenset[DataClass] | None = None
    permits: frozenset[PolicyId] = frozenset()
    guards: frozenset[Guard] = frozenset()
    prompts: Mapping[str, Prompt] = field(default_factory=dict)
    experiments: tuple[Experiment, ...] = ()
    shadows: tuple[ShadowRules, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """A conjunct beside the bundle that only narrows and survives activations (ADR 3).

    Attributes:
        version: Grows by one with each change; every permit names it.
    """

    version: int = 0
    deployments: frozenset[DeploymentId] = frozenset()
    providers: frozenset[ProviderId] = frozenset()
    tenants: frozenset[TenantId] = frozenset()

    def blocks(self, deployment: Deployment, tenant: TenantId) -> bool:
        """True where this deployment must not serve this tenant now."""
        return (
            deployment.id in self.deployments
            or deployment.provider in self.providers
            or tenant in self.tenants
        )
