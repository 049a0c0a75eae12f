"""What is remembered of a session: classes seen in its turns, and what answered last.

A session is a caller's assertion. What is remembered of it joins the *asserted* facts alone, so it
can only narrow (I5); a session that is forgotten loses a narrowing its caller asked for, and
nothing else. Kept apart by form: what redaction took out of one turn does not close the redacted
form of the next.
"""

from dataclasses import dataclass, replace
from typing import Final

from transire.domain.ids import DataClass, DeploymentId

__all__ = ["NOTHING_SEEN", "Seen", "Session", "SessionRules"]

_KINDS: Final = ("found", "failed", "uncovered", "reduced")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Classes of earlier turns in one form, as `Facts` tells them apart; `|` unites two."""

    found: frozenset[DataClass] = frozenset()
    failed: frozenset[DataClass] = frozenset()
    uncovered: frozenset[DataClass] = frozenset()
    reduced: frozenset[DataClass] = frozenset()

    def __or__(self, other: "Seen") -> "Seen":
        """Everything that either has seen."""
        return Seen(
            found=self.found | other.found,
            failed=self.failed | other.failed,
            uncovered=self.uncovered | other.uncovered,
            reduced=self.reduced | other.reduced,
        )

    def within(self, known: frozenset[DataClass]) -> "Seen":
        """What a taxonomy still knows of it: Cedar is not asked about other names."""
        return Seen(
            found=self.found & known,
            failed=self.failed & known,
            uncovered=self.uncovered & known,
            reduced=self.reduced & known,
        )

    def to_json(self) -> dict[str, list[str]]:
        """Class names by kind, as an entry holds them; kinds that are empty are left out."""
        kinds = {kind: sorted(getattr(self, kind)) for kind in _KINDS}
        return {kind: names for kind, names in kinds.items() if names}


NOTHING_SEEN: Final = Seen()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session as one request finds it: what its earlier turns left.

    Attributes:
        digest: Keyed digest (hex) over tenant, application and the caller's id.
        raw: Seen in the form as sent.
        redacted: Seen in the redacted form; as `raw` where there was none.
        deployment: What answered last, and has not failed since; None without one.
    """

    digest: str
    raw: Seen = NOTHING_SEEN
    redacted: Seen = NOTHING_SEEN
    deployment: DeploymentId | None = None

    def without(self, deployment: DeploymentId) -> "Session":
        """The session once this deployment has failed it."""
        return replace(self, deployment=None) if self.deployment == deployment else self


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRules:
    """The governed part of remembering.

    Attributes:
        idle_s: Seconds without a turn after which a session is forgotten.
        per_application: Sessions remembered of one application; the longest idle goes first.
    """

    idle_s: int = 43_200
    per_application: int = 10_000
