"""Runs as one SVG file: misses, cost and shares, one chart each and scenario. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from transire.workbench.bars import Bar, Chart, page

__all__ = ["runs_svg"]


def runs_svg(rows: Sequence[Mapping[str, Any]]) -> str:
    """The file's text.

    Args:
        rows: As `transire simulate --format json` prints them, scenario by scenario.
    """
    charts: list[Chart] = []
    for scenario in dict.fromkeys(row["scenario"] for row in rows):
        mine = [row for row in rows if row["scenario"] == scenario]
        charts += [
            Chart(
                f"{scenario}: missed",
                "requests that failed or took too long, per cent",
                [_bar(row, "missed_pct", f"{row['missed_pct']:.2f} %") for row in mine],
            ),
            Chart(
                f"{scenario}: cost",
                "micro-dollars a request",
                [_bar(row, "cost_micro_usd", f"{row['cost_micro_usd']:,.0f} µ$") for row in mine],
            ),
            Chart(
                f"{scenario}: shares under transire",
                "attempts by deployment",
                [
                    Bar(name, (share,), f"{share:.1%}")
                    for row in mine
                    if row["chooser"] == "transire"
                    for name, share in row["shares"].items()
                ],
            ),
        ]
    return page("Simulated choosing", charts)


def _bar(row: Mapping[str, Any], field: str, label: str) -> Bar:
    return Bar(row["chooser"], (float(row[field]),), label)
