"""What a caller sends, after normalisation: typed, bounded, every field of one kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from transire.domain.ids import (
    ApplicationId,
    DataClass,
    DecisionId,
    DeploymentId,
    Jurisdiction,
    KeyId,
    PersonId,
    Purpose,
    ReviewId,
    Stakes,
    TenantId,
)
from transire.domain.prompt import BundleText, PromptReading
from transire.domain.session import Session
from transire.domain.trial import Trial

__all__ = [
    "Assertions",
    "Body",
    "JsonValue",
    "Part",
    "PartKind",
    "Pointer",
    "Principal",
    "RoutingRequest",
    "path_of",
]

JsonValue: TypeAlias = (
    "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
)
"""A JSON value as Python holds it."""

Pointer: TypeAlias = "tuple[str | int, ...]"
"""Where a value stands in the body: known field names and indexes only, never a caller's key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, from the credential alone.

    Attributes:
        kind: `application` or `person`.
        key_id: The credential presented.
        purpose: The key's own purpose (applications only).
        priority: Admission class, 0 (first to be shed) to 9; callers can only lower it.
        scopes: What an application's key is for: `chat`, `decisions`.
        expires_at: From when on nothing is permitted to the credential; None is never.
        person: The person, where one asks (people's acts), or None.
        user: A verified end user from a token, never from a body field; None without one.
    """

    kind: str
    tenant: TenantId
    key_id: KeyId
    application: ApplicationId | None = None
    purpose: Purpose | None = None
    priority: int = 5
    scopes: frozenset[str] = frozenset()
    expires_at: datetime | None = None
    person: PersonId | None = None
    user: PersonId | None = None


class PartKind(StrEnum):
    """What a part is made of; decides which recognizers apply and whether it can be redacted."""

    TEXT = "text"
    JSON = "json"
    NAME = "name"
    SCHEMA = "schema"
    IMAGE = "image"
    AUDIO = "audio"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One piece of content that would be sent.

    Attributes:
        pointer: Where it stands in `Body.fields`.
        text: What the detector reads; for IMAGE, AUDIO and FILE the data URL's media type only.
        role: Role of the message it stands in, or `request` for request-level content.
        is_redactable: The text can be replaced in place (a string, not a rebuilt schema).
    """

    pointer: Pointer
    kind: PartKind
    text: str
    role: str
    is_redactable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The request rebuilt from known, typed fields (I11).

    Attributes:
        fields: OpenAI-shaped JSON without `model`, `stream`, `stream_options` and everything
            consumed here; legacy fields are mapped to their modern form. Never mutated.
        parts: Every content string, in body order.
        capabilities: Egress-changing facts asked for (`store`, `remote_url`, …): for policy.
        needs: Capabilities a deployment must list: `tools`, `vision`, `json_schema`, `top_k`, …
        ignored: Paths of fields left out, named in `x-transire-ignored` and in the entry.
        size_bytes: Size of the raw body.
        tokens_estimate: Estimated upwards by script (`classify.tokens`), for scoring only.
        max_output_tokens: The caller's bound, or None.
        n: Choices asked for.
        has_contract: A schema, tools or JSON mode: the answer can violate something.
        is_held: Only a whole answer can be judged: a format, or a call that must be in it.
        asked_by: Paths of the fields that ask for them, for the caller's own error.
        carried: Fields only some deployments take (`reasoning_content`…): (pointer, capability).
        names_functions: Tools were offered as legacy `functions`: the answer is read as such.
    """

    fields: Mapping[str, JsonValue]
    parts: tuple[Part, ...]
    capabilities: frozenset[str]
    needs: frozenset[str]
    ignored: tuple[str, ...]
    size_bytes: int
    tokens_estimate: int
    max_output_tokens: int | None = None
    n: int = 1
    has_contract: bool = False
    is_held: bool = False
    carried: tuple[tuple[Pointer, str], ...] = ()
    asked_by: tuple[str, ...] = ()
    names_functions: bool = False

    @property
    def is_all_text(self) -> bool:
        """No image, audio or file: then it is no more tokens than bytes."""
        return all(part.kind not in _NO_TEXT for part in self.parts)

    def usual_tokens(self, expected_output: int) -> int:
        """Tokens that asking and answering it usually take together.

        Args:
            expected_output: Of one choice, where the caller bounds it no tighter.
        """
        bound = self.max_output_tokens
        output = expected_output if bound is None else min(bound, expected_output)
        return self.tokens_estimate + output * max(1, self.n)


_NO_TEXT: Final = frozenset({PartKind.IMAGE, PartKind.AUDIO, PartKind.FILE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertions:
    """What the caller claims; it can only narrow (I5). None and empty assert nothing.

    Attributes:
        models: Deployments the asked-for `model` narrows to; None for `auto`.
        session_id: Keyed digest (hex) over tenant, application and the caller's name of a session;
            the name itself goes no further than the edge (I6).
        max_cost_micro_usd: Upper bound for the whole request: the worst case of each attempt, and
            what those before it are charged.
        min_quality_permille: Quality floor, 0–1000.
        redaction: `require` forbids raw pairs, `forbid` forbids redacted ones.
        allowed_tools: Tool names an answer may call; None means all offered.
        required_tools: Tool names that must be offered by the body and called by the answer.
        cache: `off` neither looks for a kept answer nor keeps one.
        shadow: `off` lets no copy of the request go anywhere.
    """

    models: frozenset[DeploymentId] | None = None
    purpose: Purpose | None = None
    task: str | None = None
    domain: str | None = None
    stakes: Stakes | None = None
    data_classes: frozenset[DataClass] = frozenset()
    jurisdictions: frozenset[Jurisdiction] = frozenset()
    max_cost_micro_usd: int | None = None
    max_latency_ms: int | None = None
    min_quality_permille: int | None = None
    priority: int | None = None
    session_id: str | None = None
    redaction: str | None = None
    required_tools: frozenset[str] = frozenset()
    allowed_tools: frozenset[str] | None = None
    cache: str | None = None
    shadow: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingRequest:
    """One request on its way through the path.

    Attributes:
        asked_model: The name the caller used; answers echo it.
        mac: `request_mac`, the keyed digest that identifies the request for review.
        content_digest: Keyed digest over what would be classified and sent, raw form.
        deadline_s: Seconds this request may take on the path, from when its body was read.
        noted: Kinds of violations of which the body's last message tells; empty without one. Then
            `mac` is still that of the request as it was sent.
        session: What the asserted session held when the request was decided; None where it names
            none, or is yet to be decided.
        prompt: The bundle's prompt that is put before the messages; None without one.
        trial: What an experiment drew for it; None where none applies.
        bundle_text: What is known of every prompt that its application may be given.
    """

    id: DecisionId
    principal: Principal
    asked_model: str
    body: Body
    assertions: Assertions
    is_stream: bool
    wants_usage: bool
    mac: bytes
    content_digest: bytes
    deadline_s: float
    review_id: ReviewId | None = None
    noted: tuple[str, ...] = ()
    session: Session | None = None
    prompt: PromptReading | None = None
    bundle_text: BundleText | None = None
    trial: Trial | None = None


def path_of(pointer: Pointer) -> str:
    """Format a pointer for people: `messages[0].content[1].text`."""
    text = ""
    for step in pointer:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
