"""What the path needs from the outside, as protocols; adapters are built in `bootstrap` alone.

`DecisionLog` stands in `domain.log` beside its values.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from transire.domain.answer import Completion
from transire.domain.authorization import Authorization, Pair
from transire.domain.budget import Budget
from transire.domain.cache import Cached
from transire.domain.decision import Case, Choice, Hold
from transire.domain.governed import Governed
from transire.domain.ids import DeploymentId, ReviewId
from transire.domain.log import Change, Condition, Receipt
from transire.domain.outward import Wire
from transire.domain.permit import Outcome, Permit, Recorded
from transire.domain.ranking import Candidate
from transire.domain.receiving import Receive
from transire.domain.request import Assertions, Principal, RoutingRequest
from transire.domain.session import SessionRules
from transire.errors import ContractViolated, TransireError, UpstreamError

__all__ = [
    "Attempts",
    "Clock",
    "Inspector",
    "Keyed",
    "Mend",
    "Notes",
    "Observer",
    "Recorder",
    "Release",
    "Retries",
    "Reviews",
    "Sessions",
    "Validator",
    "Violation",
]


class Clock(Protocol):
    """The only source of time below `bootstrap`."""

    def now(self) -> datetime:
        """Aware UTC wall-clock time, for records and expiry."""

    def monotonic(self) -> float:
        """Seconds that never go back, for durations and deadlines."""


class Keyed(Protocol):
    """Keyed digests (HMAC-SHA-256 under named installation keys); a plain hash is guessable."""

    def digest(self, purpose: str, data: bytes) -> bytes:
        """32 bytes; digests under different `purpose` names are unrelated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Why an answer breaks the caller's contract; paths and names, never values.

    Attributes:
        kind: `truncated`, `not_json`, `schema`, `tool_unknown`, `tool_arguments`,
            `tool_required`, `empty`, `token_limit`, `deadline`, `withheld`.
        path: JSON path inside the answer, or empty.
    """

    kind: str
    path: str = ""
    choice: int = 0


Mend: TypeAlias = Callable[[Completion], Awaitable[Completion]]
"""Repairs the syntax of an answer to one request, as `Validator.repaired` does."""


class Validator(Protocol):
    """Judges a whole answer against the request's own contract; bounded in time and size."""

    async def check_request(self, request: RoutingRequest) -> None:
        """Refuse a schema we will not compile (size, depth, remote `$ref`, patterns).

        Raises:
            RequestError: with `param` and what to change.
            GovernanceUnavailable: it could not be examined; the request is refused for now.
        """

    async def violations(self, request: RoutingRequest, answer: Completion) -> Sequence[Violation]:
        """Everything wrong with the answer, in order; empty means it keeps the contract."""

    async def repaired(self, request: RoutingRequest, answer: Completion) -> Completion:
        """The same answer with what should be JSON and is not put right, where rules can do it.

        Only syntax changes, never on a cut answer; each changed choice says so in `repaired`. The
        result is yet to be judged. The very same object where nothing was changed.
        """


class Inspector(Protocol):
    """Judges answers by the classes in them, as the bundle's `receive` rules say."""

    def receive_of(self, case: Case, pair: Pair, governed: Governed) -> Receive | None:
        """What judges the answer of one attempt; None where no rule may apply to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What an approved review lets one decision do, once.

    Attributes:
        conditions: Must hold in the decision entry's own batch (single use).
        changes: Mark the approval spent in the same transaction.
        assertions: The held assertions, to be united with the re-sent ones.
        deployments: The approved candidates; the pick must be one of them.
        queues: The queues that released it.
        is_redacted: The redacted form was held and looked at; the raw one was not.
        until: The review's end, before which the decision's entry must be written.
    """

    review_id: ReviewId
    conditions: tuple[Condition, ...]
    changes: tuple[Change, ...]
    assertions: Assertions
    deployments: frozenset[DeploymentId]
    queues: frozenset[str]
    is_redacted: bool = False
    until: datetime


class Reviews(Protocol):
    """Held requests, as the path needs them."""

    async def release(self, request: RoutingRequest) -> Release:
        """What the review named by `request.review_id` allows for exactly this request.

        Raises:
            ReviewRequired: it is still undecided.
            PolicyDenied: it was denied, has expired or was cancelled.
            ReviewSpentError: it was used; the outcome is in `facts`.
            NotFoundError, ConflictError: it is not this principal's, or not this request.
        """

    async def hold(self, case: Case, hold: Hold, governed: Governed) -> tuple[ReviewId, Receipt]:
        """Record the held decision and open its review in one entry."""


