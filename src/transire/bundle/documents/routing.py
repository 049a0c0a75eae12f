"""The shape of `routing.yaml`: cues, tasks, the attempt budget, and what is kept."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from transire.bundle.documents.words import Document, Id, Permille

__all__ = [
    "CacheDocument",
    "CascadeDocument",
    "CueDocument",
    "JudgeDocument",
    "ModelFileDocument",
    "QualityDocument",
    "RoutingDocument",
    "SessionsDocument",
    "TaskDocument",
]

Ttl = Annotated[int, Field(ge=0, le=2_592_000)]
"""Seconds, at most 30 days."""


class CueDocument(Document):
    """A deterministic sign in a request; every condition given must hold."""

    words: list[str] = []
    min_tokens: Annotated[int, Field(ge=0)] = 0
    has_tools: bool | None = None
    languages: list[str] = []
    task: Id | None = None
    quality_floor_permille: Permille = 0
    stakes: Id | None = None
    needs: list[Id] = []


def _either_name(schema: dict[str, Any]) -> None:
    """Say in the schema that verdicts stand under `when`, or under `on`."""
    schema["properties"] = {"when": schema["properties"]["on"], **schema["properties"]}
    schema["required"].remove("on")
    schema["oneOf"] = [{"required": ["when"]}, {"required": ["on"]}]


class CascadeDocument(Document):
    """When a task's answers are escalated to a better deployment: on our own verdicts alone.

    Verdicts stand under `when`. `on`, their earlier name, is as good here; tools that read YAML 1.1
    take it for `true`.
    """

    model_config = ConfigDict(json_schema_extra=_either_name)

    on: Annotated[
        list[Literal["refusal", "low_confidence", "contract", "evaluator"]], Field(min_length=1)
    ]
    to: Literal["better"] = "better"
    """The cheapest permitted deployment of a higher quality for the task."""
    min_confidence_permille: Annotated[int, Field(ge=1, le=1000)] | None = None
    min_score_permille: Annotated[int, Field(ge=1, le=1000)] | None = None
    judge: Id | None = None
    """Whose score the verdict `evaluator` is by; left out, by signs in the answer's text."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        """Read `when` as `on`; both together are one too many."""
        if isinstance(given, dict) and "when" in given and "on" not in given:
            return {("on" if name == "when" else name): value for name, value in given.items()}
        return given


class JudgeDocument(Document):
    """A deployment that scores answers: of a share of requests, or of the cascades that name it.

    `applications` and `tasks` are the share's; left out, they are all of them.
    """

    deployment: Id
    criteria: Annotated[str, StringConstraints(min_length=1, max_length=4_096)]
    """What a good answer is; the judge is told so."""
    daily_micro_usd: Annotated[int, Field(ge=1)]
    """What all its judgments of one UTC day may cost; beyond it nothing is judged."""
    share_ppm: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Parts per million of the answered requests that are judged after their answer."""
    applications: list[Id] = []
    tasks: list[Id] = []
    stakes: list[Id] | None = None
    """Levels at which anything is judged; left out, all but the highest."""
    timeout_ms: Annotated[int, Field(ge=100, le=60_000)] = 5_000
    max_output_tokens: Annotated[int, Field(ge=16, le=4_096)] = 64
    salt: Annotated[str, StringConstraints(max_length=64)] = ""


class TaskDocument(Document):
    """What a task asks of a deployment, and when another is asked too."""

    quality_floor_permille: Permille = 0
    quality_target_permille: Permille | None = None
    """What the predictor should expect of the pick (`quality`); left out, the floor."""
    needs: list[Id] = []
    """Capabilities that a deployment must list for this task."""
    latency_target_ms: Annotated[int, Field(ge=1)] = 10_000
    cascade: CascadeDocument | None = None


class ModelFileDocument(Document):
    """A fitted model on the router's machine, by absolute path and by the digest of its bytes."""

    model: Annotated[str, StringConstraints(pattern=r"^/[^\x00-\x1f\x7f]{1,1023}$")]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class QualityDocument(ModelFileDocument):
    """A predictor of quality, and how many of a key's requests it may make dearer."""

    dearer_permille: Permille = 200


class SessionsDocument(Document):
    """How long a session is remembered without a turn, and how many of one application."""

    idle_minutes: Annotated[int, Field(ge=1, le=43_200)] = 720
    per_application: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000


class CacheDocument(Document):
    """How long answers may be kept that rules of `cache` permit to keep; 0 keeps none."""

    ttl_s: Ttl = 0
    tasks: dict[Id, Ttl] = {}
    applications: dict[Id, Ttl] = {}
    """Seconds by task and by application; where both are named, the shorter counts."""
    sampled: bool = False
    """Keep answers to requests that do not ask for `temperature: 0`, too."""


class RoutingDocument(Document):
    """`routing.yaml`: cues, tasks and the attempt budget."""

    tasks: dict[Id, TaskDocument]
    cues: dict[Id, CueDocument] = {}
    near_tie_permille: Permille = 50
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    deadline_s: Annotated[float, Field(gt=0, le=3_600)] = 120.0
    expected_output_tokens: Annotated[int, Field(ge=1)] = 400
    repair_stakes: list[Id] | None = None
    """Stakes at which an answer's JSON syntax may be repaired; left out, all but the highest."""
    retry_with_errors: bool = False
    """After a broken contract, tell the next attempt in a `developer` message what was wrong."""
    sessions: SessionsDocument = SessionsDocument()
    quality: QualityDocument | None = None
    """A model of `transire quality train`, which expects more or less of each deployment."""
    task_model: ModelFileDocument | None = None
    """A model of `transire quality train-tasks`, which names a task where neither cue nor tag does.
    """
    cache: CacheDocument = CacheDocument()
    judges: dict[Id, JudgeDocument] = {}
