"""From Cedar's answers to verdicts: review as an obligation, and the stricter of two. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from transire.domain.decision import Effect, Obligation
from transire.domain.ids import PolicyId

__all__ = ["Answer", "Evaluation", "combine", "stricter"]

_DEFAULT_QUEUE: Final = "default"


@dataclass(frozen=True, slots=True)
class Answer:
    """Cedar's answer to one question; `errors` non-empty or `is_decided` false mean deny."""

    is_allowed: bool
    is_decided: bool
    policies: tuple[str, ...]
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of one deployment: both actions judged together."""

    effect: Effect
    obligations: tuple[Obligation, ...]
    policies: tuple[PolicyId, ...]
    errors: tuple[str, ...]


def combine(
    route: Answer,
    unreviewed: Answer | None,
    annotations: Mapping[PolicyId, Mapping[str, str]],
) -> Evaluation:
    """Join the answers on `route` and `route_unreviewed`.

    Permitted for the first only means: a human must release it, in the queues that the determining
    forbids name. An error on either denies (DESIGN I4): a forbid that errs is skipped by Cedar, so
    its Allow proves nothing.
    """
    answers = [route] if unreviewed is None else [route, unreviewed]
    errors = tuple(sorted({e for a in answers for e in a.errors}))
    policies = tuple(sorted(PolicyId(p) for p in route.policies))
    if errors or not all(a.is_decided for a in answers) or not route.is_allowed:
        return Evaluation(Effect.FORBID, (), policies, errors)
    if unreviewed is None or unreviewed.is_allowed:
        return Evaluation(Effect.PERMIT, (), policies, ())
    asking = [PolicyId(p) for p in unreviewed.policies]
    obligations = [
        Obligation(
            kind="review", queue=annotations.get(p, {}).get("queue", _DEFAULT_QUEUE), policy=p
        )
        for p in asking
    ]
    if not obligations:
        obligations = [Obligation(kind="review", queue=_DEFAULT_QUEUE)]
    return Evaluation(Effect.PERMIT, tuple(sorted(obligations)), policies, ())


def stricter(first: Evaluation, second: Evaluation) -> Evaluation:
    """Forbid beats permit; obligations and policies are united (DESIGN I5)."""
    if first == second:
        return first
    if Effect.FORBID in (first.effect, second.effect):
        forbidding = [e for e in (first, second) if e.effect is Effect.FORBID]
        return Evaluation(
            Effect.FORBID,
            (),
            tuple(sorted({p for e in forbidding for p in e.policies})),
            tuple(sorted({x for e in forbidding for x in e.errors})),
        )
    return Evaluation(
        Effect.PERMIT,
        tuple(sorted({*first.obligations, *second.obligations})),
        tuple(sorted({*first.policies, *second.policies})),
        (),
    )
