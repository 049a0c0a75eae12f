"""What stands between an attempt and a deployment: the bytes, the exchange, and its health."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol

from transire.domain.answer import Chunk, Completion
from transire.domain.deployment import Deployment
from transire.domain.ids import DeploymentId
from transire.domain.permit import Permit, Recorded
from transire.domain.request import Body

__all__ = ["Exchange", "Forwarder", "Health", "Wire"]


class Health(Protocol):
    """What this process has seen of each deployment; observations, never eligibility."""

    def claim(self, deployment: Deployment, holder: int, tokens: int) -> str | None:
        """Take what only one attempt may have, right before the attempt is recorded.

        That is the one probe of a half-open deployment, and a place in its quota's minute. Looking
        (ranking, advice) takes neither, so several may have ranked it first.

        Args:
            holder: The decision's seed; what it holds already, it is given again.
            tokens: What asking and answering will usually take.

        Returns:
            None, or the filter that it fails by now because another was first: `health` or
            `quota`. Nothing may be sent there then.
        """

    def forgo(self, deployment: Deployment, holder: int, tokens: int) -> None:
        """Give a claim back: the attempt was not recorded, and nothing was sent."""

    def back_in_s(self, deployments: Iterable[Deployment]) -> float | None:
        """Seconds until one of them may be asked again, as far as is known; None of none."""

    def started(self, deployment: DeploymentId) -> None:
        """One attempt, claimed and recorded, is on the wire."""

    def finished(
        self,
        deployment: DeploymentId,
        *,
        failure: str,
        latency_ms: int,
        first_token_ms: int | None = None,
        retry_after_s: float | None = None,
        tokens_in: int | None = None,
        tokens_out: int | None = None,
        claimed_tokens: int = 0,
    ) -> None:
        """The attempt is over; `failure` is empty for a success.

        Args:
            first_token_ms: Of a stream, when its first piece came; None otherwise.
            tokens_in, tokens_out: As the upstream reported them; None if it did not.
            claimed_tokens: What was counted for it before.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """The exact bytes one deployment would receive, built before the decision is recorded."""

    deployment: Deployment
    body: bytes
    digest: bytes
    ignored: tuple[str, ...] = ()


class Exchange(Protocol):
    """One open answer. Exactly one of `completion` and `chunks` is used; always `close` it.

    `chunks` belongs to exchanges opened with `is_stream`, `completion` to the others.
    """

    @property
    def http_status(self) -> int:
        """The upstream's status."""

    @property
    def first_byte_ms(self) -> int:
        """Milliseconds from sending to the response's headers."""

    @property
    def region(self) -> str:
        """Where the upstream says it answered from, in its own words; empty if it says nothing."""

    async def completion(self) -> Completion:
        """Read the whole answer.

        Raises:
            UpstreamError: it is not a chat completion; `facts["failure"]` names the class.
        """

    def chunks(self) -> AsyncIterator[Chunk]:
        """Typed deltas in order; ends cleanly only after the upstream's own terminator.

        Raises:
            UpstreamError: the stream broke, stalled or ended without terminator.
        """

    async def close(self) -> None:
        """Release or cancel the connection; safe to call twice."""


class Forwarder(Protocol):
    """The only way out. Never retries by itself; the router decides on each attempt."""

    def prepare(self, body: Body, deployment: Deployment, *, is_stream: bool) -> Wire:
        """Build the upstream body from typed fields. Pure.

        Raises:
            RequestError: the deployment cannot take a field that may not be left out.
        """

    async def send(
        self, permit: Recorded[Permit], wire: Wire, *, is_stream: bool, timeout_s: float
    ) -> Exchange:
        """Spend the permit and open the exchange; headers have arrived on return.

        Raises:
            IntegrityError: the permit was not issued by the log, is spent, or names other bytes.
            StaleError: it expired or the governed state moved since it was recorded.
            UpstreamError: no usable answer; `facts`: `failure`, `status`, `retry_after_s`
                and `upstream` (its error text, ≤ 2 kB, for the caller alone).
        """
