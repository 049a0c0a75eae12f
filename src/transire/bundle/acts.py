"""A person's act on governed state: who, when, and the active bundle that judges it.

Every act names the digest it was judged under as a condition of its entry, so an act that lost a
race against an activation fails inside the log's batch with `ConflictError` and changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from transire.bundle.compiled import CompiledBundle
from transire.bundle.entities import INSTALLATION, reference
from transire.domain.ids import BundleDigest, PersonId
from transire.domain.log import Condition, DecisionLog
from transire.domain.request import JsonValue
from transire.errors import AccessError, ConflictError, IntegrityError

__all__ = [
    "ACTIVE_KEY",
    "MODE_KEY",
    "Act",
    "Entries",
    "Judge",
    "format_moment",
    "installation",
    "is_solo",
    "parse_moment",
    "policy_bundle",
    "still_active",
]

ACTIVE_KEY: Final = "bundle/active"
"""State key: the active digest."""
MODE_KEY: Final = "bundle/mode"
"""State key: `solo` or `team`."""


class Judge(Protocol):
    """The active bundle's say on people's acts; `domain.governed.Authorizer` is one."""

    def allows(
        self,
        person: str,
        action: str,
        resource: Mapping[str, Any],
        *,
        now: datetime,
        solo: bool = False,
    ) -> bool:
        """Whether the person may do this to that; anything unclear is False."""


class Entries(Protocol):
    """Entries as the log holds them, not as its state or a projection tells them."""

    async def read_entries(self, kinds: frozenset[str]) -> Sequence[Mapping[str, JsonValue]]:
        """Every entry of these kinds, in log order, each covered by the signed checkpoint.

        Raises:
            IntegrityError: stored bytes do not add up to the checkpoint.
            LogUnavailable: the log cannot be read.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One authenticated person about to change governed state.

    Attributes:
        active: The bundle the caller holds as active; the log checks that it still is.
        judge: Evaluates exactly `active`.
    """

    person: PersonId
    now: datetime
    active: CompiledBundle = field(repr=False)
    judge: Judge = field(repr=False)

    def require(self, action: str, resource: Mapping[str, Any], *, solo: bool) -> None:
        """Let the act go on only where the active bundle allows it.

        Raises:
            AccessError: it does not.
        """
        if not self.allows(self.person, action, resource, solo=solo):
            raise AccessError(
                f"the active bundle does not allow `{self.person}` to {action.replace('_', ' ')}; "
                "roles are granted in catalog/people.yaml"
            )

    def allows(self, person: str, action: str, resource: Mapping[str, Any], *, solo: bool) -> bool:
        """The judge's say about any person, at the moment of this act."""
        return self.judge.allows(person, action, resource, now=self.now, solo=solo)


async def is_solo(log: DecisionLog) -> bool:
    """Whether the installation was founded for one person and is still so.

    Raises:
        ConflictError: there has been no genesis yet.
        IntegrityError: the state says neither.
    """
    mode = await log.get(MODE_KEY)
    if mode is None:
        raise ConflictError("no bundle was ever activated; `transire init` founds an installation")
    if mode not in ("solo", "team"):
        raise IntegrityError(f"the state `{MODE_KEY}` is neither `solo` nor `team`")
    return mode == "solo"


def still_active(act: Act, *, solo: bool) -> tuple[Condition, ...]:
    """What every governed entry is conditional on: the bundle and mode that judged the act."""
    return (
        Condition(key=ACTIVE_KEY, equals=act.active.digest),
        Condition(key=MODE_KEY, equals="solo" if solo else "team"),
    )


def policy_bundle(digest: BundleDigest, author: str) -> dict[str, Any]:
    """The Cedar resource of propose, approve and activate."""
    attrs = {"author": reference("User", author)}
    return {"type": "PolicyBundle", "id": digest, "attrs": attrs}


def installation() -> dict[str, Any]:
    """The Cedar resource of quarantine acts."""
    return {"type": "Installation", "id": INSTALLATION}


def format_moment(moment: datetime) -> str:
    """One spelling of a time in state: ISO 8601, UTC, microseconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_moment(text: str) -> datetime:
    """Read `format_moment` back.

    Raises:
        ValueError: any other spelling.
    """
    moment = datetime.fromisoformat(text)
    if format_moment(moment) != text:
        raise ValueError("not in the one spelling")
    return moment
