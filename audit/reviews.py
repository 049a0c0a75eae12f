"""One hold, and what people say of it: FORMAT.md, "Reviews".

Nothing here reads a file; `rules.py` hands over review entries, in order.
"""

from shapes import moment
from trees import Entry, demand

Pair = tuple[str, str]


class Review:
    """One hold: which queues wait, and who has released it for which."""

    def __init__(self, held: Entry) -> None:
        self.held, self.pair = held, pair_of(held["chosen"])
        self.queues = set(held["review"]["queues"])
        self.ends = moment(str(held["review"].get("expires_at")))
        self.waiting, self.approvers, self.is_open = set(self.queues), set[str](), True

    def _is_over(self, entry: Entry) -> bool:
        at = moment(entry["ts"])
        return self.ends is not None and at is not None and at >= self.ends

    def hear(self, what: str, entry: Entry, key: Entry) -> None:
        kind, is_over = entry["kind"], self._is_over(entry)
        if kind == "review.expired":
            demand(is_over or self.ends is None, f"{what} ends a review before its end")
        else:
            demand(not is_over, f"{what} acts on a review after its end")
        if kind == "review.approved":
            queue, by = entry["queue"], entry["by"]
            demand(queue in self.waiting, f"{what} approves for a queue that does not wait")
            demand(by not in self.approvers, f"{what} is a second approval by {by}")
            is_other = by not in (key.get("holder"), key.get("minted_by"))
            demand(is_other, f"{what} is by {by}, who holds or minted the key")
            self.waiting.remove(queue)
            self.approvers.add(by)
        elif kind in ("review.denied", "review.cancelled", "review.expired"):
            self.is_open = False

    def release(self, what: str, entry: Entry) -> None:
        demand(self.is_open, f"{what} is released by a review that is not open")
        demand(not self._is_over(entry), f"{what} is released after its review's end")
        demand(not self.waiting, f"{what} is released without all its approvals")
        asked, held = (
            (d["app"], d["key_id"], (d.get("request") or {}).get("mac")) for d in (entry, self.held)
        )
        demand(asked == held, f"{what} is not the request that was held")
        self.is_open = False


def pair_of(fields: Entry) -> Pair:
    """A deployment and the form it receives."""
    return fields["deployment"], fields.get("form") or "raw"
