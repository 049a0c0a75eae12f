"""Bar charts as one SVG file, readable without colour and by a screen reader. Pure.

Self-contained: no script, no style sheet, no font or address from elsewhere. Every bar says its
number beside it and in a `<title>`; the whole is described in `<desc>`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

__all__ = ["Bar", "Chart", "page"]

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
class Bar:
    """A name, its lengths (the longest last, drawn below), and what is written beside it."""

    name: str
    lengths: tuple[float, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A heading, what the lengths are, and the bars in order."""

    title: str
    note: str
    bars: Sequence[Bar]


def page(title: str, charts: Sequence[Chart]) -> str:
    """The file's text."""
    y, parts, told = 64, list[str](), list[str]()
    for chart in charts:
        drawn, height = _chart(y, chart.title, chart.note, chart.bars)
        parts.append(drawn)
        said = "; ".join(f"{bar.name} {bar.label}" for bar in chart.bars)
        told.append(f"{chart.title}: {said or 'no data'}")
        y += height
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" '
            f'width="{_WIDTH}" height="{y}" role="img" aria-labelledby="title desc" '
            'font-family="system-ui, sans-serif" font-size="13">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="desc">{escape(". ".join(told))}</desc>',
            f'<rect width="{_WIDTH}" height="{y}" fill="#ffffff"/>',
            _text(24, 36, title, size=20, weight=600),
            *parts,
            "</svg>\n",
        ]
    )


def _chart(y: int, title: str, note: str, bars: Sequence[Bar]) -> tuple[str, int]:
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


def _row(y: int, bar: Bar, longest: float) -> str:
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
