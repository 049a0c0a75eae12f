"""What the log itself says about governed change: bundle, mode, quarantine, second people. Pure.

The rules are in audit/FORMAT.md, "Rules across entries". In a team, nobody approves what they
proposed, turns the log solo alone, ratifies what they imposed, or lifts a quarantine alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from transire.errors import IntegrityError
from transire.record.shape import moment_of

__all__ = ["Blocked", "Changed"]

_MODES: Final = frozenset({"solo", "team"})
_FRESH: Final = timedelta(days=7)
"""What one person approved or wished waits so long for another."""


@dataclass(slots=True)
class _Proposed:
    author: str
    parent: str
    approvers: dict[str, datetime] = field(default_factory=dict)


class Changed:
    """Which bundle is active at a place in the log, in which mode, and who proposed which other.

    Attributes:
        active: The active digest; None before a genesis.
    """

    def __init__(self) -> None:
        self.active: str | None = None
        self._mode = ""
        self._asker: str | None = None
        self._asked_at: datetime | None = None
        self._proposed: dict[str, _Proposed] = {}

    @property
    def is_team(self) -> bool:
        """Whether changes take a second person here."""
        return self._mode != "solo"

    def found(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear a genesis.

        Raises:
            IntegrityError: it is the second one.
        """
        if self.active is not None:
            raise IntegrityError(f"{what} founds a log that was founded before")
        self.active, self._mode = entry["bundle_digest"], entry["mode"]

    def hear(self, what: str, entry: Mapping[str, Any]) -> None:
        """Hear any other `policy.*` entry.

        Raises:
            IntegrityError: it is about something that is not there, or lacks its second person.
        """
        match entry["kind"]:
            case "policy.proposed":
                self._unfounded(what, entry)
                self._propose(what, entry)
            case "policy.approved":
                self._unfounded(what, entry)
                self._approve(what, entry)
            case "policy.activated":
                self._unfounded(what, entry)
                self._activate(what, entry)
            case "policy.solo_asked":
                self._asker, self._asked_at = entry["by"], moment_of(entry["ts"])
            case "policy.mode_changed":
                self._change(what, entry)

    def _unfounded(self, what: str, entry: Mapping[str, Any]) -> None:
        if "continues" in entry:
            raise IntegrityError(f"{what} continues another log and is no genesis")

    def _propose(self, what: str, entry: Mapping[str, Any]) -> None:
        if self.active is None or entry["parent"] != self.active:
            raise IntegrityError(f"{what} proposes against another parent")
        self._proposed[entry["bundle_digest"]] = _Proposed(entry["by"], self.active)

    def _approve(self, what: str, entry: Mapping[str, Any]) -> None:
        proposed = self._of(what, entry)
        if self.is_team and entry["by"] == proposed.author:
            raise IntegrityError(f"{what} is an approval by the author")
        proposed.approvers[entry["by"]] = moment_of(entry["ts"])

    def _activate(self, what: str, entry: Mapping[str, Any]) -> None:
        if self.active is None or entry.get("parent") != self.active:
            raise IntegrityError(f"{what} activates against another parent")
        proposed, named = self._of(what, entry), frozenset(entry["approved_by"])
        is_own = self.is_team and proposed.author in named
        fresh = {by for by, at in proposed.approvers.items() if _is_fresh(at, entry)}
        if not named or is_own or not named <= fresh:
            raise IntegrityError(f"{what} activates what nobody else approved")
        self.active = entry["bundle_digest"]
        del self._proposed[entry["bundle_digest"]]

    def _of(self, what: str, entry: Mapping[str, Any]) -> _Proposed:
        """The proposal an act is about; one against an earlier bundle has lapsed."""
        proposed = self._proposed.get(entry["bundle_digest"])
        if proposed is None or proposed.parent != self.active:
            raise IntegrityError(f"{what} is about what nobody proposed")
        return proposed

    def _change(self, what: str, entry: Mapping[str, Any]) -> None:
        if entry["was"] != self._mode or entry["mode"] not in _MODES:
            raise IntegrityError(f"{what} changes another mode than the log's")
        asker = self._asker
        is_granted = bool(asker) and entry.get("asked_by") == asker and entry["by"] != asker
        if self.is_team and not (is_granted and _is_fresh(self._asked_at, entry)):
            raise IntegrityError(f"{what} turns solo without a second person")
        self._mode, self._asker = entry["mode"], None


