"""Which traffic would be better pinned to one deployment, and which pins have become costly.

Findings are proposals with their numbers, never acts. INVARIANT: nothing is said on fewer than
`least` answers on either side of a comparison, nor of a difference that chance explains: it must be
`SIGNIFICANT` standard errors wide.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, Final

from transire.workbench.report.answers import SIGNIFICANT, Answers, is_more, surely
from transire.workbench.report.trace import Decided, Ended, Event, Window, follow

__all__ = ["AUTO", "LEAST", "Finding", "Pins", "find_pins"]

AUTO: Final = "auto"
"""The model's name that leaves the choice to the router."""
LEAST: Final = 30
"""Answers below which nothing is suggested, by default."""
_UNSTABLE: Final = 0.6
"""A task whose busiest deployment has less than this share of the picks has no stable pick."""
_COSTLY: Final = 1.25
"""A pin is costly from this multiple of what `auto` pays on."""
_HIGH: Final = "high"
_MOST: Final = 1_000
"""Tasks, and pairs of task and name, that are followed; the rest is counted as left out."""
_CACHE: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One suggestion.

    Attributes:
        kind: `pin` or `costly_pin`.
        why: `high_stakes`, `regression`, `instability` or `cost`.
        deployment: What to pin to, or the name that was asked for; None where too little is known.
        says: One sentence with the numbers.
        numbers: The same, for programs.
    """

    kind: str
    why: str
    task: str
    deployment: str | None
    says: str
    numbers: Mapping[str, float | int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What was found, and what was not looked at.

    Attributes:
        thin: Tasks with too few answers to say anything.
        left_out: Decisions of tasks or names beyond what is followed.
    """

    findings: list[Finding]
    tasks: int
    thin: list[str]
    left_out: int
    least: int

    def to_json(self) -> dict[str, Any]:
        """Every finding with its numbers."""
        return asdict(self)


@dataclass(slots=True)
class _Task:
    picks: Counter[str] = field(default_factory=Counter)
    high: int = 0
    deployments: dict[str, Answers] = field(default_factory=dict)
    names: dict[str, Answers] = field(default_factory=dict)


def find_pins(
    entries: Iterable[Mapping[str, Any]],
    window: Window,
    facts: Callable[[str], Mapping[str, Any] | None],
    *,
    least: int = LEAST,
    high_stakes: bool = False,
) -> Pins:
    """Read everything once; the findings in order of task.

    Args:
        facts: The facts behind a digest, as the log keeps them; None where they are not there.
        least: Answers below which nothing is said.
        high_stakes: Name tasks of high stakes also where one deployment alone answers them.
    """
    is_high = lru_cache(_CACHE)(lambda digest: _is_high(facts(digest) if digest else None))
    tasks: dict[str, _Task] = {}
    left_out = 0
    for event in follow(entries, window):
        left_out += not _hear(tasks, event, is_high)
    spread = 1 if high_stakes else 2
    findings = [
        found for name in sorted(tasks) for found in _found(name, tasks[name], least, spread)
    ]
    thin = [
        name
        for name, task in sorted(tasks.items())
        if all(a.count < least for a in (*task.deployments.values(), *task.names.values()))
    ]
    return Pins(findings=findings, tasks=len(tasks), thin=thin, left_out=left_out, least=least)


def _hear(tasks: dict[str, _Task], event: Event, is_high: Callable[[str], bool]) -> bool:
    """Count an event; False if there is no room for it."""
    if isinstance(event, Decided):
        return _decide(tasks, event, is_high)
    if not isinstance(event, Ended) or event.status in ("cancelled", "unknown"):
        return True  # says nothing about the deployment
    task = tasks.get(event.decided.task)
    if task is None:
        return True  # its decision was counted as left out
    asked = event.decided.asked
    if asked == AUTO:
        task.deployments.setdefault(event.deployment, Answers()).add(event)
    if asked in task.names or len(task.names) < _MOST:
        task.names.setdefault(asked, Answers()).add(event)
        return True
    return False


def _decide(tasks: dict[str, _Task], event: Decided, is_high: Callable[[str], bool]) -> bool:
    if event.outcome != "permitted" or event.chosen is None:
        return True
    if event.task not in tasks and len(tasks) >= _MOST:
        return False
    task = tasks.setdefault(event.task, _Task())
    if event.asked == AUTO:
        task.picks[event.chosen] += 1
        task.high += is_high(event.facts)
    return True


def _found(name: str, task: _Task, least: int, spread: int) -> list[Finding]:
    pins = [_high_stakes(name, task, least, spread), _instability(name, task, least)]
    found = [pin for pin in pins if pin is not None]
    found += _regressions(name, task, least)
    return found + _costly(name, task, least)


def _high_stakes(name: str, task: _Task, least: int, spread: int) -> Finding | None:
    """A task of high stakes that at least `spread` deployments were picked for."""
    picks = task.picks.total()
    if picks < least or len(task.picks) < spread or 2 * task.high < picks:
        return None
    best, count = _best(task, least), len(task.picks)
    where = f"spread over {count} deployments" if count > 1 else "all by one deployment so far"
    says = f"{task.high} of {picks} decisions were high-stakes, {where}"
    return Finding(
        kind="pin",
        why="high_stakes",
        task=name,
        deployment=best,
        says=f"{says} ({_shares(task.picks)}){_reliable(task, best, least)}",
        numbers={"picks": picks, "high_stakes": task.high, "deployments": count},
    )


