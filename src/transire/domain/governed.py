"""One governed state, and the stages built for it: who reads, who judges, who orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from transire.domain.authorization import Authorization, Facts, Form, Pair
from transire.domain.bundle import Bundle, Quarantine
from transire.domain.classification import Classification, Redaction
from transire.domain.guarding import OutputGuard
from transire.domain.ids import ApplicationId, DataClass, DeploymentId, PolicyId
from transire.domain.prompt import Prompt, PromptReading, PromptShelf
from transire.domain.ranking import Ranking
from transire.domain.receiving import Reception
from transire.domain.request import Part, RoutingRequest

__all__ = ["Authorizer", "Detector", "Governed", "Scorer"]


class Detector(Protocol):
    """Reads content; built for one bundle.

    Long texts run off the event loop. A recognizer that raises, times out or runs over budget
    yields failed classes, never an exception; where nothing could be run, every class has failed,
    and policy judges that.
    """

    @property
    def digest(self) -> str:
        """Names recognizers, thresholds and versions (hex)."""

    async def classify(self, request: RoutingRequest) -> Classification:
        """Classify every part of the request's body."""

    async def redact(
        self, request: RoutingRequest, classification: Classification
    ) -> Redaction | None:
        """Replace what was found and classify again; None where nothing could be replaced."""

    async def classify_text(self, text: str, tenant: str) -> Classification:
        """Classify one text that is not a request: an upstream's error."""

    async def read_prompt(self, prompt: Prompt) -> PromptReading:
        """Classify a prompt of the bundle, with its keyed digest and its length in tokens."""

    async def classify_answer(self, parts: Sequence[Part], tenant: str) -> Classification:
        """Classify the texts of an answer; of what is too long, every class has failed."""

    async def redact_answer(
        self,
        parts: Sequence[Part],
        classification: Classification,
        classes: frozenset[DataClass],
        tenant: str,
    ) -> tuple[tuple[str, ...], int]:
        """The texts with found values of these classes replaced by `[ENTITY]`, for good.

        JSON stays JSON. Returns one text per part, and how many values were replaced; what could
        not be replaced is still there, so classify again before anything leaves.
        """


class Authorizer(Protocol):
    """Puts pairs to Cedar; built for one bundle. Pure but for its memo; CPU only.

    Raises:
        RequestError: an asserted name (purpose, class, jurisdiction, stakes) does not exist.
        GovernanceUnavailable: the policy engine itself failed.
    """

    def authorize(
        self,
        request: RoutingRequest,
        classification: Classification,
        redaction: Redaction | None,
        *,
        quarantine: Quarantine,
        now: datetime,
    ) -> Authorization:
        """Evaluate every deployment, raw and (with `redaction`) redacted, twice each (I5)."""

    def judges_answers(self, application: ApplicationId | None) -> bool:
        """Whether some rule of `receive` may apply to this application's answers."""

    def receive(
        self,
        request: RoutingRequest,
        asked: tuple[Facts, Facts],
        deployment: DeploymentId,
        answer: Classification,
        *,
        is_redacted: bool,
        now: datetime,
    ) -> Reception:
        """Put the classes of an answer to `receive`, without and with assertions (I5).

        Args:
            asked: Base and asserted facts of the request, for purpose, stakes and the rest.
            answer: Of the answer's texts, before placeholders were restored.
            is_redacted: Values in it were replaced already.
        """

    def caches(self, application: ApplicationId) -> bool:
        """Whether some rule of `cache` may permit that this application's answers are kept."""

    def cache(
        self,
        application: ApplicationId,
        asked: tuple[Facts, Facts],
        deployment: DeploymentId,
        *,
        now: datetime,
    ) -> tuple[PolicyId, ...]:
        """The rules that permit keeping, and giving again, answers to requests with these facts.

        Sorted; empty is no. Asked without and with assertions (I5), and only a permit that names
        the action counts: a grant of everything is older than the cache.
        """

    def shadow(
        self,
        application: ApplicationId,
        asked: tuple[Facts, Facts],
        deployment: DeploymentId,
        *,
        now: datetime,
    ) -> tuple[PolicyId, ...]:
        """The rules that permit to send a copy of a request with these facts to a deployment.

        Sorted; empty is no. Asked without and with assertions (I5); only a permit that names the
        action counts, and a forbid of the route, reviewed or not, counts against it. The form is
        that of the facts.
        """

    def judge(
        self,
        application: ApplicationId,
        asked: tuple[Facts, Facts],
        deployment: DeploymentId,
        *,
        now: datetime,
    ) -> tuple[PolicyId, ...]:
        """The rules that permit to send a conversation and its answer to a deployment to judge.

        As `shadow`, of the facts of both together.
        """

    def judging(
        self,
        request: RoutingRequest,
        classification: Classification,
        redaction: Redaction | None,
        *,
        beside: Mapping[Form, tuple[Facts, Facts]],
        quarantine: Quarantine,
        now: datetime,
    ) -> Authorization:
        """Evaluate every deployment for what a judge would receive, as `authorize` does.

        What the caller named as `model` does not narrow it: that is who answers.

        Args:
            request, classification, redaction: Of the conversation with its answer.
            beside: Facts of the request as it was asked, by form: its classes, failures and guards
                count as well, and the higher stakes.
        """

    def moderation(
        self,
        request: RoutingRequest,
        classification: Classification,
        redaction: Redaction | None,
        *,
        quarantine: Quarantine,
        now: datetime,
    ) -> Authorization:
        """Evaluate every moderator, raw and (with `redaction`) redacted, twice each (I5).

        Of the same facts as a route, without what guards say; `permitted` holds what content may
        be sent to, and nothing else may. No verdict has an obligation: what a person would have to
        release first is forbidden here.
        """

    def allows(
        self,
        person: str,
        action: str,
        resource: Mapping[str, Any],
        *,
        now: datetime,
        solo: bool = False,
    ) -> bool:
        """Whether Cedar allows a person's act (`approve`, `release`, `mint_key`, …).

        Args:
            person: Person id in the catalog; an unknown one is refused.
            action: Action name of the schema.
            resource: `{"type": …, "id": …, "attrs": {…}}` of an ephemeral entity, or just
                type and id of a known one.
            solo: The installation was founded for one person.
        """


class Scorer(Protocol):
    """Orders the permitted set; built for one bundle.

    Reads health, what budgets have left and the clock, as they are, and changes nothing: what only
    one attempt may have is claimed where an attempt is recorded (`outward.Health.claim`).
    """

    @property
    def digest(self) -> str:
        """Names the scorer's configuration (hex)."""

    def rank(
        self,
        request: RoutingRequest,
        classification: Classification,
        permitted: Authorization,
        *,
        exclude: frozenset[Pair],
        seed: int,
    ) -> Ranking:
        """Filter and order `permitted.permitted` minus `exclude`."""


@dataclass(frozen=True, slots=True)
class Governed:
    """One governed state: what a stage in flight keeps until it ends (I9).

    Attributes:
        prompts: The bundle's prompts as its detector read them; None where nothing is bound.
        output_guard: Reads finished answers; None where the bundle runs no guard of answers.
    """

    bundle: Bundle
    quarantine: Quarantine
    detector: Detector
    authorizer: Authorizer
    scorer: Scorer
    prompts: PromptShelf | None = None
    output_guard: OutputGuard | None = None
