"""A text with what was found in it marked, as one HTML page that fetches nothing. Pure."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

__all__ = ["marked_page"]

_STYLE: Final = """
:root { color-scheme: light dark;
        --ink: #1d2430; --paper: #fbfaf7; --mark: #f6dfa4; --line: #d9d4c7 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e2d8; --paper: #191c22; --mark: #6b5416; --line: #3a3f49 }
}
body { font: 16px/1.6 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 15px/1.9 ui-monospace, monospace;
      border: 1px solid var(--line); border-radius: 6px; padding: 1rem }
mark { background: var(--mark); color: inherit; border-radius: 3px; padding: 1px 2px }
mark small { font: 600 11px/1 system-ui, sans-serif; margin-left: 4px; opacity: .75 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: 4px 8px; border-bottom: 1px solid var(--line) }
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing in the text can load or run anything, whatever it holds."""


def marked_page(text: str, told: Mapping[str, Any]) -> str:
    """The page.

    Args:
        told: `findings` in order, and the names of `classes`, `failed` and `uncovered`.
    """
    names = ("classes", "failed", "uncovered")
    lists = "".join(
        f"<p><b>{name}</b>: {escape(', '.join(told[name])) or 'none'}</p>" for name in names
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Findings</title><style>{_STYLE}</style></head><body><h1>Findings</h1>{lists}"
        f"<pre>{_marked(text, told['findings'])}</pre>{_table(told['findings'])}</body></html>\n"
    )


def _marked(text: str, findings: Sequence[Mapping[str, Any]]) -> str:
    """The text with every character escaped once; of overlapping findings the first is marked."""
    pieces, at = list[str](), 0
    for finding in sorted(findings, key=lambda f: (f["start"], -f["end"])):
        start, end = finding["start"], finding["end"]
        if start < at:
            continue
        label = escape(f"{finding['entity']} {finding['score']:.2f}")
        pieces += [_plain(text[at:start]), f"<mark>{_plain(text[start:end])}"]
        pieces.append(f"<small>{label}</small></mark>")
        at = end
    return "".join([*pieces, _plain(text[at:])])


def _plain(text: str) -> str:
    """Escaped, without half of a surrogate pair, which UTF-8 cannot hold."""
    return escape(text.encode("utf-8", "replace").decode())


def _table(findings: Sequence[Mapping[str, Any]]) -> str:
    heads = ("start", "end", "entity", "class", "score", "via")
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(str(f[h] or ''))}</td>" for h in heads) + "</tr>"
        for f in findings
    )
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
