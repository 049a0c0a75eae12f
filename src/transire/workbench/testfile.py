"""The shape of `tests/*_test.yaml`: fixtures, a matrix, a fixed `now`.

The form follows Cerbos' policy tests (docs.cerbos.dev, "Testing policies"): named principals,
facts and deployments are combined, and whatever is not listed as expected must be denied.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from transire.bundle.documents.words import GuardName, Id, Moment, Name

__all__ = [
    "ActCase",
    "AnswerCase",
    "CacheCase",
    "Effect",
    "Expectation",
    "FactsFixture",
    "JudgeCase",
    "ModerationCase",
    "OnReview",
    "Outcome",
    "Principal",
    "Restores",
    "RouteCase",
    "ShadowCase",
    "SuiteDocument",
    "Target",
]

Effect = Literal["permit", "review", "deny"]
Restores = Literal["nothing", "text", "arguments"]
"""`arguments` stands for both."""
Outcome = Literal["whole", "redacted", "withheld", "unread"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Principal(_Model):
    """An application of the catalog; purpose and stakes default to its own."""

    application: Id
    purpose: Id | None = None


class FactsFixture(_Model):
    """What is known of a request or an answer; classes are closed upward, as the router does."""

    data_classes: list[Name] = []
    failed_classes: list[Name] = []
    uncovered_classes: list[Name] = []
    reduced_classes: list[Name] = []
    raised_guards: list[GuardName] = []
    failed_guards: list[GuardName] = []
    unscanned_parts: Annotated[int, Field(ge=0)] = 0
    capabilities: list[Id] = []
    stakes: Id | None = None
    redacted: bool = False
    subject_region: Name | None = None
    user: Id | None = None


class Expectation(_Model):
    """What is expected of some cells of the matrix; what is left out means all of them.

    `policies` must be among the determining ones; `queues` must be exactly those that review;
    `restores` is what may be put back into an answer to the redacted form.
    """

    principals: list[Id] | None = None
    facts: list[Id] | None = None
    deployments: list[Id] | None = None
    effect: Effect
    policies: list[Id] = []
    queues: list[Id] | None = None
    restores: Restores | None = None


class RouteCase(_Model):
    """Every principal × facts × deployment; deployments may be fixtures or ids of the catalog."""

    name: str
    principals: Annotated[list[Id], Field(min_length=1)]
    facts: Annotated[list[Id], Field(min_length=1)]
    deployments: Annotated[list[Id], Field(min_length=1)]
    expected: list[Expectation]


class AnswerCase(_Model):
    """What becomes of an answer with these facts; every cell must come out as `received`.

    `whole`, `withheld`, `redacted` (its values may be replaced, and what is left is judged again:
    write a case with `redacted: true` for that), or `unread` where no rule of `receive` is about
    the application. `policies` must be among the determining ones.
    """

    name: str
    principals: Annotated[list[Id], Field(min_length=1)]
    facts: Annotated[list[Id], Field(min_length=1)]
    deployments: Annotated[list[Id], Field(min_length=1)]
    received: Outcome
    policies: list[Id] = []


class ShadowCase(_Model):
    """Whether a copy of a request with these facts may be sent to a shadow; so of every cell.

    `policies` must be among the determining ones.
    """

    name: str
    principals: Annotated[list[Id], Field(min_length=1)]
    facts: Annotated[list[Id], Field(min_length=1)]
    deployments: Annotated[list[Id], Field(min_length=1)]
    shadowed: bool
    policies: list[Id] = []


class CacheCase(_Model):
    """Whether an answer to a request with these facts may be given again; so of every cell.

    It is about the rules alone: `routing.yaml` says for how long, and what is never kept stays so.
    `policies` must be among the determining ones.
    """

    name: str
    principals: Annotated[list[Id], Field(min_length=1)]
    facts: Annotated[list[Id], Field(min_length=1)]
    deployments: Annotated[list[Id], Field(min_length=1)]
    cached: bool
    policies: list[Id] = []


class ModerationCase(_Model):
    """Whether texts with these facts may be sent to a moderator; so of every cell.

    Guards have no say yet, so none of the facts' counts. `policies` must be among the determining
    ones.
    """

    name: str
    principals: Annotated[list[Id], Field(min_length=1)]
    facts: Annotated[list[Id], Field(min_length=1)]
    moderators: Annotated[list[Id], Field(min_length=1)]
    moderated: bool
    policies: list[Id] = []


class JudgeCase(_Model):
    """Whether a conversation with these facts, and its answer, may be judged; so of every cell.

    The facts are of both together. `policies` must be among the determining ones.
    """

    name: str
    principals: Annotated[list[Id], Field(min_length=1)]
    facts: Annotated[list[Id], Field(min_length=1)]
    deployments: Annotated[list[Id], Field(min_length=1)]
    judged: bool
    policies: list[Id] = []


class OnReview(_Model):
    """A review item."""

    tenant: Id
    queue: Id = "default"
    requested_by: Id | None = None
    key_holders: list[Id] = []


class Target(_Model):
    """What an act is about; exactly one of the fields."""

    bundle_by: Id | None = None
    review: OnReview | None = None
    installation: Literal["this"] | None = None
    application: Id | None = None
    person: Id | None = None
    audit_log: Id | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "Target":
        if len(self.model_fields_set) != 1:
            raise ValueError("exactly one target is needed")
        return self


class ActCase(_Model):
    """People's acts: those in `allowed` may, the other `people` may not."""

    name: str
    people: Annotated[list[Id], Field(min_length=1)]
    actions: Annotated[list[Id], Field(min_length=1)]
    on: Target
    solo: bool = False
    allowed: list[Id] = []


class SuiteDocument(_Model):
    """One test file."""

    name: str
    now: Moment
    principals: dict[Id, Principal] = {}
    facts: dict[Id, FactsFixture] = {}
    deployments: dict[Id, Annotated[list[Id], Field(min_length=1)]] = {}
    tests: list[RouteCase] = []
    answers: list[AnswerCase] = []
    shadows: list[ShadowCase] = []
    cache: list[CacheCase] = []
    moderations: list[ModerationCase] = []
    judges: list[JudgeCase] = []
    acts: list[ActCase] = []
