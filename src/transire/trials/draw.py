"""Which variant one request is given. Pure but for the keyed hash."""

from collections.abc import Collection, Sequence

from transire.domain.authorization import Authorization
from transire.domain.classification import Classification
from transire.domain.governed import Governed
from transire.domain.ids import DeploymentId
from transire.domain.ports import Keyed
from transire.domain.request import RoutingRequest
from transire.domain.trial import CONTROL, MILLION, Experiment, Variant

__all__ = ["applying", "available", "fixed_shares", "point_of", "unit_of"]


def applying(
    request: RoutingRequest,
    classification: Classification,
    authorization: Authorization,
    governed: Governed,
) -> Experiment | None:
    """The first experiment, by name, that this request takes part in.

    A request that names a review takes part in none: what a person released is sent as it was.
    """
    if request.review_id:
        return None
    bundle, task = governed.bundle, classification.signals.task
    levels = {facts.stakes for both in authorization.facts.values() for facts in both}
    stakes = bundle.taxonomy.max_stakes(*levels) if levels else None
    for experiment in bundle.experiments:
        fits = (not experiment.tasks or task in experiment.tasks) and stakes in experiment.stakes
        if fits and experiment.applies_to(request.principal.application):
            return experiment
    return None


def available(
    experiment: Experiment, permitted: Collection[DeploymentId], rolled_back: Collection[str]
) -> tuple[Variant, ...]:
    """The variants that can be drawn: control, and those neither rolled back nor out of reach."""
    return tuple(
        variant
        for variant in experiment.variants
        if variant.name == CONTROL
        or (
            variant.name not in rolled_back
            and (not variant.only or not variant.only.isdisjoint(permitted))
        )
    )


def fixed_shares(variants: Sequence[Variant]) -> tuple[tuple[str, int], ...]:
    """The bundle's shares in ppm; what cannot be drawn falls to control."""
    others = {v.name: v.share_permille * 1_000 for v in variants if v.name != CONTROL}
    rest = MILLION - sum(others.values())
    return tuple((v.name, others.get(v.name, rest)) for v in variants)


def unit_of(experiment: Experiment, request: RoutingRequest) -> tuple[str, str]:
    """What keeps its variant, and its name; where a request has none, the next smaller one.

    A request without a session is a session of its own; one without a verified user is its key's.
    """
    principal = request.principal
    if experiment.unit == "session" and request.assertions.session_id is not None:
        return "session", request.assertions.session_id
    if experiment.unit == "user" and principal.user is not None:
        return "user", principal.user
    if experiment.unit in ("user", "key"):
        return "key", principal.key_id
    return "request", request.id


def point_of(experiment: Experiment, request: RoutingRequest, keyed: Keyed) -> tuple[str, int]:
    """The unit, and where it falls below a million.

    The hash is keyed, so that nobody who chooses a session's name can choose its variant.
    """
    unit, name = unit_of(experiment, request)
    principal = request.principal
    parts = (experiment.id, experiment.salt, unit, principal.tenant, principal.application or "")
    data = "\x00".join((*parts, name)).encode()
    # Of 64 bits, so that the bias of the remainder is below 10^-13.
    return unit, int.from_bytes(keyed.digest("experiment", data)[:8], "big") % MILLION
