"""What entries say of experiments: what was drawn, and what was rolled back. Pure.

The rules are in audit/FORMAT.md, "Rules across entries".
"""

from collections.abc import Mapping
from typing import Any

from transire.domain.trial import CONTROL, MILLION, drawn
from transire.errors import IntegrityError

__all__ = ["Tried"]


class Tried:
    """Which variants of experiments were rolled back, at a place in the log."""

    def __init__(self) -> None:
        self._gone: set[tuple[str, str]] = set()

    def roll_back(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear a roll-back.

        Raises:
            IntegrityError: it is of control, or of what was rolled back before.
        """
        named = (entry["digest"], entry["variant"])
        if named in self._gone or entry["variant"] == CONTROL:
            raise IntegrityError(f"{what} rolls back control, or a variant once more")
        self._gone.add(named)

    def draw(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear a permitted decision.

        Raises:
            IntegrityError: its variant was rolled back, or is not the one that its point draws.
        """
        draw = entry.get("experiment")
        if draw is None:
            return
        if (draw["digest"], draw["variant"]) in self._gone:
            raise IntegrityError(f"{what} tries a variant that was rolled back")
        shares = tuple(zip(draw["variants"], draw["shares_ppm"], strict=False))
        told = (draw["variant"], draw["propensity_ppm"])
        is_whole = len(draw["variants"]) == len(draw["shares_ppm"]) == len(set(draw["variants"]))
        is_whole = is_whole and sum(draw["shares_ppm"]) == MILLION > draw["point_ppm"] >= 0
        is_whole = is_whole and min(draw["shares_ppm"]) >= 0 and told in shares
        if not is_whole or drawn(shares, draw["point_ppm"]) != draw["variant"]:
            raise IntegrityError(f"{what} tries another variant than it drew")
