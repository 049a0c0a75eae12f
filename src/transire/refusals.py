"""Why nothing could be picked, in words for the caller. Pure.

The message says which rules decided and what would help, from the rules' own `@reason`. It names no
deployment that was not asked: which ones exist, and which were forbidden, is for those whom Cedar
allows `explain`. What was tried is the caller's own business, as the deployment that answers is.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from transire.account import Account
from transire.domain.authorization import Authorization, Effect, Form
from transire.domain.bundle import Bundle
from transire.domain.decision import Case
from transire.domain.governed import Governed
from transire.domain.ids import DataClass, PolicyId
from transire.domain.outward import Health
from transire.domain.permit import Tried
from transire.domain.ports import Violation
from transire.domain.receiving import Received
from transire.domain.request import RoutingRequest, path_of
from transire.errors import (
    BudgetExceeded,
    ContractViolated,
    DeploymentsUnavailable,
    GovernanceUnavailable,
    PolicyDenied,
    RequestError,
    TransireError,
    UpstreamError,
)

__all__ = [
    "denial_reasons",
    "refuse_answer",
    "refuse_empty",
    "refuse_late",
    "refuse_moved",
    "refuse_too_long",
    "refuse_tried",
    "refuse_withheld",
]

_TOLD_VIOLATIONS: Final = 20
_TOLD_PLACES: Final = 5
_CREDENTIAL: Final = DataClass("CREDENTIAL")

_REMEDIES: Final = {
    "asserted.model": "no permitted deployment serves the asked-for `model`; use `auto`",
    "asserted.jurisdiction": "no permitted deployment lies in the asserted jurisdictions",
    "asserted.redaction": "the asserted `redaction` leaves nothing: `require` needs something to "
    "redact, and an application whose catalog entry says `redaction: true`",
    "quarantine": "what would be permitted is quarantined",
    "state": "what would be permitted takes no traffic",
}
_FILTERS: Final = {
    "capability": "no permitted deployment can do what the request asks for",
    "context": "the request is too long for every permitted deployment",
    "state": "every permitted deployment takes no traffic",
    "max_cost": "every permitted deployment may cost more than `max_cost_usd`, or has no known "
    "price",
    "max_latency": "every permitted deployment is slower than `max_latency_ms`",
    "quality": "no permitted deployment meets the quality floor",
}

_FIELDS: Final = {"max_cost": "transire.max_cost_usd", "max_latency": "transire.max_latency_ms"}
"""The caller's own field behind a filter that only the caller can set."""

_TAINTED: Final = (
    "; what earlier turns of this session held counts too, so send what does not continue it under "
    "another `session_id`"
)


def refuse_too_long(request: RoutingRequest, bundle: Bundle) -> None:
    """Refuse, before anything is read, what fits into no context window that could be asked for.

    The scorer's filter would drop every candidate for the same reason after the detector, Cedar
    and perhaps a redaction had spent minutes on it.

    Raises:
        RequestError: as for a request without a candidate.
    """
    asked, tokens = request.assertions.models, request.body.tokens_estimate
    windows = [
        deployment.context_tokens
        for name, deployment in bundle.catalog.deployments.items()
        if asked is None or name in asked
    ]
    if windows and tokens > max(windows):
        raise RequestError(_FILTERS["context"], facts={"filters": ["context"]})


def refuse_answer(violations: Sequence[Violation]) -> ContractViolated:
    """The error for an answer that breaks the contract; kinds and positions, never content."""
    return ContractViolated(
        f"no permitted answer kept the contract: {violations[0].kind}",
        facts={
            "failure": violations[0].kind,
            "violations": [{"kind": v.kind, "path": v.path} for v in violations[:_TOLD_VIOLATIONS]],
        },
    )


def refuse_withheld(received: Received) -> ContractViolated:
    """The error for an answer that its caller may not receive: which rules, and never what."""
    return ContractViolated(
        "the answer is withheld: " + "; ".join(received.reasons),
        facts={
            "failure": "withheld",
            "violations": [{"kind": "withheld", "path": ""}],
            "policies": list(received.policies) or ["default_deny"],
        },
    )