def _instability(name: str, task: _Task, least: int) -> Finding | None:
    """A pick that wanders between deployments that do not answer equally well."""
    picks, best = task.picks.total(), _best(task, least)
    if picks < least or best is None or max(task.picks.values()) >= _UNSTABLE * picks:
        return None
    chosen = task.deployments[best]
    others = [a for deployment, a in task.deployments.items() if deployment != best]
    count, ok = sum(a.count for a in others), sum(a.ok for a in others)
    if count < least or not is_more(chosen.ok, chosen.count, ok, count):
        return None
    says = (
        f"no deployment had {_UNSTABLE:.0%} of {picks} picks ({_shares(task.picks)}), and `{best}`"
    )
    return Finding(
        kind="pin",
        why="instability",
        task=name,
        deployment=best,
        says=f"{says} answered {_of(chosen.ok, chosen.count)} well, the others {_of(ok, count)}",
        numbers={
            "picks": picks,
            "top_share": max(task.picks.values()) / picks,
            "ok": chosen.ok,
            "answers": chosen.count,
            "others_ok": ok,
            "others_answers": count,
        },
    )


def _regressions(name: str, task: _Task, least: int) -> list[Finding]:
    """Deployments whose newest answers are worse than those before them."""
    found = []
    for deployment, answers in sorted(task.deployments.items()):
        recent, ok = len(answers.recent), sum(answers.recent)
        if min(recent, answers.earlier) < least:
            continue
        if not is_more(answers.earlier_ok, answers.earlier, ok, recent):
            continue
        best = _best(task, least)
        best = None if best == deployment else best
        before = _of(answers.earlier_ok, answers.earlier)
        says = f"`{deployment}` answered {before} well, of the newest only {_of(ok, recent)}"
        numbers: dict[str, float | int | str] = {
            "regressed": deployment,
            "earlier_ok": answers.earlier_ok,
            "earlier_answers": answers.earlier,
            "recent_ok": ok,
            "recent_answers": recent,
        }
        found.append(
            Finding(
                kind="pin",
                why="regression",
                task=name,
                deployment=best,
                says=says + _reliable(task, best, least),
                numbers=numbers,
            )
        )
    return found


def _costly(name: str, task: _Task, least: int) -> list[Finding]:
    """Models asked by name that cost more than `auto`, which answers no worse."""
    auto = task.names.get(AUTO)
    if auto is None or auto.costed < least:
        return []
    found = []
    for asked, pin in sorted(task.names.items()):
        if asked == AUTO or pin.costed < least or is_more(pin.ok, pin.count, auto.ok, auto.count):
            continue
        more = pin.mean_cost - auto.mean_cost
        error = math.sqrt(pin.cost_error_squared + auto.cost_error_squared)
        if pin.mean_cost < _COSTLY * auto.mean_cost or more <= SIGNIFICANT * error:
            continue
        found.append(_costly_finding(name, asked, pin, auto))
    return found


def _costly_finding(name: str, asked: str, pin: Answers, auto: Answers) -> Finding:
    says = (
        f"an answer of `{asked}` cost {pin.mean_cost:.0f} µ$ ({pin.costed} answers of "
        f"{pin.tokens / pin.costed:.0f} tokens), of `auto` {auto.mean_cost:.0f} µ$ ({auto.costed} "
        f"of {auto.tokens / auto.costed:.0f}); `auto` answered {_of(auto.ok, auto.count)} well, "
        f"the pin {_of(pin.ok, pin.count)}"
    )
    unknown = pin.cost_unknown + auto.cost_unknown
    return Finding(
        kind="costly_pin",
        why="cost",
        task=name,
        deployment=asked,
        says=says + (f"; the cost of {unknown} further answers is unknown" if unknown else ""),
        numbers={
            "pin_cost_micro_usd": round(pin.mean_cost, 1),
            "pin_answers": pin.costed,
            "auto_cost_micro_usd": round(auto.mean_cost, 1),
            "auto_answers": auto.costed,
            "cost_unknown": unknown,
        },
    )


def _best(task: _Task, least: int) -> str | None:
    """The deployment whose share of good answers is surely highest, among those with enough."""
    enough = [(name, a) for name, a in task.deployments.items() if a.count >= least]
    best = max(enough, key=lambda item: (surely(item[1].ok, item[1].count), item[0]), default=None)
    return best[0] if best else None


def _is_high(facts: Mapping[str, Any] | None) -> bool:
    """Whether any form's facts, stricter of the two, say high stakes."""
    forms: Sequence[Any] = list(facts.values()) if facts else []
    sides = [side for form in forms if isinstance(form, dict) for side in form.values()]
    return any(isinstance(side, dict) and side.get("stakes") == _HIGH for side in sides)


def _reliable(task: _Task, best: str | None, least: int) -> str:
    if best is None:
        return f"; no other deployment has {least} answers to be judged by"
    answers = task.deployments[best]
    return f"; `{best}` answered {_of(answers.ok, answers.count)} well"


def _shares(picks: Counter[str]) -> str:
    total = picks.total()
    return ", ".join(f"`{name}` {count / total:.0%}" for name, count in picks.most_common(4))


def _of(ok: int, count: int) -> str:
    return f"{ok} of {count} ({ok / count:.1%})"