@dataclass(slots=True)
class _Block:
    """One blocked thing; of what a lost log had blocked, nobody knows who did or asked what."""

    by: str | None = None
    asker: str | None = None
    asked_at: datetime | None = None
    is_kept: bool = False


class Blocked:
    """What is quarantined at a place in the log, and under which version.

    A log that continues another starts with what its genesis says was blocked; where an early one
    says nothing, the version is unknown until the next quarantine.
    """

    def __init__(self) -> None:
        self._blocks: dict[str, _Block] = {}
        self._version: int | None = None

    def found(self, entry: Mapping[str, Any]) -> None:
        """Hear a genesis."""
        kept = entry.get("quarantine") if "continues" in entry else {"version": 0, "blocked": []}
        if isinstance(kept, dict):
            self._version = kept.get("version")
            self._blocks = {name: _Block(is_kept=True) for name in kept.get("blocked") or ()}

    def move(self, what: str, entry: Mapping[str, Any], *, is_team: bool) -> None:
        """Hear that something was imposed, ratified or lifted, or that somebody asks to lift it.

        Raises:
            IntegrityError: the version does not follow, what is touched is not there, or it is
                done alone and takes two.
        """
        verb, version = entry["kind"].partition(".")[2], entry["version"]
        name = f"{entry['subject']}/{entry['subject_id']}"
        if self._version is not None:
            if version != self._version + (verb in ("imposed", "lifted")):
                raise IntegrityError(f"{what} skips a version of the quarantine")
            if (name in self._blocks) == (verb == "imposed"):
                raise IntegrityError(f"{what} imposes what is blocked, or touches what is not")
        self._version = version
        block = self._blocks.setdefault(name, _Block(is_kept=True))
        by = entry["by"]
        if verb == "imposed":
            self._blocks[name] = _Block(by)
        elif verb == "lift_asked":
            block.asker, block.asked_at = by, moment_of(entry["ts"])
        elif verb == "ratified":
            if is_team and block.by == by:
                raise IntegrityError(f"{what} is ratified by who imposed it")
        else:
            if is_team and not _is_asked(block, entry):
                raise IntegrityError(f"{what} is lifted without a second person")
            del self._blocks[name]

    def judge(self, what: str, permit: Mapping[str, Any], tenant: str) -> None:
        """Hear a permit.

        Raises:
            IntegrityError: it is for something that is blocked, or was judged under another
                version.
        """
        asked = (("deployment", permit["deployment"]), ("provider", permit["provider"]))
        for kind, name in (*asked, ("tenant", tenant)):
            if f"{kind}/{name}" in self._blocks:
                raise IntegrityError(f"{what} permits what was quarantined: {kind}/{name}")
        if self._version is not None and permit.get("quarantine") != self._version:
            raise IntegrityError(f"{what} permits under another version of the quarantine")


def _is_asked(block: _Block, entry: Mapping[str, Any]) -> bool:
    """Somebody else than who lifts it had asked for it; in a lost log, perhaps."""
    asker = entry.get("asked_by")
    if not asker or asker == entry["by"]:
        return False
    if block.asker is None:
        return block.is_kept
    return asker == block.asker and _is_fresh(block.asked_at, entry)


def _is_fresh(at: datetime | None, entry: Mapping[str, Any]) -> bool:
    """Whether what somebody said then still counts for this entry."""
    return at is not None and moment_of(entry["ts"]) < at + _FRESH
