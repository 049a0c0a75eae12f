"""What was found in texts seen before, so that a growing conversation costs only its new turn.

Holds keyed digests, offsets and entity names; never a text. The key binds tenant and application,
so that no principal can time whether another one sent the same text (I6).
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from transire.classify.scan import Scan
from transire.domain.ports import Keyed

__all__ = ["FindingsCache"]

_MAX_WEIGHT: Final = 100_000
"""One for an entry and one for each of its hits: about 20 MB when full."""
_REDUCED_S: Final = 60.0
"""How long a text counts as read that a weaker model has read in part: long enough for the next
turn of a conversation, and no busy moment is remembered for ever."""


class FindingsCache:
    """Least recently used out first; bounded by entries and hits together.

    Args:
        detector_digest: A detector of another bundle never reads this one's findings.
        monotonic: Seconds; ends what is remembered for a while only.
    """

    def __init__(
        self,
        keyed: Keyed,
        detector_digest: str,
        monotonic: Callable[[], float],
        *,
        max_weight: int = _MAX_WEIGHT,
    ) -> None:
        self._keyed = keyed
        self._prefix = detector_digest.encode()
        self._max_weight = max_weight
        self._weight = 0
        self._monotonic = monotonic
        self._scans: OrderedDict[bytes, tuple[Scan, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._scans)

    def key(self, tenant: str, application: str, text: str) -> bytes:
        """The name of a text for one tenant's application; lengths keep the fields apart."""
        scope = f"{len(tenant)}:{tenant}{len(application)}:{application}".encode()
        return self._keyed.digest(
            "scan", self._prefix + scope + text.encode(errors="surrogatepass")
        )

    def get(self, key: bytes) -> Scan | None:
        """The findings, or None where the text was not seen or was forgotten."""
        known = self._scans.get(key)
        if known is None:
            return None
        scan, at = known
        if scan.reduced and self._monotonic() - at > _REDUCED_S:
            self._forget(key)
            return None
        self._scans.move_to_end(key)
        return scan

    def put(self, key: bytes, scan: Scan) -> None:
        """Remember findings; a failure may be load, so it is not remembered but tried again."""
        weight = 1 + len(scan.hits)
        if scan.failed or key in self._scans or weight > self._max_weight:
            return
        self._scans[key] = scan, self._monotonic() if scan.reduced else 0.0
        self._weight += weight
        while self._weight > self._max_weight:
            self._forget(next(iter(self._scans)))

    def _forget(self, key: bytes) -> None:
        scan, _ = self._scans.pop(key)
        self._weight -= 1 + len(scan.hits)
