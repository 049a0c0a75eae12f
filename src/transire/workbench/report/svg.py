"""The report as one SVG file: three bar charts, readable without colour and by a screen reader.

Self-contained: no script, no style sheet, no font or address from elsewhere. Every bar says its
number beside it and in a `<title>`; the whole is described in `<desc>`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from transire.workbench.report.summary import Report
from transire.workbench.report.text import dollars, plain

__all__ = ["report_svg"]

_MOST_BARS: Final = 12
_WIDTH: Final = 860
_LEFT: Final = 210
_BARS: Final = 460
_ROW: Final = 30
_HEAD: Final = 58
_INK: Final = "#1b1f24"
_FAINT: Final = "#57606a"
_FILLS: Final = ("#0b5cad", "#7fb2e5")
"""Contrast against white 6.6 and 2.2; every bar has an outline and its number in ink."""


@dataclass(frozen=True, slots=True)
class _Bar:
    """A name, its lengths (the longest last, drawn below), and what is written beside it."""

    name: str
    lengths: tuple[float, ...]
    label: str


def report_svg(report: Report) -> str:
    """The file's text."""
    charts = [
        (
            "Latency by deployment",
            "milliseconds of good answers; dark to p50, light to p95",
            _latency(report),
        ),
        ("Cost by task", "US dollars; ≥ where the cost of some attempts is unknown", _cost(report)),
        ("Share of traffic", "attempts by deployment", _share(report)),
    ]
    y, parts, told = 64, list[str](), list[str]()
    for title, note, bars in charts:
        drawn, height = _chart(y, title, note, bars)
        parts.append(drawn)
        told.append(f"{title}: " + ("; ".join(f"{b.name} {b.label}" for b in bars) or "no data"))
        y += height
    decisions = f"{report.total.decisions.total():,} decisions"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" '
            f'width="{_WIDTH}" height="{y}" role="img" aria-labelledby="title desc" '
            'font-family="system-ui, sans-serif" font-size="13">',
            f'<title id="title">Traffic report: {decisions}</title>',
            f'<desc id="desc">{escape(". ".join(told))}</desc>',
            f'<rect width="{_WIDTH}" height="{y}" fill="#ffffff"/>',
            _text(24, 36, f"Traffic report: {decisions}", size=20, weight=600),
            *parts,
            "</svg>\n",
        ]
    )


def _latency(report: Report) -> list[_Bar]:
    bars = []
    for name, tally in report.deployments.ranked():
        p50, p95 = tally.latency.quantiles(0.5, 0.95)
        if p50 is not None and p95 is not None:
            bars.append(_Bar(plain(name), (p50, p95), f"{p50:,} / {p95:,} ms"))
    return bars[:_MOST_BARS]


def _cost(report: Report) -> list[_Bar]:
    bars = []
    for name, tally in report.tasks.ranked():
        if not tally.attempts:
            continue
        known = ("≥ " if tally.uncosted else "") + dollars(tally.cost_micro_usd)
        label = known if tally.costed else "unknown"
        bars.append(_Bar(plain(name), (tally.cost_micro_usd,), label))
    return bars[:_MOST_BARS]


def _share(report: Report) -> list[_Bar]:
    attempts = report.total.attempts
    return [
        _Bar(
            plain(name), (tally.attempts,), f"{tally.attempts / attempts:.1%} ({tally.attempts:,})"
        )
        for name, tally in report.deployments.ranked()
        if tally.attempts
    ][:_MOST_BARS]


def _chart(y: int, title: str, note: str, bars: Sequence[_Bar]) -> tuple[str, int]:
    parts = [
        _text(24, y + 18, title, size=16, weight=600),
        _text(24, y + 38, note, fill=_FAINT),
    ]
    if not bars:
        parts.append(_text(_LEFT, y + _HEAD + 18, "no data", fill=_FAINT))
    longest = max((bar.lengths[-1] for bar in bars), default=0) or 1
    for row, bar in enumerate(bars):
        parts.append(_row(y + _HEAD + row * _ROW, bar, longest))
    height = _HEAD + max(len(bars), 1) * _ROW + 24
    heading = f'<g role="group" aria-label="{escape(title, {chr(34): "&quot;"})}">'
    return "\n".join([heading, *parts, "</g>"]), height


def _row(y: int, bar: _Bar, longest: float) -> str:
    rects = []
    for fill, length in reversed(list(zip(_FILLS, bar.lengths, strict=False))):
        width = round(_BARS * length / longest, 1)
        rects.append(
            f'<rect x="{_LEFT}" y="{y}" width="{width}" height="18" rx="2" fill="{fill}" '
            f'stroke="{_INK}" stroke-width="0.5"/>'
        )
    end = _LEFT + round(_BARS * bar.lengths[-1] / longest) + 8
    name = _text(_LEFT - 10, y + 14, bar.name, anchor="end")
    label = _text(end, y + 14, bar.label)
    said = escape(f"{bar.name}: {bar.label}")
    return f"<g><title>{said}</title>{name}{''.join(rects)}{label}</g>"


def _text(
    x: int,
    y: int,
    words: str,
    *,
    size: int = 13,
    weight: int = 400,
    fill: str = _INK,
    anchor: str = "start",
) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{fill}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )
