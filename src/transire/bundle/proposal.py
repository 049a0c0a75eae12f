"""A proposal's state and the rules it lives by. Pure: no log, no clock.

A proposal is for one parent, the bundle that was active when it was made. It lapses when another
becomes active; an approval lapses with it, and after seven days. Nothing brings either back: a new
proposal does (also for a roll-back).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from transire.bundle.acts import format_moment, parse_moment
from transire.domain.ids import BundleDigest, PersonId
from transire.domain.request import JsonValue
from transire.errors import IntegrityError

__all__ = [
    "APPROVAL_LIFETIME",
    "PROPOSAL_PREFIX",
    "Approval",
    "Proposal",
    "demand_evidence",
    "proposal_key",
]

APPROVAL_LIFETIME: Final = timedelta(days=7)
"""How long an approval counts."""
PROPOSAL_PREFIX: Final = "bundle/proposal/"
"""State keys of proposals: this and the digest."""


def proposal_key(digest: BundleDigest) -> str:
    """The state key of the proposal of one digest."""
    return f"{PROPOSAL_PREFIX}{digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's approval."""

    by: PersonId
    at: datetime

    def is_fresh(self, now: datetime) -> bool:
        """True within its lifetime; an approval from the future counts for nothing."""
        return self.at <= now < self.at + APPROVAL_LIFETIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A bundle someone wants to be active.

    Attributes:
        parent: The bundle it was proposed against; it can only ever replace that one.
        is_activated: It became active once; activating it again takes a new proposal.
    """

    digest: BundleDigest
    parent: BundleDigest
    author: PersonId
    proposed_at: datetime
    approvals: tuple[Approval, ...] = ()
    is_activated: bool = False

    def is_open(self, active: BundleDigest | None) -> bool:
        """True while it may still be approved and activated."""
        return not self.is_activated and self.parent == active

    def state(self, active: BundleDigest | None) -> str:
        """`open`, `lapsed` (another bundle became active) or `activated`."""
        if self.is_activated:
            return "activated"
        return "open" if self.is_open(active) else "lapsed"

    def approved(self, approval: Approval) -> "Proposal":
        """With this approval, in place of an older one by the same person."""
        kept = tuple(a for a in self.approvals if a.by != approval.by)
        return replace(self, approvals=(*kept, approval))

    def to_activated(self) -> "Proposal":
        """As it stands once it became active."""
        return replace(self, is_activated=True)

    def counting(self, now: datetime, *, solo: bool) -> tuple[Approval, ...]:
        """Approvals that count now: fresh, and in team mode by another than the author."""
        return tuple(a for a in self.approvals if a.is_fresh(now) and (solo or a.by != self.author))

    def entry_fields(self) -> dict[str, JsonValue]:
        """What its `policy.proposed` entry says."""
        return {
            "bundle_digest": self.digest,
            "parent": self.parent,
            "by": self.author,
            "at": format_moment(self.proposed_at),
        }

    def approval_fields(self, approval: Approval) -> dict[str, JsonValue]:
        """What the `policy.approved` entry of this approval says."""
        return {
            "bundle_digest": self.digest,
            "parent": self.parent,
            "author": self.author,
            "by": approval.by,
            "at": format_moment(approval.at),
        }

    def to_text(self) -> str:
        """The state value: JSON, one spelling, so that it can be compared as text."""
        return orjson.dumps(
            {
                "digest": self.digest,
                "parent": self.parent,
                "author": self.author,
                "proposed_at": format_moment(self.proposed_at),
                "approvals": [_approval_fields(a) for a in self.approvals],
                "state": "activated" if self.is_activated else "open",
            },
            option=orjson.OPT_SORT_KEYS,
        ).decode()

    @classmethod
    def from_text(cls, text: str) -> "Proposal":
        """Read a state value back.

        Raises:
            IntegrityError: it is not what `to_text` writes.
        """
        try:
            proposal = cls._read(orjson.loads(text))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            raise IntegrityError("a stored proposal cannot be read") from None
        if proposal.to_text() != text:
            raise IntegrityError("a stored proposal is not in its one spelling")
        return proposal

    @classmethod
    def _read(cls, fields: dict[str, Any]) -> "Proposal":
        return cls(
            digest=BundleDigest(fields["digest"]),
            parent=BundleDigest(fields["parent"]),
            author=PersonId(fields["author"]),
            proposed_at=parse_moment(fields["proposed_at"]),
            approvals=tuple(_read_approvals(fields["approvals"])),
            is_activated=fields["state"] == "activated",
        )


def demand_evidence(
    proposal: Proposal,
    approvals: Iterable[Approval],
    entries: Iterable[Mapping[str, JsonValue]],
) -> None:
    """Find the proposal's own entry and each approval's among entries read from the log.

    Raises:
        IntegrityError: one is missing, so somebody wrote state without an entry.
    """
    wanted = [("policy.proposed", proposal.entry_fields())]
    wanted += [("policy.approved", proposal.approval_fields(a)) for a in approvals]
    held = list(entries)
    for kind, fields in wanted:
        expected = {"kind": kind, **fields}.items()
        if not any(expected <= entry.items() for entry in map(_flat, held)):
            raise IntegrityError(f"the state names a `{kind}` that the log's entries do not hold")


def _flat(entry: Mapping[str, JsonValue]) -> dict[str, str]:
    """The text fields of an entry: all that the entries wanted here consist of."""
    return {name: value for name, value in entry.items() if isinstance(value, str)}


def _approval_fields(approval: Approval) -> dict[str, str]:
    return {"by": approval.by, "at": format_moment(approval.at)}


def _read_approvals(rows: Iterable[dict[str, str]]) -> Iterable[Approval]:
    for row in rows:
        yield Approval(by=PersonId(row["by"]), at=parse_moment(row["at"]))
