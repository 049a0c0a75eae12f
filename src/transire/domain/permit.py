"""What the record stage hands out and takes back: permits, and how they ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Generic, Self, TypeVar

from transire.domain.authorization import Pair
from transire.domain.budget import Spend
from transire.domain.cache import Cached
from transire.domain.failures import failure_of
from transire.domain.ids import BundleDigest, DecisionId, DeploymentId
from transire.domain.log import Receipt
from transire.domain.request import JsonValue
from transire.errors import TransireError

__all__ = ["NOT_SENT", "Outcome", "OutcomeStatus", "Permit", "Recorded", "Tried"]

T_co = TypeVar("T_co", covariant=True)
NOT_SENT: Final = frozenset({"connect", "no_credential", "not_sent", "stale"})
"""Classes of failures (`domain.failures`) in which no byte of the request has left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """The single-use right to send one content to one deployment once (I3).

    Attributes:
        attempt: 1 for the decision's own, then 2, 3, …; 0 for a shadow, -1, -2, … for asking
            moderators, -1001, -1002, … for judging attempts 1, 2, …, which are none.
        cause: `first`, `retry`, `fallback`, `contract`, `escalation`, `cache_hit`, `shadow`,
            `moderation` or `judgment`.
        content_digest: Keyed digest of the classified content.
        wire_digest: Keyed digest of the exact bytes to be sent.
        expires_at: The permit is void from then on.
        spends: What it has reserved of budgets.
        cached: The answer it gives again, for `cache_hit`; then nothing is sent.
    """

    decision_id: DecisionId
    attempt: int
    cause: str
    pair: Pair
    content_digest: bytes
    wire_digest: bytes
    bundle_digest: BundleDigest
    quarantine_version: int
    expires_at: datetime
    spends: tuple[Spend, ...] = ()
    cached: Cached | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded(Generic[T_co]):
    """A value whose entry is durable and covered by a signed checkpoint.

    INVARIANT: only the record stage constructs it, after `DecisionLog.append` returned.
    """

    value: T_co
    receipt: Receipt


class OutcomeStatus(StrEnum):
    """How a forwarded request ended.

    `superseded`: its answer was whole and kept its contract, a verdict of ours led to a better
    deployment, and that one's answer went out in its place; nothing of this one was released.
    """

    OK = "ok"
    SUPERSEDED = "superseded"
    PARTIAL = "partial"
    FAILED = "failed"
    CONTRACT_VIOLATED = "contract_violated"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


_WHOLE: Final = frozenset(
    {OutcomeStatus.OK, OutcomeStatus.SUPERSEDED, OutcomeStatus.CONTRACT_VIOLATED}
)
"""Of answers that were read to their end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happened to one attempt, for the outcome entry.

    Attributes:
        failure: Typed failure class (`timeout`, `status_5xx`, `schema`, …), empty if none.
        first_token_ms: Of a stream, when its first piece of an answer came; None otherwise.
        tokens_in: As this attempt's upstream reported them; None if it did not.
        released_bytes: Bytes of answer content handed to the caller's connection; of an answer
            that is judged whole, all or none.
        cost_micro_usd: From reported tokens and the catalog price; None if unknown.
        repaired: Names of the rules by which released texts were repaired, sorted.
        facts: Further integers and names for the record, never content.
    """

    status: OutcomeStatus
    failure: str = ""
    http_status: int | None = None
    latency_ms: int = 0
    first_byte_ms: int | None = None
    first_token_ms: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_micro_usd: int | None = None
    released_bytes: int = 0
    finish_reasons: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    facts: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def charged_micro_usd(self) -> int | None:
        """What budgets are charged for it; None where nobody knows, and the reservation stays.

        What never left, or was answered with an HTTP error, costs nothing. A count of tokens is
        believed of an answer that came whole: in a stream it may be that of a first piece.
        """
        is_error = self.http_status is not None and self.http_status != 200
        if is_error or self.failure in NOT_SENT:
            return 0
        return self.cost_micro_usd if self.status in _WHOLE and self.tokens_out else None

    @classmethod
    def unopened(cls, error: Exception | None, latency_ms: int) -> Self:
        """Of an attempt whose answer never began: it failed, or (None) nobody waits any more."""
        if error is None:
            return cls(status=OutcomeStatus.CANCELLED, failure="cancelled", latency_ms=latency_ms)
        status = error.facts.get("status") if isinstance(error, TransireError) else None
        return cls(
            status=OutcomeStatus.FAILED,
            failure=failure_of(error),
            http_status=status if isinstance(status, int) else None,
            latency_ms=latency_ms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One attempt that failed, as its own caller may know it: kinds, and no upstream's words."""

    deployment: DeploymentId
    failure: str
    http_status: int | None = None

    @classmethod
    def of(cls, deployment: DeploymentId, error: TransireError) -> Self:
        """What an attempt's error says of it."""
        status = error.facts.get("status")
        return cls(
            deployment=deployment,
            failure=failure_of(error),
            http_status=status if isinstance(status, int) else None,
        )
