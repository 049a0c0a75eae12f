"""From entries to events: decisions, their attempts and how those ended, joined in one pass.

A window is about *decisions*: an attempt or an outcome counts where its decision counts, also when
it ended after the window. Entries are read as they stand: a field that is not what the format says
counts as absent, never as zero.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from transire.domain.feedback import HELPED_PERMILLE
from transire.domain.judge import number_of

__all__ = [
    "UNNAMED",
    "Attempted",
    "Decided",
    "Ended",
    "Event",
    "Graded",
    "Scored",
    "Throttled",
    "Window",
    "follow",
]

UNNAMED: Final = "(none)"
"""The task of a request that was refused before anything judged it."""
_MOST_OPEN: Final = 100_000
"""Decisions whose further attempts are waited for; the oldest is given up first."""
_MOST: Final = 2**53
"""Integers in entries stay below (audit/FORMAT.md)."""
_BEST_PERMILLE: Final = 1_000
_LAST: Final = frozenset({"ok", "partial", "cancelled", "unknown"})
"""After these no further attempt of the decision follows; one before it may yet end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which decisions count: `since` ≤ time < `until`; None is open."""

    since: datetime | None = None
    until: datetime | None = None
    tenant: str | None = None
    app: str | None = None

    def covers(self, entry: Mapping[str, Any]) -> bool:
        """Whether an entry's time, tenant and application are inside."""
        if self.tenant is not None and entry.get("tenant") != self.tenant:
            return False
        if self.app is not None and entry.get("app") != self.app:
            return False
        if self.since is None and self.until is None:
            return True
        try:
            moment = datetime.fromisoformat(str(entry.get("ts")))
        except ValueError:
            return False
        if moment.tzinfo is None:
            return False
        return (self.since is None or moment >= self.since) and (
            self.until is None or moment < self.until
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision.

    Attributes:
        outcome: `permitted`, `denied`, `refused` or `review_required`.
        chosen: The deployment picked; None where none was.
        asked: The model's name as the caller gave it.
        is_release: It was held before and a person released it.
        evaluation: Digest of the verdicts; empty where nobody judged.
        facts: Digest of the facts.
    """

    task: str
    outcome: str
    chosen: str | None
    asked: str
    code: str
    is_release: bool
    evaluation: str
    facts: str


@dataclass(frozen=True, slots=True)
class Attempted:
    """One permit, the decision's first included.

    Attributes:
        verdicts: Of an escalation: those on the answer that it was to better.
    """

    decided: Decided
    deployment: str
    cause: str
    verdicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an attempt ended; None is what the entry does not know.

    Attributes:
        verdicts: What was thought of its answer; None where nobody judged it.
        not_escalated: Why an answer with a verdict went out; empty of any other.
    """

    decided: Decided
    deployment: str
    status: str
    failure: str
    latency_ms: int | None
    first_byte_ms: int | None
    tokens_in: int | None
    tokens_out: int | None
    cost_micro_usd: int | None
    is_repaired: bool = False
    verdicts: tuple[str, ...] | None = None
    not_escalated: str = ""


@dataclass(frozen=True, slots=True)
class Throttled:
    """Refusals at the door, counted by limit; they name a key and no tenant."""

    limit: str
    count: int


@dataclass(frozen=True, slots=True)
class Scored:
    """What somebody said of an answer that was ok, 0–1000; one answer may have several.

    Attributes:
        helped: Of an answer's first judgement, whether it helped; None of any further one.
    """

    decided: Decided
    deployment: str
    score_permille: int
    helped: bool | None = None


@dataclass(frozen=True, slots=True)
class Graded:
    """What came of putting an answer to a judge of the bundle.

    Attributes:
        deployment: Whose answer it was.
        score_permille: None where the judge gave none.
        cost_micro_usd: What the judgment cost; None is unknown.
    """

    decided: Decided
    deployment: str
    score_permille: int | None
    cost_micro_usd: int | None


@dataclass(slots=True)
class _Open:
    """A decision, how many of its attempts have not ended, and whether none follows."""

    decided: Decided
    open: int = 1
    is_over: bool = False


Event = Decided | Attempted | Ended | Scored | Graded | Throttled


def follow(entries: Iterable[Mapping[str, Any]], window: Window) -> Iterator[Event]:
    """The events of the decisions inside the window, in the log's order."""
    waiting: dict[str, _Open] = {}
    answered: dict[str, tuple[Decided, str]] = {}
    judged: dict[str, None] = {}
    put = _PutToJudges()
    for entry in entries:
        kind = entry.get("kind")
        put.hear(entry, waiting, answered)
        if kind == "decision" and window.covers(entry):
            decided = _decided(entry)
            yield decided
            permit = _inner(entry, "permit")
            if permit:
                waiting[str(entry.get("id"))] = _Open(decided)
                if len(waiting) > _MOST_OPEN:
                    del waiting[next(iter(waiting))]
                yield _attempted(decided, entry)
        elif kind == "attempt" and (known := waiting.get(str(entry.get("decision_id")))):
            known.open += 1
            yield _attempted(known.decided, entry)
        elif kind == "outcome" and (known := waiting.get(str(entry.get("decision_id")))):
            ended = _ended(known.decided, entry)
            known.open -= 1
            known.is_over = known.is_over or ended.status in _LAST
            if known.is_over and known.open <= 0:
                del waiting[str(entry.get("decision_id"))]
            if ended.status == "ok":
                answered[str(entry.get("decision_id"))] = (known.decided, ended.deployment)
                if len(answered) > _MOST_OPEN:
                    del answered[next(iter(answered))]
            yield ended
        elif kind == "feedback" and (scored := _scored(entry, answered)) is not None:
            name = str(entry.get("decision_id"))
            yield replace(scored, helped=None) if name in judged else scored
            judged[name] = None
            if len(judged) > _MOST_OPEN:
                del judged[next(iter(judged))]
        elif kind == "judge.ended" and (graded := put.end(entry)) is not None:
            yield graded
        elif kind == "throttled" and _is_counted(entry, window):
            yield Throttled(_text(entry, "limit"), _number(entry, "count") or 0)


class _PutToJudges:
    """Whose answers are before a judge; the oldest is given up first."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, int], str] = {}
        self._before: dict[tuple[str, int], tuple[Decided, str]] = {}

    def hear(
        self,
        entry: Mapping[str, Any],
        waiting: Mapping[str, _Open],
        answered: Mapping[str, tuple[Decided, str]],
    ) -> None:
        """Hear any entry: permits say who answers, and `judge.permitted` who is judged."""
        kind, permit = entry.get("kind"), _inner(entry, "permit")
        name = str(entry.get("id" if kind == "decision" else "decision_id"))
        if kind in ("decision", "attempt") and (number := _number(permit, "attempt")):
            self._answers[name, number] = _text(permit, "deployment") or UNNAMED
            _bound(self._answers)
        if kind != "judge.permitted":
            return
        known = waiting.get(name)
        decided = known.decided if known else answered.get(name, (None,))[0]
        attempt = _number(_inner(entry, "judged"), "attempt")
        if decided is not None and attempt is not None:
            whose = self._answers.get((name, attempt), UNNAMED)
            self._before[name, number_of(attempt)] = (decided, whose)
            _bound(self._before)

    def end(self, entry: Mapping[str, Any]) -> Graded | None:
        """What came of it; None where its decision is outside the window."""
        number = entry.get("attempt")
        key = (str(entry.get("decision_id")), number if type(number) is int else 0)
        found, score = self._before.pop(key, None), _number(entry, "score")
        if found is None:
            return None
        is_score = score is not None and score <= _BEST_PERMILLE
        return Graded(*found, score if is_score else None, _number(entry, "cost_micro_usd"))


def _bound(of: dict[tuple[str, int], Any]) -> None:
    if len(of) > _MOST_OPEN:
        del of[next(iter(of))]


def _scored(entry: Mapping[str, Any], answered: Mapping[str, tuple[Decided, str]]) -> Scored | None:
    """A score of an answer inside the window; None of anything else."""
    known = answered.get(str(entry.get("decision_id")))
    score, success = _number(entry, "score_permille"), entry.get("success")
    if score is None and "score_permille" not in entry and isinstance(success, bool):
        score = _BEST_PERMILLE * int(success)
    if known is None or score is None or score > _BEST_PERMILLE:
        return None
    return Scored(*known, score, success if isinstance(success, bool) else score >= HELPED_PERMILLE)


def _is_counted(entry: Mapping[str, Any], window: Window) -> bool:
    return window.tenant is None and window.app is None and window.covers(entry)


def _decided(entry: Mapping[str, Any]) -> Decided:
    return Decided(
        task=_text(_inner(entry, "signals"), "task") or UNNAMED,
        outcome=_text(entry, "outcome"),
        chosen=_text(_inner(entry, "chosen"), "deployment") or None,
        asked=_text(_inner(entry, "request"), "asked_model"),
        code=_text(entry, "code"),
        is_release=entry.get("outcome") == "permitted" and bool(_text(entry, "review_id")),
        evaluation=_text(entry, "evaluation"),
        facts=_text(entry, "facts"),
    )


def _attempted(decided: Decided, entry: Mapping[str, Any]) -> Attempted:
    permit, verdicts = _inner(entry, "permit"), _names(_inner(entry, "escalation"), "verdicts")
    deployment = _text(permit, "deployment") or UNNAMED
    return Attempted(decided, deployment, _text(permit, "cause"), verdicts)


def _ended(decided: Decided, entry: Mapping[str, Any]) -> Ended:
    return Ended(
        decided=decided,
        deployment=_text(entry, "deployment") or UNNAMED,
        status=_text(entry, "status") or "unknown",
        failure=_text(entry, "failure"),
        # An answer that was given again says nothing of how fast its deployment is.
        latency_ms=None if "saved_micro_usd" in entry else _number(entry, "latency_ms"),
        first_byte_ms=_number(entry, "first_byte_ms"),
        tokens_in=_number(entry, "tokens_in"),
        tokens_out=_number(entry, "tokens_out"),
        cost_micro_usd=_number(entry, "cost_micro_usd"),
        is_repaired=bool(entry.get("repaired")) and isinstance(entry["repaired"], list),
        verdicts=_names(_inner(entry, "appraisal"), "verdicts") if "appraisal" in entry else None,
        not_escalated=_text(entry, "not_escalated"),
    )


def _inner(entry: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = entry.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _names(entry: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = entry.get(name)
    return tuple(n for n in value if isinstance(n, str)) if isinstance(value, list) else ()


def _number(entry: Mapping[str, Any], name: str) -> int | None:
    value = entry.get(name)
    return value if type(value) is int and 0 <= value < _MOST else None
