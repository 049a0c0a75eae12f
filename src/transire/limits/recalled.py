"""What the log says of escalations, told to the quota: a restart gives nobody a new bucket.

Entries say it in three places: whose a request is, in its decision; what was thought of its first
answer, in that attempt's outcome; that it was escalated, in the attempt that did so.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from transire.domain.escalation import CascadeRules
from transire.domain.ports import Clock
from transire.limits.escalations import HALF_LIFE_S, EscalationQuota, Whose

__all__ = ["KINDS", "WITHIN", "EscalationMemory"]

KINDS: Final = ("decision", "attempt", "outcome")
"""Of entries that must be told."""
WITHIN: Final = timedelta(seconds=4 * HALF_LIFE_S)
"""What was longer ago weighs less than a sixteenth, and the settings' buckets are full again."""
_MAX_OPEN: Final = 20_000
"""Decisions remembered whose answers may yet be judged or escalated; the oldest go first."""

_Entry = Mapping[str, Any]


@dataclass(slots=True)
class _Asked:
    whose: Whose
    rules: CascadeRules
    is_judged: bool = False


class EscalationMemory:
    """Hears entries in the log's order; belongs to one event loop.

    Args:
        cascades: The cascades of the active bundle, by task.
        boot: Names this process in its entries: what it did itself is counted already.
    """

    def __init__(
        self,
        quota: EscalationQuota,
        cascades: Callable[[], Mapping[str, CascadeRules]],
        clock: Clock,
        *,
        boot: str,
    ) -> None:
        self._quota = quota
        self._cascades = cascades
        self._clock = clock
        self._boot = boot
        self._asked = OrderedDict[str, _Asked]()

    def hear(self, entry: _Entry) -> None:
        """Hear an entry of `KINDS`."""
        if entry["boot"] == self._boot:
            return
        if entry["kind"] == "decision":
            self._decided(entry)
            return
        asked = self._asked.get(entry["decision_id"])
        if asked is None:
            return
        if entry["kind"] == "outcome":
            self._ended(asked, entry)
        elif entry.get("escalation") is not None:
            self._quota.recall_granted(asked.whose, self._moment(entry))

    def _decided(self, entry: _Entry) -> None:
        rules = self._cascades().get((entry.get("signals") or {}).get("task") or "")
        if rules is None or entry.get("permit") is None:
            return
        whose = Whose.of(entry["tenant"], entry["app"], entry["key_id"])
        self._asked[entry["id"]] = _Asked(whose, rules)
        if len(self._asked) > _MAX_OPEN:
            self._asked.popitem(last=False)

    def _ended(self, asked: _Asked, entry: _Entry) -> None:
        """Count the first answer of a request, as `cascade` does."""
        is_broken = entry["status"] == "contract_violated" and "contract" in asked.rules.on
        appraisal = entry.get("appraisal")
        if asked.is_judged or not (is_broken or appraisal is not None):
            return
        asked.is_judged = True
        is_wanted = is_broken or bool((appraisal or {}).get("verdicts"))
        self._quota.recall_judged(asked.whose, self._moment(entry), is_wanted=is_wanted)

    def _moment(self, entry: _Entry) -> float:
        """When it was written, in monotonic seconds of this process; never later than now."""
        ago = (self._clock.now() - datetime.fromisoformat(entry["ts"])).total_seconds()
        return self._clock.monotonic() - max(0.0, ago)
