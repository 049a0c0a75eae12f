"""What entries did on the strength of evaluations, and whether those allow it. Pure.

Evaluations are side data: entries name them by digest, and what each must allow is collected while
entries are read, for whoever can look the verdicts up.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from transire.errors import IntegrityError
from transire.record.releases import Held, pair_in

__all__ = ["Stood"]

_FORMS: Final = ("raw", "redacted")
_REASONS: Final = ("policies", "limits", "errors")
"""What says no in a row: a rule, something beside the rules, or a rule that could not say."""
_Pair = tuple[str, str]
_Queues = Mapping[_Pair, frozenset[str] | None]
"""Pair → queues that must release it; None where it is forbidden."""


class Stood:
    """Which verdicts entries stand on, and what for.

    A hold stands on its own evaluation: that the chosen pair takes exactly these queues. A permit
    stands on that of its own moment and on all of its request's before it (I3): each permits the
    pair, and its queues are among those that released. A release stands on the hold's evaluation
    besides: its deployment was permitted there within these queues, and a pair that was held
    redacted is released redacted. A judgment stands on its own evaluation, and a shadow on its
    decision's besides: no rule forbids the pair there, nothing else closes it, and nobody has to
    release it.
    """

    def __init__(self) -> None:
        self._held: dict[str, dict[Held, int]] = {}
        self._permitted: dict[str, dict[tuple[_Pair, Held | None], int]] = {}
        self._released: dict[str, dict[tuple[_Pair, Held], int]] = {}
        self._copied: dict[str, dict[_Pair, int]] = {}
        self._decided: dict[str, tuple[str, tuple[str, ...]]] = {}

    def hold(self, index: int, held: Held) -> None:
        """Hear a hold."""
        self._held.setdefault(held.evaluation, {}).setdefault(held, index)

    def permit(
        self, index: int, decision: str, entry: Mapping[str, Any], held: Held | None
    ) -> None:
        """Hear a permit, released by a review or by none.

        Raises:
            IntegrityError: it names no evaluation, or was made under another state than its own.
        """
        what, permit, digest = f"entry {index}", entry["permit"], entry.get("evaluation")
        if not isinstance(digest, str):
            raise IntegrityError(f"{what} permits and names no evaluation")
        for name in ("bundle", "quarantine"):
            if entry.get(name, permit.get(name)) != permit.get(name):
                raise IntegrityError(f"{what} has another {name} than its permit")
        own, before = self._decided.get(decision, (permit["bundle"], ()))
        if entry.get("request_bundle", own) != own:
            raise IntegrityError(
                f"{what} names another request_bundle than its decision was made under"
            )
        if digest not in before:
            before = (*before, digest)
        self._decided[decision] = (own, before)
        pair = pair_in(permit)
        for each in before:
            self._permitted.setdefault(each, {}).setdefault((pair, held), index)
        if held is not None:
            self._released.setdefault(held.evaluation, {}).setdefault((pair, held), index)

    def shadow(self, index: int, decision: str, entry: Mapping[str, Any]) -> None:
        """Hear a shadow of a decision whose permits were heard.

        Raises:
            IntegrityError: it names no evaluation, or is of another bundle than its decision.
        """
        what, permit, digest = f"entry {index}", entry["permit"], entry.get("evaluation")
        own, before = self._decided[decision]
        if permit["bundle"] != own:
            raise IntegrityError(f"{what} is of another bundle than what it copies")
        for name in ("bundle", "quarantine"):
            if entry.get(name, permit.get(name)) != permit.get(name):
                raise IntegrityError(f"{what} has another {name} than its permit")
        for each in dict.fromkeys((before[0], str(digest))):
            self._copied.setdefault(each, {}).setdefault(pair_in(permit), index)

    def judgment(self, index: int, decision: str, entry: Mapping[str, Any]) -> None:
        """Hear a judgment, which stands on its own evaluation: of the answer, too.

        Raises:
            IntegrityError: it is of another bundle than the decision whose answer it is about.
        """
        what, permit, (own, _) = f"entry {index}", entry["permit"], self._decided[decision]
        if permit["bundle"] != own:
            raise IntegrityError(f"{what} is of another bundle than what it judges")
        for name in ("bundle", "quarantine"):
            if entry.get(name, permit.get(name)) != permit.get(name):
                raise IntegrityError(f"{what} has another {name} than its permit")
        shown = self._copied.setdefault(str(entry["evaluation"]), {})
        shown.setdefault(pair_in(permit), index)

    def moderation(self, index: int, entry: Mapping[str, Any]) -> None:
        """Hear a moderation, which stands on its own evaluation: nobody has to release it."""
        known = self._permitted.setdefault(str(entry["evaluation"]), {})
        known.setdefault((pair_in(entry["permit"]), None), index)

    def check(self, digest: str, data: bytes) -> None:
        """Look whether an evaluation allows what entries did on its strength.

        Raises:
            IntegrityError: it does not, or it is none.
        """
        by_digest = (self._held, self._permitted, self._released, self._copied)
        if not any(digest in each for each in by_digest):
            return
        queues, unsaid = _read(digest, data)
        problems = [
            *self._odd_shadows(digest, queues, unsaid),
            *self._odd_holds(digest, queues),
            *self._odd_permits(digest, queues),
            *self._odd_releases(digest, queues),
        ]
        if problems:
            raise IntegrityError(min(problems)[1])

    def _odd_shadows(
        self, digest: str, queues: _Queues, unsaid: frozenset[_Pair]
    ) -> Iterator[tuple[int, str]]:
        for pair, index in self._copied.get(digest, {}).items():
            if pair not in unsaid and queues.get(pair) != frozenset():
                what = f"entry {index} shows {_said(pair)} a copy or an answer"
                yield index, f"{what}, which an evaluation it stands on does not leave open"

    def _odd_holds(self, digest: str, queues: _Queues) -> Iterator[tuple[int, str]]:
        for held, index in self._held.get(digest, {}).items():
            if queues.get(held.pair) != held.queues:
                what = f"entry {index} holds {_said(held.pair)}"
                yield index, f"{what} for other queues than its evaluation names"

    def _odd_permits(self, digest: str, queues: _Queues) -> Iterator[tuple[int, str]]:
        for (pair, held), index in self._permitted.get(digest, {}).items():
            asked, what = queues.get(pair), f"entry {index} permits {_said(pair)}"
            if asked is None:
                yield index, f"{what}, which an evaluation it stands on does not"
            elif not asked <= (held.queues if held else frozenset()):
                yield index, f"{what} without the review that it takes"

    def _odd_releases(self, digest: str, queues: _Queues) -> Iterator[tuple[int, str]]:
        for (pair, held), index in self._released.get(digest, {}).items():
            asked = [queues.get((pair[0], form)) for form in _FORMS]
            is_held = any(each is not None and each <= held.queues for each in asked)
            is_bared = pair[1] != "redacted" and held.pair[1] != "raw"
            if not is_held or is_bared:
                yield index, f"entry {index} releases {_said(pair)}, which was not held"


def _said(pair: _Pair) -> str:
    return f"{pair[0]} ({pair[1]})"


def _read(digest: str, data: bytes) -> tuple[_Queues, frozenset[_Pair]]:
    """What each pair takes, and the pairs of which nothing says yes and nothing says no."""
    queues: dict[_Pair, frozenset[str] | None] = {}
    unsaid: set[_Pair] = set()
    try:
        for row in orjson.loads(data):
            pair = row["deployment"], row["form"]
            if pair in queues:
                raise ValueError("one pair has two verdicts")
            asked = {each["queue"] for each in row["obligations"] if each["kind"] == "review"}
            queues[pair] = frozenset(asked) if row["effect"] == "permit" else None
            if row["effect"] == "forbid" and all(row.get(name) == [] for name in _REASONS):
                unsaid.add(pair)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise IntegrityError(f"evaluation {digest[:16]}… cannot be read") from None
    return queues, frozenset(unsaid)
