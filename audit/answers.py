"""A cache hit gives an answer to whom, and to what, it was given first: FORMAT.md says how.

Nothing here reads a file; `rules.py` hands over permits and outcomes, in order.
"""

import datetime as dt
from typing import Any

from shapes import moment
from trees import Entry, demand

LATE = dt.timedelta(minutes=1)  # from a look at an answer's age to its entry


class Answers:
    """What was answered well since the last activation, and what had been asked."""

    def __init__(self) -> None:
        self.asked: dict[tuple[str, int], tuple[Any, ...]] = {}
        self.answered: dict[tuple[str, int], tuple[tuple[Any, ...], dt.datetime]] = {}

    def permit(self, what: str, name: str, entry: Entry, decision: Entry) -> None:
        permit = entry["permit"]
        who = (decision["tenant"], decision["app"], decision["key_id"])
        form = permit.get("form", "raw")
        asked = (*who, permit["deployment"], permit.get("content"), permit["bundle"], form)
        cached, is_hit = permit.get("cached"), permit.get("cause") == "cache_hit"
        demand(is_hit == bool(cached), f"{what} is a cache hit of nothing, or hides that it is one")
        if not cached:
            self.asked[(name, permit["attempt"])] = asked
            return
        asked_first, at = self.answered.get(
            (cached["decision_id"], cached["attempt"]), (None, None)
        )
        demand(asked_first, f"{what} gives again what no attempt was answered with")
        is_same = asked_first == asked and form == "raw" and not permit.get("reserved")
        demand(is_same, f"{what} gives again what was answered to something else")
        given = moment(entry["ts"])
        is_young = at and given and given - at <= dt.timedelta(seconds=cached["ttl_s"]) + LATE
        demand(is_young, f"{what} gives again what is older than it may be")

    def outcome(self, named: tuple[str, int], entry: Entry) -> None:
        asked, at = self.asked.pop(named, None), moment(entry["ts"])
        if asked and at and entry["status"] == "ok":
            self.answered[named] = (asked, at)
