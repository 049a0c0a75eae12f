"""The report as one SVG file: bar charts. Pure."""

from typing import Final

from transire.workbench.bars import Bar, Chart, page
from transire.workbench.report.summary import Report
from transire.workbench.report.text import dollars, plain

__all__ = ["report_svg"]

_MOST_BARS: Final = 12


def report_svg(report: Report) -> str:
    """The file's text."""
    return page(
        f"Traffic report: {report.total.decisions.total():,} decisions",
        [
            Chart(
                "Latency by deployment",
                "milliseconds of good answers; dark to p50, light to p95",
                _latency(report),
            ),
            Chart(
                "Cost by task",
                "US dollars; ≥ where the cost of some attempts is unknown",
                _cost(report),
            ),
            Chart("Share of traffic", "attempts by deployment", _share(report)),
            *_escalations(report),
        ],
    )


def _escalations(report: Report) -> list[Chart]:
    """A chart where anything was escalated, or was not in spite of a verdict; else none."""
    bars = []
    for name, tally in report.tasks.ranked():
        made, kept = tally.causes["escalation"], tally.not_escalated.total()
        if made or kept:
            why = ", ".join(f"{verdict} {n}" for verdict, n in sorted(tally.escalated_for.items()))
            label = f"{made:,}{f' ({plain(why, 60)})' if why else ''}; {kept:,} not"
            bars.append(Bar(plain(name), (made, made + kept), label))
    if not bars:
        return []
    says = "attempts because of a verdict of ours (dark), and answers with one that went out"
    return [Chart("Escalations by task", says, bars[:_MOST_BARS])]


def _latency(report: Report) -> list[Bar]:
    bars = []
    for name, tally in report.deployments.ranked():
        p50, p95 = tally.latency.quantiles(0.5, 0.95)
        if p50 is not None and p95 is not None:
            bars.append(Bar(plain(name), (p50, p95), f"{p50:,} / {p95:,} ms"))
    return bars[:_MOST_BARS]


def _cost(report: Report) -> list[Bar]:
    bars = []
    for name, tally in report.tasks.ranked():
        if not tally.attempts:
            continue
        known = ("≥ " if tally.uncosted else "") + dollars(tally.cost_micro_usd)
        label = known if tally.costed else "unknown"
        bars.append(Bar(plain(name), (tally.cost_micro_usd,), label))
    return bars[:_MOST_BARS]


def _share(report: Report) -> list[Bar]:
    attempts = report.total.attempts
    return [
        Bar(plain(name), (tally.attempts,), f"{tally.attempts / attempts:.1%} ({tally.attempts:,})")
        for name, tally in report.deployments.ranked()
        if tally.attempts
    ][:_MOST_BARS]
