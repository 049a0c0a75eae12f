"""From Cedar's answers to verdicts: review as an obligation, and the stricter of two. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from transire.domain.authorization import Effect, Obligation
from transire.domain.ids import PolicyId

__all__ = ["Answer", "Evaluation", "combine", "keeping", "stricter"]

_DEFAULT_QUEUE: Final = "default"
_NO_DECISION: Final = "NoDecision"
"""Stands among the errors where Cedar could not use its inputs; no policy id has this form."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Cedar's answer to one question; `errors` non-empty or `is_decided` false mean deny.

    Attributes:
        policies: Determining policies, in Cedar's order.
        errors: Ids of the policies that failed to evaluate; never Cedar's text, which may quote
            values.
    """

    is_allowed: bool
    is_decided: bool
    policies: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def permits(self) -> bool:
        """The one reading of a yes: allowed, really decided, and no policy failed."""
        return self.is_allowed and self.is_decided and not self.errors


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of one deployment: both actions judged together. Tuples are sorted."""

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
    forbids name. Where nothing permits `route_unreviewed` and nothing forbids it either, any human
    of the default queue will do; a forbid that names a queue then takes that one's place.

    INVARIANT (I4): an error or `NoDecision` on either denies. A forbid that errs is skipped by
    Cedar, so its Allow proves nothing.

    Args:
        unreviewed: None where it was not asked, because `route` is not allowed; where it is
            allowed, not having asked means review.
        annotations: Of every policy, by id.
    """
    answers = [route] if unreviewed is None else [route, unreviewed]
    errors = tuple(sorted({e for a in answers for e in _errors(a)}))
    policies = tuple(sorted(PolicyId(p) for p in route.policies))
    if errors or not route.is_allowed:
        return Evaluation(Effect.FORBID, (), policies, errors)
    if unreviewed is not None and unreviewed.is_allowed:
        return Evaluation(Effect.PERMIT, (), policies, ())
    return Evaluation(Effect.PERMIT, _reviews(unreviewed, annotations), policies, ())


def keeping(evaluation: Evaluation, restore: Answer | None, arguments: Answer | None) -> Evaluation:
    """A redacted form's evaluation, obliged to keep placeholders where nothing lets values back.

    Said as what must *not* be done, so that uniting obligations is the stricter of two (I5).
    Unlike a route's, an error here denies the values alone: the answer is then without them.

    Args:
        restore: On `restore`; None where it was not asked, which keeps everything.
        arguments: On `restore_arguments`; None where it was not asked, or nothing is restored.
    """
    if evaluation.effect is Effect.FORBID:
        return evaluation
    kept = _kept("irreversible", restore) + _kept("irreversible_arguments", arguments)
    return replace(evaluation, obligations=tuple(sorted((*evaluation.obligations, *kept))))


def _kept(kind: str, answer: Answer | None) -> list[Obligation]:
    """The obligation of nobody's, and one per determining forbid: more forbids oblige to more."""
    if answer is not None and answer.permits:
        return []
    policies = () if answer is None or answer.is_allowed else answer.policies
    named = [Obligation(kind=kind, policy=PolicyId(policy)) for policy in policies]
    return [Obligation(kind=kind), *named]


def _errors(answer: Answer) -> tuple[str, ...]:
    return answer.errors if answer.is_decided else (*answer.errors, _NO_DECISION)


def _reviews(
    unreviewed: Answer | None, annotations: Mapping[PolicyId, Mapping[str, str]]
) -> tuple[Obligation, ...]:
    """One review per determining forbid; a default deny asks for one in the default queue."""
    asking = [] if unreviewed is None else [PolicyId(p) for p in unreviewed.policies]
    obligations = [
        Obligation(
            kind="review", queue=annotations.get(p, {}).get("queue", _DEFAULT_QUEUE), policy=p
        )
        for p in asking
    ]
    return tuple(sorted(obligations)) or (Obligation(kind="review", queue=_DEFAULT_QUEUE),)


def stricter(first: Evaluation, second: Evaluation) -> Evaluation:
    """Forbid beats permit; obligations and policies are united (I5)."""
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
