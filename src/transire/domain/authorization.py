"""What policy says of every pair (deployment, raw or redacted): the second type of the path."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from transire.domain.guarding import Guard
from transire.domain.ids import (
    BundleDigest,
    DataClass,
    DeploymentId,
    Jurisdiction,
    PolicyId,
    Purpose,
    Stakes,
)
from transire.domain.request import JsonValue

__all__ = ["Authorization", "Effect", "Facts", "Form", "Obligation", "Pair", "Verdict"]


class Form(StrEnum):
    """In which form content would be sent."""

    RAW = "raw"
    REDACTED = "redacted"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pair:
    """What eligibility is about: a deployment and the form it would receive."""

    deployment: DeploymentId
    form: Form


class Effect(StrEnum):
    """The two effects; there is no third."""

    PERMIT = "permit"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Obligation:
    """What must also be done if permitted.

    Attributes:
        kind: `review` or `redact`; with the latter `irreversible` (nothing is put back into an
            answer) or `irreversible_arguments` (nothing into its tool calls' arguments).
        queue: The review queue, for `review`.
        policy: The determining policy that asked for it; empty for a default deny.
    """

    kind: str
    queue: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything Cedar sees about one request in one form, ids only (the memo key).

    Attributes:
        data_classes: Upward-closed. With `redacted`, the residual classes.
        failed_classes: As judged, upward-closed.
        uncovered_classes: After acceptances, upward-closed.
        reduced_classes: Read in part by a weaker model; upward-closed.
        raised_guards: Guards that found what they look for.
        failed_guards: Guards that could not say.
        acceptances: Ids of acceptances that were applied; for the record, not for Cedar.
    """

    purpose: Purpose
    stakes: Stakes
    data_classes: frozenset[DataClass]
    failed_classes: frozenset[DataClass]
    uncovered_classes: frozenset[DataClass]
    unscanned_parts: int
    capabilities: frozenset[str]
    redacted: bool
    subject_region: Jurisdiction | None = None
    user: str | None = None
    acceptances: tuple[str, ...] = ()
    reduced_classes: frozenset[DataClass] = frozenset()
    raised_guards: frozenset[Guard] = frozenset()
    failed_guards: frozenset[Guard] = frozenset()

    def to_json(self) -> dict[str, JsonValue]:
        """The facts as an entry holds them; names and integers only."""
        said: dict[str, JsonValue] = {
            "purpose": self.purpose,
            "stakes": self.stakes,
            "data_classes": sorted(self.data_classes),
            "failed_classes": sorted(self.failed_classes),
            "uncovered_classes": sorted(self.uncovered_classes),
            "reduced_classes": sorted(self.reduced_classes),
            "unscanned_parts": self.unscanned_parts,
            "capabilities": sorted(self.capabilities),
            "redacted": self.redacted,
            "subject_region": self.subject_region,
            "user": self.user,
            "acceptances": list(self.acceptances),
        }
        # Named where a guard had something to say: most have not, and most bundles run none.
        if self.raised_guards:
            said["raised_guards"] = sorted(self.raised_guards)
        if self.failed_guards:
            said["failed_guards"] = sorted(self.failed_guards)
        return said

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Facts":
        """Read `to_json` back, for replay; entries from before a field was added lack it."""
        sets = ("data_classes", "failed_classes", "uncovered_classes", "capabilities")
        later = ("reduced_classes", "raised_guards", "failed_guards")
        return cls(
            **{
                **fields,
                **{name: frozenset(fields[name]) for name in sets},
                **{name: frozenset(fields.get(name, ())) for name in later},
                "acceptances": tuple(fields["acceptances"]),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The stricter of the two evaluations of one pair.

    Attributes:
        obligations: United over both evaluations, sorted.
        policies: Determining policies, sorted; empty with FORBID means default deny.
        limits: What narrowed besides Cedar: `quarantine`, `state`, `asserted.model`, ….
        errors: Ids of policies that failed to evaluate; non-empty always means FORBID.
    """

    pair: Pair
    effect: Effect
    obligations: tuple[Obligation, ...] = ()
    policies: tuple[PolicyId, ...] = ()
    limits: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def queues(self) -> frozenset[str]:
        """Review queues that must all release before this pair may be used."""
        return frozenset(o.queue for o in self.obligations if o.kind == "review")

    @property
    def is_reversible(self) -> bool:
        """Whether an answer to the redacted form may get its values back."""
        return self._redacts and not self._must("irreversible")

    @property
    def restores_arguments(self) -> bool:
        """Whether its tool calls' arguments may get them too."""
        return self.is_reversible and not self._must("irreversible_arguments")

    @property
    def _redacts(self) -> bool:
        return self.effect is Effect.PERMIT and self._must("redact")

    def _must(self, kind: str) -> bool:
        return any(obligation.kind == kind for obligation in self.obligations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What policy says about every pair; the scorer gets `permitted` and nothing else.

    Attributes:
        verdicts: Every deployment of the catalog in each form that was put to Cedar, sorted.
        facts: (`base`, `asserted`) per form, as recorded for replay.
        evaluation: The canonical bytes of all verdicts, stored once by `evaluation_digest`; of a
            narrowed set, of those that narrowed it last, so that each is recorded whole (I8).
        is_memo_hit: The answer came from the memo (the record says so).
        request_bundle: Where this set was narrowed, what the request itself was decided under.
    """

    verdicts: tuple[Verdict, ...]
    facts: Mapping[Form, tuple[Facts, Facts]]
    bundle_digest: BundleDigest
    quarantine_version: int
    evaluated_at: datetime
    evaluation: bytes
    evaluation_digest: str
    is_memo_hit: bool = False
    request_bundle: BundleDigest | None = None

    @property
    def permitted(self) -> tuple[Verdict, ...]:
        """The permitted set. INVARIANT: nothing outside it reaches scorer or forwarder (I2)."""
        permit = Effect.PERMIT
        return tuple([v for v in self.verdicts if v.effect is permit])

    def verdict(self, pair: Pair) -> Verdict | None:
        """The verdict on one pair, or None if it was not put to Cedar."""
        name, form = pair.deployment, pair.form
        return next(
            (v for v in self.verdicts if v.pair.deployment == name and v.pair.form is form), None
        )

    def narrowed_by(self, now: "Authorization") -> "Authorization":
        """This set ∩ what is permitted now, obligations united (I3).

        A pair that the other evaluation does not know is forbidden.
        """
        if now is self:
            return self
        others = {v.pair: v for v in now.verdicts}
        return replace(
            now,
            verdicts=tuple(_stricter(v, others.get(v.pair)) for v in self.verdicts),
            request_bundle=self.request_bundle or self.bundle_digest,
        )


def _stricter(first: Verdict, second: Verdict | None) -> Verdict:
    if second is None:
        return replace(first, effect=Effect.FORBID, limits=(*first.limits, "not_permitted_now"))
    if Effect.FORBID in (first.effect, second.effect):
        forbidding = first if first.effect is Effect.FORBID else second
        return replace(forbidding, pair=first.pair)
    return replace(
        first,
        obligations=tuple(sorted({*first.obligations, *second.obligations})),
        policies=tuple(sorted({*first.policies, *second.policies})),
    )
