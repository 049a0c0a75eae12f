"""Which answered request is copied, and where to. Pure but for the keyed hash.

INVARIANT: no bundle can ask for a copy of what is of the highest stakes, of what a person released
or would have to, of what has fields that change what leaves, or of what its caller keeps back.
"""

from dataclasses import replace
from datetime import datetime

from transire.domain.authorization import Authorization, Effect, Pair
from transire.domain.bundle import Bundle
from transire.domain.decision import Case
from transire.domain.governed import Governed
from transire.domain.ids import DeploymentId
from transire.domain.permit import Permit
from transire.domain.ports import Keyed
from transire.domain.shadow import Shadow, ShadowRules
from transire.domain.trial import CONTROL, Trial, drawn
from transire.trials.draw import point_of, unit_of

__all__ = ["authorized", "copy_of", "is_open", "may_copy"]


def may_copy(case: Case, permit: Permit, bundle: Bundle) -> bool:
    """Whether a request that was answered by this attempt may be copied at all.

    A kept answer says nothing of how a deployment does, a noted request is not what the caller
    asked, and one that another bundle decided is not this bundle's to copy.
    """
    request, authorization = case.request, case.authorization
    verdict = authorization.verdict(permit.pair)
    stakes = {facts.stakes for both in authorization.facts.values() for facts in both}
    is_as_asked = not request.noted and case.reclassified is None
    is_free = verdict is not None and not verdict.queues and not request.review_id
    is_declined = request.assertions.shadow == "off" or bool(request.body.capabilities)
    return (
        is_as_asked
        and is_free
        and not is_declined
        and permit.cause != "cache_hit"
        and (authorization.request_bundle or bundle.digest) == bundle.digest
        and authorization.bundle_digest == bundle.digest
        and bundle.taxonomy.stakes[-1] not in stakes
    )


def copy_of(case: Case, bundle: Bundle, keyed: Keyed) -> tuple[ShadowRules, Trial] | None:
    """The first shadow that applies to a request, and where it is drawn to go; None is nowhere."""
    request, task = case.request, case.classification.signals.task
    levels = {facts.stakes for both in case.authorization.facts.values() for facts in both}
    for shadow in bundle.shadows:
        fits = not shadow.tasks or task in shadow.tasks
        if not fits or not shadow.applies_to(request.principal.application):
            continue
        if bundle.taxonomy.max_stakes(*levels) not in shadow.stakes:
            continue
        unit = unit_of(shadow, request)
        point = point_of(shadow, unit, keyed)
        target = drawn(shadow.shares, point)
        if target == CONTROL:
            return None
        return shadow, Trial(
            experiment=shadow.id,
            digest=shadow.digest,
            kind="shadow",
            unit=unit.kind,
            variant=target,
            task=task,
            point_ppm=point,
            shares=shadow.shares,
        )
    return None


def authorized(
    case: Case, shadow: ShadowRules, draw: Trial, governed: Governed, now: datetime
) -> Shadow | None:
    """The copy in the form that its target may have now; None where it may have neither.

    Raw before redacted, as for a route. What was judged of the request, under the same bundle and
    by the same detector, must still stand, and be so judged again now (I3).
    """
    application, bundle = case.request.principal.application, governed.bundle
    is_same = shadow in bundle.shadows
    is_same = is_same and case.classification.detector_digest == governed.detector.digest
    if not is_same or application is None:
        return None
    authorization = governed.authorizer.authorize(
        case.request,
        case.classification,
        case.redaction,
        quarantine=governed.quarantine,
        now=now,
    )
    target = DeploymentId(draw.variant)
    for form, facts in authorization.facts.items():
        pair = Pair(deployment=target, form=form)
        if not all(is_open(each, pair) for each in (case.authorization, authorization)):
            continue
        policies = governed.authorizer.shadow(
            application, facts, target, now=authorization.evaluated_at
        )
        if policies:
            return Shadow(
                case=replace(case, authorization=authorization),
                pair=pair,
                policies=policies,
                draw=draw,
                daily_micro_usd=shadow.daily_micro_usd,
            )
    return None


def is_open(authorization: Authorization, pair: Pair) -> bool:
    """Nothing says no to a pair: it is permitted with nobody's release, or nobody spoke of it."""
    verdict = authorization.verdict(pair)
    if verdict is None:
        return False
    if verdict.effect is Effect.PERMIT:
        return not verdict.queues
    return not (verdict.policies or verdict.limits or verdict.errors)
