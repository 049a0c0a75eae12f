"""All that is known of one request after scoring, and the pick or the hold it led to.

Classification → Authorization → Ranking → Choice | Hold → Recorded[Permit] → Completion → Outcome.
"""

from dataclasses import dataclass

from transire.domain.authorization import Authorization, Form
from transire.domain.classification import Classification, Redaction
from transire.domain.escalation import Escalation
from transire.domain.ids import ReviewId
from transire.domain.moderation import Moderated
from transire.domain.ranking import Candidate, Ranking
from transire.domain.request import Body, RoutingRequest
from transire.errors import IntegrityError

__all__ = ["Case", "Choice", "Hold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known of one request after scoring: everything its entry will say.

    Attributes:
        redaction: None where redaction was not tried or changed nothing.
        reclassified: What was said anew before a later attempt, by a newer detector or of a noted
            request; its facts narrowed.
        moderation: What moderators said before it was decided; None where none was to be heard.
    """

    request: RoutingRequest
    classification: Classification
    redaction: Redaction | None
    authorization: Authorization
    ranking: Ranking
    reclassified: Classification | None = None
    moderation: Moderated | None = None

    def body(self, form: Form) -> tuple[Body, bytes]:
        """The body a pair of this form would receive, with its content digest."""
        if form is Form.RAW:
            return self.request.body, self.request.content_digest
        if self.redaction is None:
            raise IntegrityError("a redacted pair was permitted without a redacted body")
        return self.redaction.body, self.redaction.content_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The pick, free to go once recorded.

    Attributes:
        released_by: The review that released it, or None where no review was needed.
        escalation: The verdict that led here; None of any other attempt.
    """

    candidate: Candidate
    released_by: ReviewId | None = None
    escalation: Escalation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The pick needs a human; nothing may route around it (ADR 3)."""

    candidate: Candidate
    queues: frozenset[str]
