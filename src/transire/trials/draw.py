"""Which variant one request is given. Pure but for the keyed hash."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from transire.domain.authorization import Authorization
from transire.domain.classification import Classification
from transire.domain.governed import Governed
from transire.domain.ids import DeploymentId
from transire.domain.ports import Keyed
from transire.domain.request import RoutingRequest
from transire.domain.shadow import ShadowRules
from transire.domain.trial import CONTROL, MILLION, Experiment, Variant

__all__ = ["Unit", "applying", "available", "fixed_shares", "point_of", "unit_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What keeps its variant.

    Attributes:
        kind: `session`, `user`, `key` or `request`.
        name: Which one; of a session a keyed digest (hex), as entries have it.
    """

    kind: str
    name: str
    tenant: str
    application: str


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


def unit_of(experiment: Experiment | ShadowRules, request: RoutingRequest) -> Unit:
    """What keeps its variant; where a request has none, the next smaller one.

    A request without a session is a session of its own; one without a verified user is its key's.
    """
    principal = request.principal
    if experiment.unit == "session" and request.assertions.session_id is not None:
        kind, name = "session", request.assertions.session_id
    elif experiment.unit == "user" and principal.user is not None:
        kind, name = "user", str(principal.user)
    elif experiment.unit in ("user", "key"):
        kind, name = "key", str(principal.key_id)
    else:
        kind, name = "request", str(request.id)
    application = principal.application or ""
    return Unit(kind=kind, name=name, tenant=principal.tenant, application=application)


def point_of(experiment: Experiment | ShadowRules, unit: Unit, keyed: Keyed) -> int:
    """Where a unit falls below a million.

    The hash is keyed, so that nobody who chooses a session's name can choose its variant.
    """
    parts = (experiment.id, experiment.salt, unit.kind, unit.tenant, unit.application, unit.name)
    data = "\x00".join(parts).encode()
    # Of 64 bits, so that the bias of the remainder is below 10^-13.
    return int.from_bytes(keyed.digest("experiment", data)[:8], "big") % MILLION