class Recorder(Protocol):
    """Writes the path's entries; the only maker of `Recorded`.

    Raises (every method that awaits durability): `LogUnavailable`; `permit` also `StaleError` and
    `BudgetExceeded`.
    """

    async def permit(
        self,
        case: Case,
        choice: Choice,
        wire: Wire,
        *,
        attempt: int,
        cause: str,
        release: Release | None,
        budgets: Mapping[str, Budget],
        cached: Cached | None = None,
    ) -> Recorded[Permit]:
        """Record attempt 1 as the decision entry, later ones as attempt entries.

        The most the attempt can cost is reserved of the `budgets` that count its principal.

        Args:
            cached: The answer that is given again instead of anything being sent.
        """

    async def refusal(
        self, case: Case | None, request: RoutingRequest, error: TransireError
    ) -> Receipt:
        """Record why nothing was forwarded."""

    def gave_up(self, case: Case | None, request: RoutingRequest) -> None:
        """Queue the entry of a request whose caller left before anything else could be recorded."""

    async def advice(self, case: Case, choice: Choice | Hold | None) -> Receipt:
        """Record that advice was given; it is redeemable for nothing."""

    def outcome(self, permit: Recorded[Permit], outcome: Outcome) -> Awaitable[Receipt] | None:
        """Queue the outcome entry; it rides with the next commit and is never dropped.

        Returns:
            What tells when it is durable, for who waits for that; None where the log is closing.
        """

    def vouch(self, permit: Recorded[Permit]) -> None:
        """Confirm that this permit is ours and still current, right before the first byte.

        Raises:
            IntegrityError: the log never issued it.
            StaleError: the active bundle or the quarantine moved since, or nobody can tell.
        """


class Sessions(Protocol):
    """What earlier turns of a session left; each call is done at once and never fails.

    A request that names no session passes through every one of these unchanged.
    """

    def recalled(self, request: RoutingRequest, rules: SessionRules) -> RoutingRequest:
        """The request with what its session holds now: nothing, where it is new or forgotten."""

    def saw(
        self, request: RoutingRequest, authorization: Authorization, rules: SessionRules
    ) -> None:
        """Add what was judged of this turn, whatever becomes of it."""

    def answered(self, request: RoutingRequest, deployment: DeploymentId) -> None:
        """This deployment's answer is whole: the next turn prefers it."""

    def failed(self, request: RoutingRequest, deployment: DeploymentId) -> RoutingRequest:
        """The request, which prefers this deployment no more; nor does its session."""


class Notes(Protocol):
    """Tells the next attempt what was wrong with an answer."""

    async def noted(self, request: RoutingRequest, error: ContractViolated) -> RoutingRequest:
        """The request with a message of kinds and places, none of the answer's words.

        It is another content and must be classified and authorized anew (I3). The very same
        request where there is nothing to say.
        """


class Attempts(Protocol):
    """Decides what to try next inside one attempt budget; pure."""

    def next_attempt(
        self,
        candidates: Sequence[Candidate],
        history: Sequence[tuple[Pair, UpstreamError | None]],
        *,
        budget: int,
        remaining_s: float,
        max_cost_micro_usd: int | None,
    ) -> tuple[Candidate, str] | None:
        """The next candidate and its cause, or None to stop.

        Args:
            candidates: Permitted now, best first, nothing that awaits review.
            history: Every attempt so far; None as error means the answer broke the contract.
            max_cost_micro_usd: The most it may cost; None is no bound.
        """

    def escalation(
        self,
        candidates: Sequence[Candidate],
        tried: Collection[DeploymentId],
        *,
        above_permille: int,
        left: int,
        within_ms: int,
        max_cost_micro_usd: int | None,
    ) -> Candidate | str:
        """The cheapest candidate of a higher quality, or why there is none.

        Args:
            candidates: As for `next_attempt`.
            tried: Deployments that were asked already.
            above_permille: The quality to be passed.
            left: Attempts left of the budget.
            within_ms: Milliseconds within which it must be expected to answer.
            max_cost_micro_usd: The most it may cost; None is no bound.

        Returns:
            A candidate, or `attempts`, `none_better`, `deadline` or `max_cost`.
        """


class Retries(Protocol):
    """Keeps later attempts, of all requests together, a share of first ones."""

    def first(self) -> None:
        """A request makes its first attempt."""

    def again(self) -> bool:
        """Whether one more later attempt may be made; asked once for each, and then spent."""

    def give_back(self) -> None:
        """What was asked for last was never sent: it spends nothing."""


class Observer(Protocol):
    """Measurements; never content, never a decision."""

    def stage(self, name: str, seconds: float) -> None:
        """One stage took this long."""

    def decided(self, case: Case | None, code: str) -> None:
        """A request ended with this code (`ok` or an error's code)."""

    def attempted(self, deployment: DeploymentId, outcome: Outcome) -> None:
        """One attempt ended, with its own time, tokens and cost."""

    def escalated(self, principal: Principal, cause: str, result: str) -> None:
        """An answer had a verdict, and this came of it.

        Args:
            cause: The verdict; the gravest, where there are several.
            result: `answered` by a better deployment, `failed`, or why nobody was asked.
        """

    def steered(self, principal: Principal) -> None:
        """An escalation was asked for by a key whose requests escalate far above the others'."""

    def left_untried(self) -> None:
        """A request ends although something was left to try: too many others try again."""

    def answered(self, overhead_s: float) -> None:
        """A request was answered; overhead is all time not spent waiting upstream."""
