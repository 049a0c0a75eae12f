"""Verdicts of all pairs as one value: sorted, with canonical bytes and their digest. Pure."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from transire.authorize.effects import Evaluation
from transire.domain.authorization import Effect, Obligation, Pair, Verdict

__all__ = ["Assembled", "assemble_verdicts", "verdict_of"]

_REDACT = Obligation(kind="redact")


@dataclass(frozen=True, slots=True)
class Assembled:
    """The verdicts of one request, and the bytes that the log stores once by their digest.

    Attributes:
        verdicts: Sorted by deployment, then form.
        evaluation: A JSON array of one object per verdict, keys sorted, names only: equal verdicts
            give equal bytes, on a memo hit and at replay alike (I8).
        digest: SHA-256 of `evaluation`, hex.
    """

    verdicts: tuple[Verdict, ...]
    evaluation: bytes
    digest: str


def verdict_of(pair: Pair, evaluation: Evaluation, limits: tuple[str, ...]) -> Verdict:
    """One pair's verdict: what Cedar says, and then whatever narrows it.

    Args:
        limits: Names of what closes the pair besides Cedar; non-empty forbids.
    """
    is_permitted = evaluation.effect is Effect.PERMIT and not limits
    obligations = evaluation.obligations
    if is_permitted and pair.form == "redacted":
        obligations = tuple(sorted((*obligations, _REDACT)))
    return Verdict(
        pair=pair,
        effect=Effect.PERMIT if is_permitted else Effect.FORBID,
        obligations=obligations if is_permitted else (),
        policies=evaluation.policies,
        limits=limits,
        errors=evaluation.errors,
    )


def assemble_verdicts(verdicts: Iterable[Verdict]) -> Assembled:
    """Sort the verdicts and write them down."""
    ordered = tuple(sorted(verdicts, key=lambda verdict: verdict.pair))
    evaluation = orjson.dumps([_row(v) for v in ordered], option=orjson.OPT_SORT_KEYS)
    return Assembled(ordered, evaluation, hashlib.sha256(evaluation).hexdigest())


def _row(verdict: Verdict) -> dict[str, Any]:
    return {
        "deployment": verdict.pair.deployment,
        "form": verdict.pair.form,
        "effect": verdict.effect,
        "policies": verdict.policies,
        "obligations": [
            {"kind": o.kind, "queue": o.queue, "policy": o.policy} for o in verdict.obligations
        ],
        "limits": verdict.limits,
        "errors": verdict.errors,
    }
