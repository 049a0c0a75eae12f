"""Curves of precision and recall against the threshold, as one SVG that fetches nothing. Pure.

One panel a label. The lines differ by dash, not by colour alone; each panel carries its numbers as
a description for those who hear the picture.
"""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Final

from transire.workbench.thresholds import Curve, Point

__all__ = ["chart"]

_STYLE: Final = """
text { font: 12px system-ui, sans-serif; fill: #5b6472 }
.title { font-size: 18px; font-weight: 600; fill: #1d2430 }
.label { font-size: 13px; font-weight: 600; fill: #1d2430 }
.paper { fill: #fbfaf7 }
.grid { stroke: #d9d4c7 }
.now { stroke: #5b6472; stroke-dasharray: 2 3 }
.curve { fill: none; stroke-width: 2.5 }
.recall { stroke: #0b5c8a }
.precision { stroke: #a3420b; stroke-dasharray: 7 4 }
text.recall { stroke: none; font-weight: 600; fill: #0b5c8a }
text.precision { stroke: none; font-weight: 600; fill: #a3420b }
@media (prefers-color-scheme: dark) {
  text { fill: #a7adb8 }
  .title, .label { fill: #e6e2d8 }
  .paper { fill: #191c22 }
  .grid { stroke: #3a3f49 }
  .now { stroke: #a7adb8 }
  .recall { stroke: #7cc4ee }
  .precision { stroke: #f2a46b }
  text.recall { fill: #7cc4ee }
  text.precision { fill: #f2a46b }
}
"""
"""Without variables, which converters to pictures do not know."""
_COLUMNS: Final = 3
_PANEL: Final = (300, 232)
"""Width and height of a panel with its margins, in pixels."""
_PLOT: Final = (36, 34, 236, 150)
"""Left, top, width and height of the axes within a panel."""
_HEAD: Final = 76
_QUARTERS: Final = (0, 25, 50, 75, 100)


def chart(curves: Sequence[Curve], now: Mapping[str, int]) -> str:
    """The picture.

    Args:
        now: Entity → its `min_score_pct` today; labels without one are not looked for.
    """
    columns = max(1, min(_COLUMNS, len(curves)))
    width = columns * _PANEL[0] + 16
    height = _HEAD + -(-len(curves) // columns) * _PANEL[1] + 8
    panels = "".join(
        f'<g transform="translate({8 + i % columns * _PANEL[0]} '
        f'{_HEAD + i // columns * _PANEL[1]})">{_panel(curve, now.get(curve.label), i)}</g>'
        for i, curve in enumerate(curves)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="group" lang="en" aria-labelledby="title">'
        f'<title id="title">Precision and recall by threshold</title><style>{_STYLE}</style>'
        f'<rect class="paper" width="{width}" height="{height}"/>{_head()}{panels}</svg>\n'
    )


def _head() -> str:
    return (
        '<g aria-hidden="true"><text class="title" x="16" y="28">By threshold</text>'
        '<path class="curve recall" d="M16 52h28"/><text class="recall" x="50" y="56">recall</text>'
        '<path class="curve precision" d="M104 52h28"/>'
        '<text class="precision" x="138" y="56">precision</text>'
        '<path class="now" d="M216 44v16"/><text x="224" y="56">now</text></g>'
    )


def _panel(curve: Curve, now: int | None, number: int) -> str:
    left, top, width, height = _PLOT
    spans = curve.points[0].spans
    name = escape(curve.label)
    # The name of a data set's own label may be long: the picture shortens it, the title does not.
    short = escape(curve.label if len(curve.label) < 24 else f"{curve.label[:22]}…")
    lines = _axes() + _line("recall", [point.recall for point in curve.points])
    if curve.points[0].found:
        lines += _line("precision", [point.precision for point in curve.points])
    if now is not None:
        at = left + width * now / 100
        lines += f'<path class="now" d="M{at:.1f} {top}v{height}"/>'
    if not curve.points[0].found:
        why = "not looked for" if now is None else "nothing found"
        lines += f'<text x="{left + width / 2}" y="{top + height / 2}" {_MIDDLE}>{why}</text>'
    return (
        f'<g role="img" aria-labelledby="t{number}" aria-describedby="d{number}">'
        f'<title id="t{number}">{name}</title><desc id="d{number}">{_told(curve, now)}</desc>'
        f'<g aria-hidden="true"><text class="label" x="{left}" y="22">{short}</text>'
        f'<text x="{left + width}" y="22" text-anchor="end">{spans}</text>{lines}</g></g>'
    )


_MIDDLE: Final = 'text-anchor="middle"'


def _axes() -> str:
    left, top, width, height = _PLOT
    drawn = ""
    for pct in _QUARTERS:
        y, x = top + height * (100 - pct) / 100, left + width * pct / 100
        drawn += f'<path class="grid" d="M{left} {y:.1f}h{width}"/>'
        drawn += f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">{pct / 100:g}</text>'
        drawn += f'<text x="{x:.1f}" y="{top + height + 16}" {_MIDDLE}>{pct}</text>'
    where = f'x="{left + width / 2}" y="{top + height + 32}"'
    return drawn + f"<text {where} {_MIDDLE}>min_score_pct</text>"


def _line(name: str, values: Sequence[float | None]) -> str:
    """Steps, for a threshold takes every finding of one score at once; ends where None begins."""
    left, top, width, height = _PLOT

    def place(pct: int, value: float) -> tuple[float, float]:
        return left + width * pct / 100, top + height * (1 - value)

    known = [value for value in values if value is not None]
    x, y = place(0, known[0])
    path = f"M{x:.1f} {y:.1f}"
    for pct, (before, value) in enumerate(pairwise(known)):
        if value != before:
            x, y = place(pct, value)
            path += f"H{x:.1f}V{y:.1f}"
    path += f"H{place(len(known) - 1, known[-1])[0]:.1f}"
    return f'<path class="curve {name}" d="{path}"/>'


def _told(curve: Curve, now: int | None) -> str:
    at = sorted({*_QUARTERS, *([] if now is None else [now])})
    today = "Not looked for. " if now is None else f"Threshold now: {now}. "
    return escape(today + " ".join(_said(curve.points[pct]) for pct in at))


def _said(point: Point) -> str:
    precision = "no findings" if point.precision is None else f"precision {point.precision:.2f}"
    return f"At {point.min_score_pct}: recall {point.recall:.2f}, {precision}."
