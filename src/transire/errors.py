"""Every error that crosses a stage, sorted by what the caller can do about it.

    TransireError
    ├── RequestError             fix the request                      400 `bad_request`
    │   ├── AuthenticationError  present a valid credential           401 `invalid_api_key`
    │   ├── AccessError          ask someone who may                  403 `access_denied`
    │   ├── NotFoundError        use a name that exists               404 `not_found`
    │   ├── UnknownModelError    use a name from /v1/models           404 `model_not_found`
    │   ├── ConflictError        look at the current state first      409 `conflict`
    │   ├── ReviewSpentError     the approval was used; see outcome   409 `review_spent`
    │   ├── TooLargeError        send less                            413 `request_too_large`
    │   └── ThrottledError       wait `retry_after_s`                 429 `rate_limited`
    │       └── HoldsFullError   let reviewers decide, or cancel some 429 `reviews_full`
    ├── PolicyDenied             no deployment is permitted           403 `policy_denied`
    ├── ReviewRequired           a human must release it              403 `review_required`
    ├── ContractViolated         no permitted answer met the contract 422 `contract_violated`
    ├── GovernanceUnavailable    we could not decide: fail closed     503 `governance_unavailable`
    │   ├── LogUnavailable       the entry could not be made durable  503
    │   │   └── LogUncertain     not in time; it may yet be           503
    │   └── StaleError           governed state moved; authorize again
    ├── DeploymentsUnavailable   permitted ones are all out of order  503 `deployments_unavailable`
    ├── BudgetExceeded           spend less, or wait for the period   429 `budget_exceeded`
    ├── UpstreamError            every permitted deployment failed    502 `upstream_failed`
    ├── BundleError              the proposed bundle is not valid     422 `bundle_invalid`
    └── IntegrityError           stop and alert; caught only at the top

Messages are lower case, one sentence, no final stop, and never carry request content. An
exception that could carry content (a parser's, a provider's, a detector's) is replaced with
`raise … from None`, so that neither its text nor its traceback survives (I6).
"""

from collections.abc import Mapping
from typing import ClassVar

__all__ = [
    "AccessError",
    "AuthenticationError",
    "BudgetExceeded",
    "BundleError",
    "ConflictError",
    "ContractViolated",
    "DeploymentsUnavailable",
    "GovernanceUnavailable",
    "HoldsFullError",
    "IntegrityError",
    "LogUnavailable",
    "LogUncertain",
    "NotFoundError",
    "PolicyDenied",
    "RequestError",
    "ReviewRequired",
    "ReviewSpentError",
    "StaleError",
    "ThrottledError",
    "TooLargeError",
    "TransireError",
    "UnknownModelError",
    "UpstreamError",
]


class TransireError(Exception):
    """The root of the tree; carries what every error answer needs.

    Args:
        message: One lower-case sentence without final stop, free of request content.
        param: Path of the offending field (`messages[2].content`), if one field is to blame.
        facts: Further machine-readable facts for the answer, free of request content.

    Attributes:
        routed: How far its request got, as `Account.told` says it.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    should_retry: ClassVar[bool] = False

    def __init__(
        self, message: str, *, param: str | None = None, facts: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.facts: dict[str, object] = dict(facts or {})
        self.decision_id: str | None = None
        self.routed: dict[str, str] = {}


class RequestError(TransireError):
    """The request cannot be served as it stands; the caller must change it."""

    status = 400
    code = "bad_request"


class AuthenticationError(RequestError):
    """No valid credential was presented."""

    status = 401
    code = "invalid_api_key"


class AccessError(RequestError):
    """The credential is valid but Cedar does not allow this act."""

    status = 403
    code = "access_denied"


class NotFoundError(RequestError):
    """What the path or body names does not exist for this principal."""

    status = 404
    code = "not_found"


class UnknownModelError(RequestError):
    """`model` names nothing in the catalog; the message lists the nearest names."""

    status = 404
    code = "model_not_found"


class ConflictError(RequestError):
    """The state has moved since the caller last looked."""

    status = 409
    code = "conflict"


class ReviewSpentError(RequestError):
    """The approval was used already; `facts` holds by which decision, and how that ended."""

    status = 409
    code = "review_spent"


class TooLargeError(RequestError):
    """A bound on size, depth or count was passed; the message says which and its value."""

    status = 413
    code = "request_too_large"


class ThrottledError(RequestError):
    """The principal is over a rate or concurrency limit; retry after `retry_after_s` seconds."""

    status = 429
    code = "rate_limited"
    should_retry = True

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class HoldsFullError(ThrottledError):
    """As many requests wait for review as may; only people can make room."""

    code = "reviews_full"
    should_retry = False


class PolicyDenied(TransireError):  # noqa: N818 - named for what is so
    """Policy permits no deployment for this request; asking again gives the same answer."""

    status = 403
    code = "policy_denied"


class ReviewRequired(TransireError):  # noqa: N818 - named for what is so
    """Policy permits the route only after a human released it; `facts` holds `review_id`."""

    status = 403
    code = "review_required"


class ContractViolated(TransireError):  # noqa: N818 - named for what is so
    """No permitted deployment gave an answer that meets the caller's contract."""

    status = 422
    code = "contract_violated"


class GovernanceUnavailable(TransireError):  # noqa: N818 - named for what is so
    """The router could not decide or record, and therefore refuses (I1, I4)."""

    status = 503
    code = "governance_unavailable"
    should_retry = True


class LogUnavailable(GovernanceUnavailable):
    """The log is full, slow, read-only or failing: no record, no route."""


class LogUncertain(LogUnavailable):
    """The entry was not durable in time and may yet become so: write nothing in its place."""


class StaleError(GovernanceUnavailable):
    """The bundle or the quarantine changed between evaluation and commit; authorize once more."""


class DeploymentsUnavailable(TransireError):  # noqa: N818 - named for what is so
    """Deployments are permitted, but every one has an open breaker or an exhausted quota.

    The permitted set is never widened instead (I2).
    """

    status = 503
    code = "deployments_unavailable"
    should_retry = True


class BudgetExceeded(TransireError):  # noqa: N818 - named for what is so
    """What the request may cost at most does not fit into what is left of a budget.

    A period's end, a smaller `max_tokens` or a cheaper deployment helps, a retry does not.
    `facts` may name the `budget`.
    """

    status = 429
    code = "budget_exceeded"


class UpstreamError(TransireError):
    """Every permitted attempt failed upstream.

    `facts["upstream"]` may hold the upstream's own error text, at most 2 kB, for this caller only.
    """

    status = 502
    code = "upstream_failed"


class BundleError(TransireError):
    """A proposed bundle is refused; each problem is located as `file:line: reason`.

    Args:
        problems: At least one located reason, in file order.
    """

    status = 422
    code = "bundle_invalid"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems[:20]), facts={"problems": problems[:200]})
        self.problems = problems


class IntegrityError(TransireError):
    """Stored evidence contradicts itself; the process must stop deciding and alert."""

    status = 503
    code = "integrity_failed"
