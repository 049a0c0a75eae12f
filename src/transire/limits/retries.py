"""How many later attempts a whole router may make, so that its fleet's trouble is not multiplied.

When deployments fail under load, every request that is tried again adds to the load: with three
attempts each, a fleet that cannot serve one part in three is asked three times as often. So first
attempts earn what later ones spend (Finagle's retry budget; the SRE book's chapter on cascading
failures keeps retries to a tenth of requests). A little is earned by time alone, so that a router
with little traffic still falls back.
"""

from dataclasses import dataclass

from transire.domain.ports import Clock

__all__ = ["RetryBudget"]


@dataclass(slots=True)
class RetryBudget:
    """Implements `domain.ports.Retries`. Called on one event loop, so nothing here locks.

    Args:
        share: Later attempts that one first attempt earns; 0.2 lets a fifth of all requests be
            tried again.
        per_s: Later attempts earned a second, traffic or not.
        most: Later attempts that may be saved up: this many may follow one another at once.
    """

    clock: Clock
    share: float
    per_s: float
    most: float
    _saved: float = -1.0
    _at: float = 0.0

    def first(self) -> None:
        """A request makes its first attempt."""
        self._saved = min(self.most, self._now() + self.share)

    def again(self) -> bool:
        """Whether one more later attempt may be made; if so, it is spent."""
        self._saved = self._now()
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True

    def give_back(self) -> None:
        """What was asked for last was never sent: it spends nothing."""
        self._saved = min(self.most, self._now() + 1.0)

    def _now(self) -> float:
        """What is saved at this moment; a clock that went back adds nothing."""
        now = self.clock.monotonic()
        if self._saved < 0.0:  # nothing was asked yet: a router starts with what it may save
            self._saved, self._at = self.most, now
        saved = self._saved + max(0.0, now - self._at) * self.per_s
        self._at = max(self._at, now)
        return min(self.most, saved)
