"""Moderation: the texts of a request sent to a service that judges them, where policy lets them go.

A moderator's say is that of a guard, a fact for policy. It is no attempt of its request: it comes
before the request is decided, has a permit and an end of its own kinds, and answers nobody.
INVARIANT (I1, I3): texts go only where the action `moderate` permits the pair, behind a durable
permit of its own. INVARIANT (I4): whatever keeps a moderator from saying, its guards have failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from transire.domain.authorization import Authorization, Form, Verdict
from transire.domain.deployment import Moderator
from transire.domain.guarding import NOTHING_GUARDED, Guard, Guarded
from transire.domain.ids import DeploymentId
from transire.domain.outward import Wire
from transire.domain.permit import Outcome, Permit, Recorded
from transire.domain.request import Body, JsonValue, RoutingRequest

__all__ = [
    "MODERATION",
    "Consulted",
    "Moderated",
    "ModerationObserver",
    "ModerationRecorder",
    "ModerationService",
]

MODERATION: Final = "moderation"
"""The cause of its permits. They are numbered -1, -2, …: before the attempts, and none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consulted:
    """What became of asking one moderator.

    Attributes:
        form: In which form its texts were, or would have been, sent; None where no form may go.
        attempt: Its permit's number; None where nothing was permitted.
        result: `ok`, or why its guards have failed: `denied`, `health`, `quota`, `too_large`, or a
            class of failures (`domain.failures`); `nothing` where there was no text to judge.
    """

    moderator: DeploymentId
    result: str
    form: Form | None = None
    attempt: int | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """As the decision's entry holds it."""
        said: dict[str, JsonValue] = {"deployment": self.moderator, "result": self.result}
        if self.form is not None:
            said["form"] = str(self.form)
        if self.attempt is not None:
            said["attempt"] = self.attempt
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Moderated:
    """What moderators said of one request, and what policy had said of asking them.

    Attributes:
        authorization: Of moderators, each in each form.
        consulted: Those that a rule wanted to hear, in the catalog's order.
    """

    authorization: Authorization
    consulted: tuple[Consulted, ...]
    guarded: Guarded = NOTHING_GUARDED


class ModerationService(Protocol):
    """Asks moderators; the only way to them. Never retries."""

    def prepare(self, body: Body, moderator: Moderator) -> Wire | None:
        """The exact bytes it would receive; None where the body has no text. Pure."""

    async def ask(
        self, permit: Recorded[Permit], wire: Wire, moderator: Moderator, *, timeout_s: float
    ) -> Mapping[Guard, bool | None]:
        """Spend the permit and hear every guard it provides: raised, not raised, or (None) failed.

        Raises:
            IntegrityError: the permit was not issued by the log, is spent, or names other bytes.
            StaleError: it expired or the governed state moved since it was recorded.
            UpstreamError: no answer that can be used; `facts["failure"]` names the class.
        """


class ModerationRecorder(Protocol):
    """Makes the permit of asking a moderator durable, and what it said; the only maker of both."""

    async def permit(
        self,
        request: RoutingRequest,
        content_digest: bytes,
        verdict: Verdict,
        authorization: Authorization,
        wire: Wire,
        *,
        attempt: int,
    ) -> Recorded[Permit]:
        """Record that texts may be sent.

        Args:
            content_digest: Of the body in the verdict's form.
            attempt: -1 for the request's first, then -2, ….

        Raises:
            StaleError: governed state moved since it was authorized.
            AuthenticationError: the requester's key was revoked meanwhile.
            LogUnavailable: nothing was recorded, and nothing may be sent.
        """

    def ended(self, permit: Recorded[Permit], outcome: Outcome, said: Guarded) -> None:
        """Queue how it ended."""


class ModerationObserver(Protocol):
    """Measurements of moderation; never content."""

    def moderated(self, moderator: DeploymentId, result: str) -> None:
        """A moderator should have been heard, and this came of it (`Consulted.result`)."""
