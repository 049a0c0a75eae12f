"""The demo's table: what was found, who was permitted and who not, who won and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from transire.demo.situations import Case
from transire.outbound.caller import Answer

__all__ = ["Row", "print_rows"]


@dataclass(slots=True)
class Row:
    """One request as the table shows it."""

    situation: str
    shows: str
    found: str
    permitted: str
    refused: str
    result: str
    overhead: str
    cost: str
    entry: str

    @classmethod
    def of(cls, case: Case, answer: Answer, explained: dict[str, Any]) -> Self:
        """From the answer's headers and the auditor's explanation."""
        facts = explained["facts"]["raw"]["base"] if explained.get("facts") else {}
        cues = (explained.get("signals") or {}).get("cues", [])
        failed = (f"failed:{c}" for c in facts.get("failed_classes", []))
        found = [*facts.get("data_classes", []), *failed, *(f"cue:{c}" for c in cues)]
        raw = [c for c in explained["candidates"] if c["form"] == "raw"]
        permitted = [c["deployment"] for c in raw if c["effect"] == "permit"]
        blocking = dict.fromkeys(
            name for c in raw if c["effect"] == "forbid" for name in c["because"] or ["no grant"]
        )
        refused = [f"{len(raw) - len(permitted)}: {', '.join(blocking)}"] if blocking else []
        cost = answer.headers.get("x-transire-cost-micro-usd")
        return cls(
            situation=case.situation,
            shows=case.shows,
            found=", ".join(found) or "nothing",
            permitted=", ".join(permitted) or "nobody",
            refused="; ".join([*refused, *_out(explained["filtered"])]) or "none",
            result=_result(answer, explained),
            overhead=answer.headers.get("x-transire-overhead-ms", "–"),
            cost=f"{int(cost) / 1_000_000:.6f}" if cost else "–",
            entry=f"#{explained['index']}",
        )


def _out(filtered: list[dict[str, Any]]) -> Iterator[str]:
    """Permitted deployments that the request needs more than, by what they lack."""
    for told in dict.fromkeys(row["told"] for row in filtered):
        names = dict.fromkeys(row["deployment"] for row in filtered if row["told"] == told)
        yield f"out: {', '.join(names)}: {told}"


def _result(answer: Answer, explained: dict[str, Any]) -> str:
    if answer.status == 200:
        reason = str((explained.get("ranking") or {}).get("reason", "")).replace("_", " ")
        won = f"{answer.headers['x-transire-deployment']} ({reason})"
        if (rules := answer.headers.get("x-transire-repaired")) is not None:
            won += f", repaired: {rules}"
        attempts = int(answer.headers["x-transire-attempts"])
        return won if attempts == 1 else f"{won}, attempt {attempts}"
    return str(answer.document["error"]["code"])


def print_rows(console: Console, rows: list[Row]) -> None:
    """Print one block per situation."""
    for situation in dict.fromkeys(row.situation for row in rows):
        table = Table(title=situation, title_justify="left", title_style="bold", expand=True)
        for heading, ratio in (
            ("what it shows", 5),
            ("found, and cues", 4),
            ("permitted", 4),
            ("refused, or out, and why", 5),
            ("who won, and why", 4),
        ):
            table.add_column(heading, ratio=ratio, overflow="fold")
        table.add_column("+ms", justify="right", min_width=5)
        table.add_column("USD", justify="right", min_width=8)
        table.add_column("entry", justify="right", min_width=4)
        for row in rows:
            if row.situation != situation:
                continue
            style = "green" if "(" in row.result else "yellow"
            table.add_row(
                escape(row.shows),
                escape(row.found),
                escape(row.permitted),
                escape(row.refused),
                f"[{style}]{escape(row.result)}[/{style}]",
                row.overhead,
                row.cost,
                row.entry,
            )
        console.print(table)
    console.print(
        "out: permitted, but below what the request needs; +ms: what routing added; "
        "entry: the decision's place in the log; –: nothing was sent"
    )