def refuse_tried(last: TransireError, tried: Sequence[Tried]) -> TransireError:
    """The error that ends a request, saying of every attempt where it went and how it failed."""
    last.facts["attempts"] = [
        {
            "attempt": number,
            "deployment": attempt.deployment,
            "failure": attempt.failure,
            **({} if attempt.http_status is None else {"http_status": attempt.http_status}),
        }
        for number, attempt in enumerate(tried, 1)
    ]
    last.message += " (tried " + "; ".join(f"`{t.deployment}`: {_how(t)}" for t in tried) + ")"
    return last


def refuse_moved() -> UpstreamError:
    """The failure of an attempt whose permit had lapsed before its first byte."""
    return UpstreamError(
        "the governed state moved before the first byte",
        facts={"failure": "stale"},
    )


def refuse_late(account: Account) -> TransireError:
    """The error of a passed deadline: a deployment's fault only where one was asked."""
    if account.permits:
        return UpstreamError("the request's deadline passed", facts={"failure": "deadline"})
    return GovernanceUnavailable(
        "the request's deadline passed before it was decided", facts={"failure": "deadline"}
    )


def _how(attempt: Tried) -> str:
    status = attempt.http_status
    return attempt.failure if status is None else f"{attempt.failure}, HTTP {status}"


def refuse_empty(
    case: Case, governed: Governed, health: Health, unbuildable: RequestError | None = None
) -> TransireError:
    """The error for a case without a candidate.

    Args:
        health: Knows when what is out of order may be asked again.
        unbuildable: Why a pick could not be sent what the request holds; it was then left out.
    """
    permitted = case.authorization.permitted
    if not permitted:
        reasons = denial_reasons(case.authorization, governed.bundle)
        places = _credentials(case)
        hints = [text for _, text in reasons]
        if places:
            hints.append(f"remove the CREDENTIAL in {_named(places)} and send again")
        if case.request.body.asked_by:
            hints.append(f"what changes where data goes is {_named(case.request.body.asked_by)}")
        return PolicyDenied(
            "policy permits no deployment for this request: "
            + "; ".join(hints)
            + (_TAINTED if _counts_session(case) else ""),
            param=places[0] if places else None,
            facts={"policies": [name for name, _ in reasons]},
        )
    filters = Counter(name for _, name in case.ranking.filtered)
    if filters["health"] or filters["quota"]:
        return _out_of_order(case, governed, health, sorted(filters))
    if filters["budget"]:
        return BudgetExceeded(
            "the most this request could cost at any permitted deployment, whose price must be "
            f"known, does not fit into the {case.ranking.budget_micro_usd or 0} micro-USD that a "
            "budget has left: ask for fewer `max_tokens`, send less text, or wait until the budget "
            "begins anew (a day or month in UTC; its owner sees it in `transire budgets`)",
            facts={"filters": sorted(filters), "left_micro_usd": case.ranking.budget_micro_usd},
        )
    if unbuildable is not None:
        unbuildable.facts["filters"] = sorted(filters)
        return unbuildable
    words, param = _unmet(filters.most_common(1)[0][0], case, governed.bundle)
    return RequestError(words, param=param, facts={"filters": sorted(filters)})


def _out_of_order(
    case: Case, governed: Governed, health: Health, filters: list[str]
) -> DeploymentsUnavailable:
    known = governed.bundle.catalog.deployments
    waiting = (pair for pair, name in case.ranking.filtered if name in ("health", "quota"))
    back_in_s = health.back_in_s([known[p.deployment] for p in waiting if p.deployment in known])
    seconds = max(1, math.ceil(back_in_s or 0.0))
    return DeploymentsUnavailable(
        "every permitted deployment is out of order or over its quota; the first may be back in "
        f"{seconds} s",
        facts={"filters": filters, "retry_after_s": seconds},
    )


