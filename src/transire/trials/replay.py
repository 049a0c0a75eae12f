"""The draw that a record leads to, made again: from its own numbers, and from the bundle (I8)."""

from collections.abc import Collection, Mapping
from typing import Any

from transire.domain.ids import DeploymentId
from transire.domain.ports import Keyed
from transire.domain.shadow import ShadowRules
from transire.domain.trial import BY_FEEDBACK, CONTROL, Experiment, Variant, drawn
from transire.errors import IntegrityError
from transire.trials.draw import Unit, fixed_shares, point_of
from transire.trials.matching import matched_shares

__all__ = ["draw_agrees", "is_copied_from", "is_drawn_from"]


def draw_agrees(recorded: Mapping[str, Any]) -> bool:
    """Whether point and shares lead to the recorded variant, and a bandit's counts to its shares.

    Raises:
        IntegrityError: the record does not hold a draw.
    """
    try:
        names, shares = recorded["variants"], tuple(recorded["shares_ppm"])
        told = dict(zip(names, shares, strict=True))
        variant, propensity = recorded["variant"], recorded["propensity_ppm"]
        again = drawn(tuple(told.items()), recorded["point_ppm"])
        state = [(int(won), int(of)) for won, of in recorded.get("state", ())]
        matched = matched_shares(state, recorded["explore_permille"]) if state else shares
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        raise IntegrityError("the recorded draw is malformed") from None
    return again == variant and told[variant] == propensity and matched == shares


def is_drawn_from(
    experiment: Experiment,
    head: Mapping[str, Any],
    user: str | None,
    permitted: Collection[DeploymentId],
    keyed: Keyed,
) -> bool:
    """Whether a decision's draw is what the bundle's experiment gives its unit.

    Of a canary a variant may be missing: that it was rolled back is said elsewhere in the log.

    Args:
        experiment: Of the id that the draw names, in the bundle that the decision names.
        head: The decision's entry, whose draw agrees with itself.
        user: The verified one that its facts hold.
        permitted: What policy lets it go to.
    """
    draw, is_bandit = head["experiment"], experiment.kind == "bandit"
    if draw["digest"] != experiment.digest or ("state" in draw) != is_bandit:
        return False
    reachable = [v for v in experiment.variants if _is_in_reach(v, permitted)]
    variants = [v for v in reachable if v.name in draw["variants"]]
    is_missing = experiment.kind != "canary" and variants != reachable
    if is_missing or [v.name for v in variants] != draw["variants"]:
        return False
    if is_bandit:
        by = BY_FEEDBACK if experiment.reward_within_s else ""
        told = (draw["explore_permille"], draw.get("reward", ""))
        if told != (experiment.explore_permille, by):
            return False
    elif [share for _, share in fixed_shares(variants)] != draw["shares_ppm"]:
        return False
    unit = _unit(head, draw["unit"], user)
    return unit is not None and point_of(experiment, unit, keyed) == draw["point_ppm"]


def is_copied_from(
    shadow: ShadowRules,
    head: Mapping[str, Any],
    draw: Mapping[str, Any],
    user: str | None,
    keyed: Keyed,
) -> bool:
    """Whether a shadow's draw is what the bundle's rules give the unit of the request it copies.

    Args:
        shadow: Of the id that the draw names, in the bundle that the decision names.
        head: The decision's entry.
        draw: The shadow's, which agrees with itself.
        user: The verified one that its facts hold.
    """
    told = tuple(zip(draw["variants"], draw["shares_ppm"], strict=True))
    unit = _unit(head, draw["unit"], user)
    return (
        draw["digest"] == shadow.digest
        and told == shadow.shares
        and unit is not None
        and point_of(shadow, unit, keyed) == draw["point_ppm"]
    )


def _is_in_reach(variant: Variant, permitted: Collection[DeploymentId]) -> bool:
    return variant.name == CONTROL or not variant.only or not variant.only.isdisjoint(permitted)


def _unit(head: Mapping[str, Any], kind: str, user: str | None) -> Unit | None:
    """The unit of this kind as the entry names it; None where it does not."""
    session = (head.get("session") or {}).get("mac")
    names = {"session": session, "user": user, "key": head["key_id"], "request": head["id"]}
    name = names.get(kind)
    if name is None:
        return None
    return Unit(kind=kind, name=name, tenant=head["tenant"], application=head["app"])
