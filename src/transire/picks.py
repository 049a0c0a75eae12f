"""What may be picked of a ranking, and what confirms a pick before it is recorded. Pure.

INVARIANT (I2, I3): a pick is of the permitted set as it stands now, awaits no review that has not
released it, and goes to a deployment that is still what was judged.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from transire.domain.answer import Completion
from transire.domain.authorization import Effect, Form, Pair
from transire.domain.bundle import Bundle
from transire.domain.decision import Case, Choice
from transire.domain.deployment import Deployment
from transire.domain.escalation import Appraisal, CascadeRules
from transire.domain.governed import Governed
from transire.domain.ids import DeploymentId
from transire.domain.ports import Mend, Release, Validator
from transire.domain.ranking import Candidate
from transire.domain.request import Body, RoutingRequest
from transire.domain.restoring import Restorer
from transire.errors import IntegrityError

__all__ = [
    "Approved",
    "as_asked",
    "asking",
    "beyond",
    "cascade_of",
    "confirm",
    "free",
    "may_note",
    "may_repair",
    "mend_of",
    "redeclared",
    "restorer_of",
    "seed_of",
]

_JSON_FORMATS: Final = ("json_object", "json_schema")
_LOGPROBS: Final = "logprobs"
"""The field that asks for them, and the capability of answering it."""


class Approved(Protocol):
    """What reviewers let go out, as far as a pick depends on it."""

    @property
    def deployments(self) -> Collection[DeploymentId]:
        """See `domain.ports.Release`."""

    @property
    def queues(self) -> frozenset[str]:
        """See `domain.ports.Release`."""

    @property
    def is_redacted(self) -> bool:
        """See `domain.ports.Release`."""


def free(candidates: Sequence[Candidate], release: Approved | None) -> list[Candidate]:
    """Candidates that await no review: none asked for, or every asked-for queue has released."""
    if release is None:
        return [c for c in candidates if not c.verdict.queues]
    return [
        c
        for c in candidates
        if c.pair.deployment in release.deployments
        and c.verdict.queues <= release.queues
        and (c.pair.form is Form.REDACTED or not release.is_redacted)
    ]


def confirm(case: Case, choice: Choice, release: Release | None) -> None:
    """The pick is in the permitted set as it stands now, and awaits nobody (I2, I3).

    A scorer that answered with anything else is broken or hostile; nothing is sent for it.

    Raises:
        IntegrityError: it is not, or it does.
    """
    verdict = case.authorization.verdict(choice.candidate.pair)
    if verdict is None or verdict.effect is not Effect.PERMIT:
        raise IntegrityError("the scorer picked outside the permitted set")
    if not verdict.queues <= (release.queues if release is not None else frozenset()):
        raise IntegrityError("the pick awaits a review that has not released it")


def restorer_of(case: Case, choice: Choice) -> Restorer | None:
    """What puts values back into the answer to this pick; None where nothing may be.

    Read anew for each attempt: the obligations are those of the set as it stands now.
    """
    verdict = case.authorization.verdict(choice.candidate.pair)
    redaction = case.redaction
    if verdict is None or not verdict.is_reversible or redaction is None:
        return None
    wanted = case.request.body.fields.get("response_format")
    is_json = isinstance(wanted, Mapping) and wanted.get("type") in _JSON_FORMATS
    book = redaction.placeholders
    if book is None:
        return None
    return book.restorer(arguments=verdict.restores_arguments, is_json=is_json)


def beyond(case: Case, tried: Collection[DeploymentId]) -> Case:
    """With all of the permitted set to fall back on, once all that a variant keeps to was asked.

    What was asked is still preferred, so that nothing but its failure leads elsewhere; the draw,
    and what the first attempt says of its variant, stay as they are.
    """
    trial = case.request.trial
    if trial is None or not trial.only:
        return case
    if any(c.pair.deployment not in tried for c in case.ranking.candidates):
        return case
    freed = replace(trial, only=frozenset(), prefer=trial.prefer | trial.only)
    return replace(case, request=replace(case.request, trial=freed))


def cascade_of(case: Case, bundle: Bundle, release: Release | None) -> CascadeRules | None:
    """When answers to this request are escalated; None where its task says nothing.

    INVARIANT: what a person released goes where it was released, and nowhere else by our verdict.
    """
    cascades = bundle.routing.cascades
    if not cascades or release is not None:
        return None
    return cascades.get(case.classification.signals.task)


def asking(cascade: CascadeRules, body: Body, deployment: Deployment) -> Body:
    """The body that also asks how sure the model was, of a deployment that can say so."""
    wants = "low_confidence" in cascade.on and _LOGPROBS in deployment.capabilities
    if not wants or body.fields.get(_LOGPROBS):
        return body
    return replace(body, fields={**body.fields, _LOGPROBS: True})


def as_asked(answer: Completion, body: Body, appraisal: Appraisal) -> Completion:
    """The answer with our verdicts, and without the numbers that we alone asked for."""
    choices = answer.choices
    if not body.fields.get(_LOGPROBS) and any(c.logprobs is not None for c in choices):
        choices = tuple(replace(choice, logprobs=None) for choice in choices)
    return replace(answer, choices=choices, verdicts=appraisal.verdicts)


def may_repair(case: Case, bundle: Bundle) -> bool:
    """Whether the bundle lets the syntax of an answer be repaired at this request's stakes.

    Its highest stakes count, over both forms and with what the caller claims. Where `routing.yaml`
    names no levels, it is every level but the taxonomy's highest.
    """
    levels, named = bundle.taxonomy.stakes, bundle.routing.repair_stakes
    allowed = frozenset(levels[:-1]) if named is None else named
    stakes = {facts.stakes for both in case.authorization.facts.values() for facts in both}
    return bool(stakes) and bundle.taxonomy.max_stakes(*stakes) in allowed


def mend_of(case: Case, bundle: Bundle, validator: Validator, *, is_stream: bool) -> Mend | None:
    """What repairs the syntax of an answer to this request; None where nothing may be.

    Args:
        is_stream: The answer is judged as it arrives. Its tokens are known only at its end, too
            late to say whether a call was cut at the caller's bound: with a bound, nothing is.
    """
    request = case.request
    if is_stream and request.body.max_output_tokens is not None:
        return None
    if not request.body.has_contract or not may_repair(case, bundle):
        return None
    return lambda answer: validator.repaired(request, answer)


def may_note(case: Case, before: Governed, now: Governed, release: Release | None) -> bool:
    """Whether the next attempt may be told what was wrong with an answer.

    INVARIANT: what a person released is sent as it was released (I10), and a redacted form as it
    was judged. Under another bundle than the request's own, the set would not be the intersection
    of what both permit for the noted content (I3).
    """
    wants = before.bundle.routing.retry_with_errors and now.bundle is before.bundle
    return wants and release is None and case.redaction is None


def redeclared(before: Governed, now: Governed) -> frozenset[Pair]:
    """Pairs whose deployment the catalog describes otherwise by now: what was judged is not there.

    The permit of a later attempt is of the bundle of now, the address of the request's own.
    """
    if before.bundle is now.bundle:
        return frozenset()
    known, current = before.bundle.catalog.deployments, now.bundle.catalog.deployments
    moved = [name for name, deployment in known.items() if current.get(name) != deployment]
    return frozenset(Pair(deployment=name, form=form) for name in moved for form in Form)


def seed_of(request: RoutingRequest) -> int:
    """The decision's seed: a function of its id, so that replay draws the same (I8)."""
    return int.from_bytes(hashlib.sha256(request.id.encode()).digest()[:6], "big")