def _credentials(case: Case) -> list[str]:
    """Which messages, tools or fields hold credentials; what is deeper may be named by content."""
    parts = case.request.body.parts
    found = (f.part for f in case.classification.findings if f.data_class == _CREDENTIAL)
    pointers = (parts[at].pointer for at in found)
    return list(
        dict.fromkeys(
            path_of(p[:2] if len(p) > 1 and isinstance(p[1], int) else p[:1]) for p in pointers
        )
    )


def _named(places: Sequence[str]) -> str:
    """A few places by their paths, and how many more there are."""
    told = ", ".join(f"`{place}`" for place in places[:_TOLD_PLACES])
    more = len(places) - _TOLD_PLACES
    return f"{told} and {more} more" if more > 0 else told


def _unmet(name: str, case: Case, bundle: Bundle) -> tuple[str, str | None]:
    """What every permitted deployment lacks, with the numbers; and the caller's field, if one is.

    A number is the best of several permitted deployments' and names none of them.
    """
    request, signals = case.request, case.classification.signals
    dropped = [
        bundle.catalog.deployments[pair.deployment]
        for pair, by in case.ranking.filtered
        if by == name and pair.deployment in bundle.catalog.deployments
    ]
    words = _FILTERS[name]
    if name == "capability":
        return f"{words} (needs {', '.join(sorted(request.body.needs | signals.needs))})", None
    if name == "quality":
        asserted = request.assertions.min_quality_permille
        floor, origin = bundle.routing.quality_floor(signals.task, signals.cues, asserted)
        best = max((one.quality_for(signals.task) for one in dropped), default=0)
        words += f" {floor / 1000:g} of {origin}; the best has {best / 1000:g}"
        return words, "transire.min_quality" if origin == "`min_quality`" else None
    if name == "context" and request.body.max_output_tokens is not None:
        tokens = request.body.tokens_estimate
        fits = max(
            (min(d.max_output_tokens, d.context_tokens - tokens) for d in dropped), default=0
        )
        if fits > 0:
            return f"`max_tokens` is more than any permitted deployment has room for: {fits} fit", (
                "max_tokens"
            )
    return words, _FIELDS.get(name)


def _counts_session(case: Case) -> bool:
    """Whether earlier turns of the session added a class that this one does not hold itself."""
    session, facts = case.request.session, case.authorization.facts.get(Form.RAW)
    if session is None or facts is None:
        return False
    base, seen = facts[0], session.raw
    return not (
        seen.found <= base.data_classes
        and seen.failed <= base.failed_classes
        and seen.uncovered <= base.uncovered_classes
        and seen.reduced <= base.reduced_classes
    )


def denial_reasons(authorization: Authorization, bundle: Bundle) -> list[tuple[str, str]]:
    """(policy or limit, reason in words), the ones that decided most pairs first, at most five."""
    counts: Counter[str] = Counter()
    for verdict in authorization.verdicts:
        if verdict.effect is Effect.PERMIT:
            continue
        counts.update(verdict.limits)
        # Grants stand among the determining policies of a pair that only a limit forbade.
        counts.update(p for p in verdict.policies if p not in bundle.permits)
        if verdict.errors:
            counts["policy_error"] += 1
        elif not verdict.policies and not verdict.limits:
            counts["default_deny"] += 1
    named = sorted(counts, key=lambda name: (-counts[name], name))[:5]
    reasons = [(name, _words(name, authorization, bundle)) for name in named]
    return reasons or [("default_deny", _words("default_deny", authorization, bundle))]


def _words(name: str, authorization: Authorization, bundle: Bundle) -> str:
    if name in _REMEDIES:
        return _REMEDIES[name]
    if name == "policy_error":
        return "a rule could not be evaluated; ask the compliance team"
    if name == "default_deny":
        base, asserted = next(iter(authorization.facts.values()))
        if base.purpose != asserted.purpose:
            return (
                "no grant covers both the key's own purpose and the asserted one; a grant that is "
                "bound to a purpose needs a key of that purpose"
            )
        return "no grant covers this application"
    annotations = bundle.annotations[PolicyId(name)]
    regulation = annotations.get("regulation")
    reason = annotations.get("reason", name)
    return f"{reason} ({regulation})" if regulation else reason
