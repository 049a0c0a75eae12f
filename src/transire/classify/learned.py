"""What fitted models say, taken for no more than a hint: whatever they do, a request goes on.

INVARIANT (I2, I4): a model that raises, or returns nonsense, is an empty reading, and is counted;
nothing here can refuse, permit or hold a request.
"""

import math
from collections.abc import Mapping
from typing import Final

from transire.domain.ids import DeploymentId
from transire.domain.learned import NOTHING_LEARNED, Learned, Reading

__all__ = ["Hints"]

_MOST: Final = 1_000


class Hints:
    """Asks a model behind a fence.

    Args:
        tasks: Those that exist; any other is no task.

    Attributes:
        learned: The model; nothing it says outside `read` reaches a request.
        failures: Readings that came to nothing because of the model itself.
    """

    def __init__(self, learned: Learned, tasks: tuple[str, ...]) -> None:
        self.learned = learned
        self._tasks = frozenset(tasks)
        self.failures = 0

    def read(self, text: str, task: str | None, domain: str | None) -> Reading:
        """A reading of which every part is what it should be."""
        try:
            told = self.learned.read(text, task, domain)
            named = told.task if isinstance(told.task, str) and told.task in self._tasks else None
            gains = None if told.gains is None else _whole(told.gains)
        except Exception:  # noqa: BLE001 - a hint that fails is no hint; its text may hold content
            self.failures += 1
            return NOTHING_LEARNED
        return Reading(task=named if task is None else None, gains=gains)


def _whole(gains: Mapping[DeploymentId, int]) -> dict[DeploymentId, int]:
    """The gains, each an integer within the scale.

    Raises:
        Exception: one is no number, or the whole is no mapping.
    """
    kept = {}
    for name, gain in gains.items():
        if not math.isfinite(gain):
            raise ValueError("no number")
        kept[name] = max(-_MOST, min(_MOST, int(gain)))
    return kept
