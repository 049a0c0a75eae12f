"""An experiment's report for people: lines of text, and a plot of intervals as SVG. Pure."""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from transire.workbench.experiments.estimate import Report, VariantReport
from transire.workbench.experiments.intervals import Estimate

__all__ = ["report_lines", "report_plot"]

_WIDTH: Final = 760
_LEFT: Final = 170
_SCALE: Final = 420
_ROW: Final = 34
_INK: Final = "#1b1f24"
_BAR: Final = "#0b5cad"


def report_lines(reports: Sequence[Report]) -> list[str]:
    """One block for each experiment."""
    lines: list[str] = []
    for report in reports:
        lines += [f"{report.experiment} ({report.digest[:12]})"]
        lines += [f"  {line}" for variant in report.variants for line in _lines(variant)]
    return lines or ["no decision of this log took part in an experiment"]


def _lines(one: VariantReport) -> list[str]:
    units = f" of {one.units} units" if one.units < one.count else ""
    told = [
        f"{one.variant}: {one.count} decisions{units}, success {_percent(one.success)}",
        f"  first attempt failed {_percent(one.failed_first)}, "
        f"contract violations {_percent(one.violations)}",
        f"  mean {_number(one.latency_ms)} ms, {_number(one.cost_micro_usd)} micro-USD; "
        f"with everybody (SNIPS) {_percent(one.snips)}",
    ]
    if one.rolled_back:
        told.append(f"  rolled back: worse than control by `{one.rolled_back}`")
    return told


def report_plot(reports: Sequence[Report]) -> str:
    """Success by variant with its interval, from 0 to 100 %; readable without colour."""
    y, parts, told = 64, list[str](), list[str]()
    for report in reports:
        parts.append(_text(24, y, f"{report.experiment} ({report.digest[:12]})", size=16))
        y += 12
        for one in report.variants:
            parts.append(_interval(y, one))
            told.append(f"{report.experiment} {one.variant}: success {_percent(one.success)}")
            y += _ROW
        parts.append(_axis(y + 8))
        y += 48
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" '
            f'width="{_WIDTH}" height="{y}" role="img" aria-labelledby="title desc" '
            'font-family="system-ui, sans-serif" font-size="13">',
            '<title id="title">Success by variant, with 95 % intervals</title>',
            f'<desc id="desc">{escape(". ".join(told) or "no data")}</desc>',
            f'<rect width="{_WIDTH}" height="{y}" fill="#ffffff"/>',
            _text(24, 32, "Success by variant, with 95 % intervals", size=18),
            *parts,
            "</svg>\n",
        ]
    )


def _axis(y: int) -> str:
    ticks = (
        _text(_LEFT + _SCALE * percent // 100, y, f"{percent} %", anchor="middle")
        for percent in (0, 50, 100)
    )
    return "".join(ticks)


def _interval(y: int, one: VariantReport) -> str:
    name = _text(_LEFT - 10, y + 18, one.variant, anchor="end")
    if one.success.value is None or one.success.low is None or one.success.high is None:
        return name + _text(_LEFT, y + 18, "no data")
    at, low, high = (
        _LEFT + round(_SCALE * end)
        for end in (one.success.value, one.success.low, one.success.high)
    )
    drawn = (
        f'<line x1="{_LEFT}" x2="{_LEFT + _SCALE}" y1="{y + 14}" y2="{y + 14}" stroke="#d0d7de"/>'
        f'<line x1="{low}" x2="{high}" y1="{y + 14}" y2="{y + 14}" stroke="{_BAR}" '
        f'stroke-width="4"/><circle cx="{at}" cy="{y + 14}" r="6" fill="{_BAR}" stroke="{_INK}"/>'
    )
    mark = " (rolled back)" if one.rolled_back else ""
    label = _text(_LEFT + _SCALE + 12, y + 18, f"{one.success.value:.0%} of {one.count}{mark}")
    said = escape(f"{one.variant}: {_percent(one.success)} of {one.count}{mark}")
    return f"<g><title>{said}</title>{name}{drawn}{label}</g>"


def _text(x: int, y: int, words: str, *, size: int = 13, anchor: str = "start") -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{_INK}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )


def _percent(one: Estimate) -> str:
    if one.value is None or one.low is None or one.high is None:
        return "unknown"
    return f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%})"


def _number(one: Estimate) -> str:
    if one.value is None:
        return "unknown"
    if one.low is None or one.high is None:
        return f"{one.value:,.0f}"
    return f"{one.value:,.0f} ({one.low:,.0f} to {one.high:,.0f})"
