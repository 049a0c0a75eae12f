"""The demo's table: one line per request, one column per deployment, and what there is to say.

    support triage                    eu-     eu-     us- …
                                  economy premium premium …   +ms      USD entry
      a billing dispute              ○       ●       ○    …  46.5 0.000346   #20
        cue billing_dispute
        ◐ us-economy, kept back (verdict: evaluator): “Thanks for getting in touch! …”
        ● eu-premium, by escalation: “I am sorry. …”

It fits into 100 columns, because that is what a terminal has, and is printed request by request.
"""

import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from transire.demo.situations import Case
from transire.outbound.caller import Answer

__all__ = ["WIDTH", "Row", "print_head", "print_legend", "print_row"]

WIDTH: Final = 99
_SHOWS: Final = 30
_CELL: Final = 8
_MS: Final = 6
_USD: Final = 9
_ENTRY: Final = 6
"""Characters of the line, and of its columns."""
_INDENT: Final = 4
_FINE_MS: Final = 100
"""From here on, tenths of a millisecond say nothing."""
_MARKS: Final = {
    "won": ("●", "*", "bold green"),
    "kept": ("◐", "~", "yellow"),
    "held": ("◌", "?", "yellow"),
    "permitted": ("○", "o", "green"),
    "unfit": ("·", ".", "dim"),
    "refused": ("✗", "x", "red"),
}
"""What became of a deployment → its sign, the same without Unicode, and its style."""
_LEGEND: Final = {
    "won": "answered",
    "kept": "kept back",
    "held": "held for a person",
    "permitted": "permitted",
    "unfit": "does not fit",
    "refused": "refused by policy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request as the table shows it.

    Attributes:
        became: Deployment → a key of `_MARKS`.
        facts, notes: What was found and what kept deployments out, in one paragraph; then who
            answered, a line each. Each has the key of the sign it belongs to, or none.
        overhead_ms, cost_usd: As printed; a dash where nothing was sent.
        entry: The decision's place in the log.
    """

    situation: str
    shows: str
    became: Mapping[str, str]
    facts: Sequence[tuple[str, str]]
    notes: Sequence[tuple[str, str]]
    overhead_ms: str
    cost_usd: str
    entry: str

    @classmethod
    def of(
        cls,
        case: Case,
        answer: Answer,
        explained: dict[str, Any],
        entries: Sequence[dict[str, Any]],
        said: Mapping[str, str],
        *,
        shows: str = "",
    ) -> Self:
        """From the answer, the auditor's explanation, and the decision's entries in the log.

        Args:
            said: Deployment → its last answer, as the simulated fleet itself remembers it.
            shows: Instead of what the case shows.
        """
        outcomes = sorted(
            (e for e in entries if e["kind"] == "outcome"), key=lambda e: int(e["attempt"])
        )
        costs = [e["cost_micro_usd"] for e in outcomes if e.get("cost_micro_usd") is not None]
        return cls(
            situation=case.situation,
            shows=shows or case.shows,
            became=_became(answer, explained, outcomes),
            facts=tuple(_facts(explained, entries[0])),
            notes=tuple(_notes(case, answer, explained, outcomes, said)),
            overhead_ms=_short(answer.headers.get("x-transire-overhead-ms")),
            cost_usd=f"{sum(costs) / 1_000_000:.6f}" if costs else "–",
            entry=f"#{explained['index']}",
        )


def _became(
    answer: Answer, explained: dict[str, Any], outcomes: Sequence[dict[str, Any]]
) -> dict[str, str]:
    raw = [row for row in explained["candidates"] if row["form"] == "raw"]
    became = {
        row["deployment"]: "permitted" if row["effect"] == "permit" else "refused" for row in raw
    }
    became |= {row["deployment"]: "unfit" for row in explained["filtered"] if row["form"] == "raw"}
    became |= {e["deployment"]: "kept" for e in outcomes}
    if answer.status == 200:
        became[answer.headers["x-transire-deployment"]] = "won"
    elif _code(answer) == "review_required":
        became[explained["chosen"]["deployment"]] = "held"
    return became


def _facts(explained: dict[str, Any], head: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if seen := _seen(explained):
        yield "", seen
    if refused := _refused(explained):
        yield "refused", refused
    signals = head.get("signals") or {}
    needs = {*(head.get("request") or {}).get("needs", ()), *signals.get("needs", ())}
    told = dict.fromkeys(_unfit(row, needs) for row in explained["filtered"])
    if told:
        yield "unfit", "; ".join(told)


def _seen(explained: dict[str, Any]) -> str:
    facts = explained["facts"]["raw"]["base"] if explained.get("facts") else {}
    found = list(facts.get("data_classes", []))
    failed = list(facts.get("failed_classes", []))
    cues = list((explained.get("signals") or {}).get("cues", []))
    told = (("found", found), ("could not look for", failed), ("cue", cues))
    return ", ".join(f"{what} {', '.join(names)}" for what, names in told if names)


def _refused(explained: dict[str, Any]) -> str:
    rows = (c for c in explained["candidates"] if c["form"] == "raw" and c["effect"] == "forbid")
    return ", ".join(dict.fromkeys(name for row in rows for name in row["because"] or ["no grant"]))


def _unfit(row: dict[str, Any], needs: Collection[str]) -> str:
    """What a deployment lacks, without its own numbers: others lack the same."""
    told = str(row["told"])
    if row["filter"] == "quality":
        return f"quality below {told.partition(' < ')[2]}"
    return f"lacks {', '.join(sorted(needs))}" if row["filter"] == "capability" else told


def _notes(
    case: Case,
    answer: Answer,
    explained: dict[str, Any],
    outcomes: Sequence[dict[str, Any]],
    said: Mapping[str, str],
) -> Iterator[tuple[str, str]]:
    kept = [e for e in outcomes if e["status"] != "ok"]
    for outcome in kept:
        name = outcome["deployment"]
        yield "kept", _with_quote(f"{name}, kept back ({_why_not(outcome)})", said.get(name, ""))
    if answer.status == 200:
        won = _won(answer, explained, was_first=not kept)
        content = answer.document["choices"][0]["message"]["content"] if case.is_quoted else ""
        yield "won", _with_quote(won, content)
    elif _code(answer) == "review_required":
        yield "held", f"{explained['chosen']['deployment']}, once a person has released it"


def _why_not(outcome: dict[str, Any]) -> str:
    """Our verdicts on an answer that was superseded; else how it broke its contract."""
    if verdicts := (outcome.get("appraisal") or {}).get("verdicts"):
        return f"verdict: {', '.join(verdicts)}"
    received = outcome.get("received") or {}
    if received.get("effect") == "withheld":
        return f"rule: {', '.join(received['policies'])}"
    what = "contract" if outcome["status"] == "contract_violated" else outcome["status"]
    return f"{what}: {outcome.get('failure') or 'unknown'}"


def _won(answer: Answer, explained: dict[str, Any], *, was_first: bool) -> str:
    parts = [answer.headers["x-transire-deployment"]]
    repaired = answer.headers.get("x-transire-repaired")
    if repaired is not None:
        parts.append(f"repaired ({repaired})")
    elif was_first:
        parts.append(str((explained.get("ranking") or {}).get("reason", "")).replace("_", " "))
    else:
        is_escalated = "x-transire-escalated" in answer.headers
        parts.append("by escalation" if is_escalated else "asked instead")
    return ", ".join(part for part in parts if part)


def _with_quote(told: str, text: str) -> str:
    """What is said, and as much of the answer as the line holds."""
    left = WIDTH - _INDENT - len(told) - len("● : “”")
    return f"{told}: “{textwrap.shorten(text, left, placeholder=' …')}”" if text else told


def _short(milliseconds: str | None) -> str:
    if milliseconds is None:
        return "–"
    value = float(milliseconds)
    return f"{value:.1f}" if value < _FINE_MS else f"{value:.0f}"


def _code(answer: Answer) -> str:
    return str((answer.document.get("error") or {}).get("code", ""))


def print_legend(console: Console) -> None:
    """Say what the signs mean."""
    told = Text()
    for name, meaning in _LEGEND.items():
        mark, style = _mark(console, name)
        told.append(mark, style=style).append(f" {meaning}   ", style="dim")
    told.rstrip()
    console.print(told, soft_wrap=True)


def print_head(console: Console, situation: str, deployments: Sequence[str]) -> None:
    """A situation's name, above the columns."""
    parts = [name.partition("-") for name in deployments]
    upper = "".join(f"{first}{dash}".rjust(_CELL) for first, dash, _ in parts)
    lower = "".join(rest.rjust(_CELL) for _, _, rest in parts)
    last = "+ms".rjust(_MS) + "USD".rjust(_USD) + "entry".rjust(_ENTRY)
    console.print()
    console.print(Text(situation.ljust(_SHOWS), style="bold") + Text(upper, style="dim"))
    console.print(Text(" " * _SHOWS + lower + last, style="dim"), soft_wrap=True)


def print_row(console: Console, row: Row, deployments: Sequence[str]) -> None:
    """One request: its line, and what there is to say about it."""
    line = Text(f"  {row.shows}".ljust(_SHOWS))
    for name in deployments:
        mark, style = _mark(console, row.became.get(name, "refused"))
        line.append(f"{mark.rjust(_CELL - 3)}   ", style=style)
    line.append(row.overhead_ms.rjust(_MS) + row.cost_usd.rjust(_USD) + row.entry.rjust(_ENTRY))
    console.print(line, soft_wrap=True)
    for paragraph in (row.facts, *((note,) for note in row.notes)):
        if paragraph:
            told = _told(console, paragraph)
            console.print(Padding(told, (0, 0, 0, _INDENT), expand=False), width=WIDTH)


def _told(console: Console, said: Sequence[tuple[str, str]]) -> Text:
    told = Text()
    for name, text in said:
        mark, style = _mark(console, name) if name else ("", "")
        told.append("   " if told else "").append(f"{mark} " if mark else "", style=style)
        told.append(text, style="dim")
    return told


def _mark(console: Console, name: str) -> tuple[str, str]:
    sign, plain, style = _MARKS[name]
    return plain if console.options.ascii_only else sign, style
