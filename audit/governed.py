"""What governs at a place in the log: FORMAT.md, "What governs".

Nothing here reads a file; `rules.py` hands over policy and quarantine entries, in order.
"""

import datetime as dt

from shapes import moment
from trees import TAMPERED, Entry, Finding, Key, demand

FRESH = dt.timedelta(days=7)  # what one person said waits so long for another


class Governed:
    """What governs at a place in the log: bundle, mode, quarantine; and who may change it."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.continues: str | None = None
        self.active: str | None = None
        self.mode = ""
        self.version: int | None = None
        self.blocked: dict[str, Entry] = {}
        self.proposals: dict[str, Entry] = {}
        self.asker: str | None = None
        self.asked: Entry = {}

    def hear(self, what: str, entry: Entry) -> None:
        topic, verb = entry["kind"].split(".", 1)
        if topic == "quarantine":
            if verb in ("imposed", "ratified", "lift_asked", "lifted"):
                self._quarantine(what, verb, entry)
        elif verb == "genesis":
            self._found(what, entry)
        elif verb in ("proposed", "approved", "activated"):
            self._propose(what, verb, entry)
        elif verb == "solo_asked":
            self.asker, self.asked = entry["by"], entry
        elif verb == "mode_changed":
            is_from = entry["was"] == self.mode and entry["mode"] in ("solo", "team")
            demand(is_from, f"{what} changes another mode than the log's")
            is_asked = self.asker and entry.get("asked_by") == self.asker != entry["by"]
            is_asked = is_asked and _is_fresh(self.asked, entry)
            is_solo = self.mode == "solo"
            demand(is_solo or is_asked, f"{what} turns solo without a second person")
            self.mode, self.asker = entry["mode"], None

    def _found(self, what: str, entry: Entry) -> None:
        demand(self.active is None, f"{what} founds a log that was founded before")
        kept: Entry = {"version": 0, "blocked": []}
        if "continues" in entry:
            self._continue(f"the succession in {what}", entry)
            kept = entry.get("quarantine") or {}
        self.version = kept.get("version")
        self.blocked = {name: {"is_kept": True} for name in kept.get("blocked") or []}
        self.active, self.mode = entry["bundle_digest"], entry["mode"]

    def _continue(self, what: str, entry: Entry) -> None:
        """A genesis after a lost log: that log's key signed where it stood and who follows it."""
        given = entry["continues"]
        try:
            lost = Key(str(given.get("key")))
            lines = lost.text_of(str(given.get("note")), what).split("\n")
        except (Finding, AttributeError):  # whatever it is, this log's own key signed the entry
            raise Finding(TAMPERED, f"{what} is not signed by the lost log's key") from None
        is_one = len(lines) == 9 and lines[0] == "transire-succession/v1" and not lines[8]
        demand(is_one, f"{what} is not one")
        lost.parse("\n".join(lines[1:4]) + "\n", what)
        founded = [f"bundle {entry.get('bundle_digest')}", f"mode {entry.get('mode')}"]
        is_ours = lines[4:6] == founded and lines[7] == self.key.spelled
        demand(is_ours, f"{what} is for another bundle, mode or log")
        self.continues = f"{lines[1]} from its size {lines[2]}"

    def _propose(self, what: str, verb: str, entry: Entry) -> None:
        """Proposed against the active bundle, approved and activated while it still is."""
        digest, proposal = entry["bundle_digest"], self.proposals.get(entry["bundle_digest"])
        demand("continues" not in entry, f"{what} continues another log and is no genesis")
        if verb == "proposed":
            is_now = self.active and entry["parent"] == self.active
            demand(is_now, f"{what} proposes against another parent")
            self.proposals[digest] = {"author": entry["by"], "parent": self.active, "by": {}}
            return
        if verb == "activated":
            is_now = self.active and entry.get("parent") == self.active
            demand(is_now, f"{what} activates against another parent")
        is_open = proposal and proposal["parent"] == self.active
        demand(is_open, f"{what} is about what nobody proposed")
        proposal = proposal or {}
        is_team = self.mode != "solo"
        if verb == "approved":
            is_other = entry["by"] != proposal["author"] or not is_team
            demand(is_other, f"{what} is an approval by the author")
            proposal["by"][entry["by"]] = entry
        else:
            named = set(entry["approved_by"])
            is_other = not is_team or proposal["author"] not in named
            fresh = {by for by, given in proposal["by"].items() if _is_fresh(given, entry)}
            is_approved = named and named <= fresh and is_other
            demand(is_approved, f"{what} activates what nobody else approved")
            self.active = digest
            del self.proposals[digest]

    def _quarantine(self, what: str, verb: str, entry: Entry) -> None:
        name, version = f"{entry['subject']}/{entry['subject_id']}", entry["version"]
        moves = verb in ("imposed", "lifted")
        if self.version is not None:
            is_next = version == self.version + moves
            demand(is_next, f"{what} skips a version of the quarantine")
            is_there = name in self.blocked
            is_odd = is_there == (verb == "imposed")
            demand(not is_odd, f"{what} imposes what is blocked, or touches what is not")
        self.version = version
        row = self.blocked.setdefault(name, {"is_kept": True})
        by, is_team = entry["by"], self.mode != "solo"
        if verb == "imposed":
            self.blocked[name] = {"by": by}
        elif verb == "ratified":
            is_other = not is_team or row.get("by") != by
            demand(is_other, f"{what} is ratified by who imposed it")
        elif verb == "lift_asked":
            row["asker"], row["asked"] = by, entry
        else:
            asker = entry.get("asked_by")
            # A log that continues another does not say who had asked there.
            is_asked = asker and asker == row.get("asker", asker if "is_kept" in row else None)
            is_asked = is_asked and ("asked" not in row or _is_fresh(row["asked"], entry))
            is_other = not is_team or (is_asked and asker != by)
            demand(is_other, f"{what} is lifted without a second person")
            del self.blocked[name]

    def judge(self, what: str, permit: Entry, tenant: str) -> None:
        """A permit, under what governs now."""
        is_current = permit["bundle"] == self.active
        demand(is_current, f"{what} permits under a bundle that was not active")
        for at in (
            f"deployment/{permit['deployment']}",
            f"provider/{permit['provider']}",
            f"tenant/{tenant}",
        ):
            demand(at not in self.blocked, f"{what} permits what was quarantined: {at}")
        is_current = self.version in (None, permit.get("quarantine"))
        demand(is_current, f"{what} permits under another version of the quarantine")


def _is_fresh(said: Entry, counted: Entry) -> bool:
    """What the one entry says still counts for the other."""
    at, now = moment(said["ts"]), moment(counted["ts"])
    return at is not None and now is not None and now < at + FRESH
