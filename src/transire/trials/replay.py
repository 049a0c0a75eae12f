"""The draw that a record's own numbers lead to, made again (I8)."""

from collections.abc import Mapping
from typing import Any

from transire.domain.trial import drawn
from transire.errors import IntegrityError
from transire.trials.matching import matched_shares

__all__ = ["draw_agrees"]


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
