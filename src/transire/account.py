"""What one request has used so far, from its arrival to its answer or refusal."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

from transire.alarms import Within
from transire.domain.answer import Usage
from transire.domain.authorization import Pair
from transire.domain.decision import Case
from transire.domain.ids import DecisionId, DeploymentId
from transire.domain.log import Receipt
from transire.domain.permit import Tried
from transire.domain.request import RoutingRequest
from transire.errors import LogUncertain, RequestError, TransireError, UpstreamError

__all__ = ["Account"]


@dataclass(slots=True, kw_only=True)
class Account:
    """What one request has used so far; lives as long as the request.

    Attributes:
        started: Monotonic second of its arrival.
        limit: The alarm of its deadline; None where nothing sets one.
        case: The newest decision on it; None before there is one.
        upstream_s: Seconds spent waiting for deployments; the rest of the time is ours.
        permits: How many attempts were recorded.
        moderations: How often a moderator was permitted to be asked.
        passed: Pairs that were picked and not attempted, and the filter each failed only then.
        unbuildable: Why the newest of these could not be built.
        tried: Attempts that failed, in order.
        trying: The deployment of the newest attempt.
        is_recorded: An entry that says how this request ended before any attempt is written, or is
            being: set first, so that a caller who leaves meanwhile causes no second one.
        is_recording: An entry of this decision is, or may yet be, in the log's hands.
        ignored: Fields left out on the way to the deployment, by name.
        usage: Tokens that the newest attempt has reported; None where it reported none.
        cost_micro_usd: Of the newest attempt; None is unknown, which is not 0.
        spent_micro_usd: Of all attempts that have ended, as budgets are charged; at its worst
            where nobody knows.
        cache: `hit`, `miss` or `off`: what the cache had for it.
        cached: Of a hit: the decision that was answered first, and the answer's age in seconds.
        slot: Where the answer of the running attempt would be kept; `recall` alone reads it.
        watch: What is remembered of that answer as it is read; likewise.
        overheard: What is remembered of a relayed answer that was drawn to be judged.
        durable: Done once the newest attempt's outcome is in the log; None where it is not queued.
        receipt: Of the newest entry that says what became of this request so far.
    """

    request: RoutingRequest
    started: float
    limit: Within | None = None
    case: Case | None = None
    permits: int = 0
    moderations: int = 0
    passed: dict[Pair, str] = field(default_factory=dict)
    unbuildable: RequestError | None = None
    tried: list[Tried] = field(default_factory=list)
    trying: DeploymentId | None = None
    upstream_s: float = 0.0
    is_recorded: bool = False
    is_recording: bool = False
    ignored: tuple[str, ...] = ()
    usage: Usage | None = None
    cost_micro_usd: int | None = None
    spent_micro_usd: int = 0
    cache: str = "off"
    cached: tuple[DecisionId, int] | None = None
    slot: object = None
    watch: object = None
    overheard: object = None
    durable: Awaitable[Receipt] | None = None
    receipt: Receipt | None = None

    def recording(self) -> "_Recording":
        """While the decision's own entry is written: a second one of its id would be a lie.

        Cancelled or uncertain, it stays so: the log may write the entry after all.
        """
        return _Recording(self)

    def pass_over(self, pair: Pair, by: str, error: RequestError | None) -> None:
        """Remember a pick that was not attempted: it is not picked again for this request."""
        self.passed[pair] = by
        self.unbuildable = error or self.unbuildable

    @property
    def is_said(self) -> bool:
        """Some entry tells of this request, or will."""
        return bool(self.permits or self.is_recorded or self.is_recording)

    def spend(self, charged_micro_usd: int | None, worst_micro_usd: int | None) -> None:
        """An attempt has ended: count what it is charged, or the most it can have cost."""
        unknown = charged_micro_usd is None
        # A price that nobody knows passes no bound of the caller's, so there is none to keep.
        self.spent_micro_usd += (worst_micro_usd or 0) if unknown else charged_micro_usd or 0

    def unspent_micro_usd(self) -> int | None:
        """What is left of the caller's bound on the request's cost; None without one."""
        bound = self.request.assertions.max_cost_micro_usd
        return None if bound is None else max(bound - self.spent_micro_usd, 0)

    async def is_settled(self, within_s: float) -> bool:
        """Whether the newest attempt's outcome is in the log for good; waits for it so long."""
        if self.durable is None:
            return False
        try:
            async with asyncio.timeout(within_s):
                # Shielded: others wait for the same entry.
                await asyncio.shield(self.durable)
        except (TransireError, TimeoutError):
            return False
        return True

    def remaining_s(self, now: float) -> float:
        """Seconds left of the request's deadline."""
        return self.request.deadline_s - (now - self.started)

    def late(self) -> UpstreamError | None:
        """Of what was cancelled: its deadline passed, or (None) the caller left."""
        if self.limit is None or not self.limit.has_rung:
            return None
        return UpstreamError("the request's deadline passed", facts={"failure": "deadline"})

    def overhead_s(self, now: float) -> float:
        """Seconds of this request that were not spent waiting upstream."""
        return max(0.0, now - self.started - self.upstream_s)

    def told(self, now: float) -> dict[str, str]:
        """What an answer or an error tells of its request, as far as it got, by header.

        Without the prefix `x-transire-`. What is not known is not named.
        """
        told = {
            "attempts": str(self.permits),
            "overhead-ms": f"{self.overhead_s(now) * 1e3:.2f}",
        }
        if self.case is not None:
            told["bundle"] = self.case.authorization.bundle_digest[:16]
        if self.receipt is not None:
            told["receipt"] = f"{self.receipt.origin} {self.receipt.index} {self.receipt.tree_size}"
        if self.usage is not None:
            told["tokens-in"] = str(self.usage.prompt_tokens)
            told["tokens-out"] = str(self.usage.completion_tokens)
        if self.cost_micro_usd is not None:
            told["cost-micro-usd"] = str(self.cost_micro_usd)
        return told


class _Recording:
    """Keeps `Account.is_recording`; a class, because a generator costs three times as much."""

    __slots__ = ("_account",)

    def __init__(self, account: Account) -> None:
        self._account = account

    def __enter__(self) -> None:
        self._account.is_recording = True

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        is_open = kind is not None and (
            issubclass(kind, LogUncertain) or not issubclass(kind, Exception)
        )
        self._account.is_recording = is_open
