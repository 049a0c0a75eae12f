"""What a cell should come out as, against what it did. Pure."""

from transire.domain.authorization import Effect, Verdict
from transire.domain.ids import PolicyId
from transire.workbench.testfile import Expectation, Restores

__all__ = ["determining_policies", "difference", "spelled"]


def difference(expected: Expectation, verdict: Verdict) -> str:
    """How the verdict differs from what was expected; empty where it does not."""
    if verdict.errors:
        return f"policies failed to evaluate: {', '.join(verdict.errors)}"
    actual, determining = _effect(verdict), determining_policies(verdict)
    if actual != expected.effect:
        return f"got {actual} by {', '.join(sorted(determining)) or 'default'}"
    if missing := sorted(set(expected.policies) - determining):
        return f"not by {', '.join(missing)} but {', '.join(sorted(determining)) or 'default'}"
    if expected.queues is not None and set(expected.queues) != verdict.queues:
        return f"reviewed by {', '.join(sorted(verdict.queues)) or 'nobody'}"
    if expected.restores is not None and expected.restores != (restored := _restores(verdict)):
        return f"it restores {restored}"
    return ""


def _effect(verdict: Verdict) -> str:
    if verdict.effect is Effect.FORBID:
        return "deny"
    return "review" if verdict.queues else "permit"


def _restores(verdict: Verdict) -> Restores:
    if not verdict.is_reversible:
        return "nothing"
    return "arguments" if verdict.restores_arguments else "text"


def determining_policies(verdict: Verdict) -> frozenset[PolicyId]:
    """Policies that decided, those that oblige included."""
    reviewing = (PolicyId(o.policy) for o in verdict.obligations if o.policy)
    return frozenset((*verdict.policies, *reviewing))


def spelled(expected: Expectation) -> str:
    """The expectation in words."""
    parts: list[str] = [expected.effect]
    if expected.policies:
        parts.append(f"by {', '.join(expected.policies)}")
    if expected.queues is not None:
        parts.append(f"in {', '.join(expected.queues)}")
    if expected.restores is not None:
        parts.append(f"restoring {expected.restores}")
    return " ".join(parts)
