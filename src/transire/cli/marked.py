"""A text with what was found in it marked: in a terminal, or as a page that fetches nothing.

Pure.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final, TypeAlias

__all__ = ["marked_lines", "marked_page"]

_Finding: TypeAlias = Mapping[str, Any]

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
mark small { font: 600 11px/1 system-ui, sans-serif; margin-left: 6px; opacity: .75 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: 4px 8px; border-bottom: 1px solid var(--line) }
"""
_LISTS: Final = ("classes", "failed", "uncovered")
_MARK, _SMALL, _UNMARK = "\x1b[7m", "\x1b[2m", "\x1b[0m"
"""Reverse video, faint, and neither (ECMA-48 §8.3.117)."""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing in the text can load or run anything, whatever it holds."""


def marked_page(text: str, told: Mapping[str, Any]) -> str:
    """The page.

    Args:
        told: `findings` in order, and the names of `classes`, `failed` and `uncovered`.
    """
    lists = "".join(
        f"<p><b>{name}</b>: {escape(', '.join(told[name])) or 'none'}</p>" for name in _LISTS
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Findings</title><style>{_STYLE}</style></head><body><h1>Findings</h1>{lists}"
        f"<pre>{_marked(text, told['findings'])}</pre>{_table(told['findings'])}</body></html>\n"
    )


def marked_lines(text: str, told: Mapping[str, Any]) -> str:
    """The same for a terminal: each finding in reverse video, its entities after it.

    Control characters of the text are shown as signs, so that it commands no terminal.

    Args:
        told: As for `marked_page`.
    """
    pieces, at = list[str](), 0
    for start, end, found in _overlapping(told["findings"]):
        names = ", ".join(dict.fromkeys(f["entity"] for f in found))
        pieces += [_shown(text[at:start]), _MARK, _shown(text[start:end]), _UNMARK]
        pieces.append(f"{_SMALL}[{names}]{_UNMARK}")
        at = end
    pieces.append(_shown(text[at:]))
    lists = (f"{name}: {', '.join(told[name]) or 'none'}" for name in _LISTS)
    return "".join(pieces).rstrip("\n") + "\n\n" + "\n".join(lists)


def _shown(text: str) -> str:
    """Without what a terminal would obey, or half of a surrogate pair."""
    plain = text.encode("utf-8", "replace").decode()
    return "".join(
        c if c in "\n\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in plain
    )


def _marked(text: str, findings: Sequence[_Finding]) -> str:
    """The text with every character escaped once, and one mark for what overlaps."""
    pieces, at = list[str](), 0
    for start, end, found in _overlapping(findings):
        labels = "".join(f"<small>{_label(name, some)}</small>" for name, some in _classes(found))
        marked = f"<mark>{_plain(text[start:end])}{labels}</mark>"
        pieces += [_plain(text[at:start]), marked]
        at = end
    return "".join([*pieces, _plain(text[at:])])


def _overlapping(findings: Sequence[_Finding]) -> list[tuple[int, int, list[_Finding]]]:
    """Ranges in order, none of which meets another, each with all that was found in it."""
    ranges: list[tuple[int, int, list[_Finding]]] = []
    for finding in sorted(findings, key=lambda f: (f["start"], -f["end"])):
        start, end = finding["start"], finding["end"]
        if ranges and start < ranges[-1][1]:
            first, last, found = ranges.pop()
            ranges.append((first, max(last, end), [*found, finding]))
        else:
            ranges.append((start, end, [finding]))
    return ranges


def _classes(found: Sequence[_Finding]) -> list[tuple[str, list[_Finding]]]:
    names = dict.fromkeys(f["class"] for f in found)
    return [(name, [f for f in found if f["class"] == name]) for name in names]


def _label(name: str, found: Sequence[_Finding]) -> str:
    """A class, and who found what of it, the surest first."""
    entities = dict.fromkeys(f["entity"] for f in found)
    told = (f"{e} {_finders([f for f in found if f['entity'] == e])}" for e in entities)
    return escape(f"{name}: {'; '.join(told)}")


def _finders(found: Sequence[_Finding]) -> str:
    best = dict[str, float]()
    for finding in found:
        best[finding["by"]] = max(best.get(finding["by"], 0), finding["score"])
    ordered = sorted(best.items(), key=lambda one: -one[1])
    return ", ".join(f"{score:.2f} {by}" for by, score in ordered)


def _plain(text: str) -> str:
    """Escaped, without half of a surrogate pair, which UTF-8 cannot hold."""
    return escape(text.encode("utf-8", "replace").decode())


def _table(findings: Sequence[_Finding]) -> str:
    """One row for a span and its entity, however many found it."""
    heads = ("start", "end", "entity", "class", "via")
    rows = dict[tuple[str, ...], list[_Finding]]()
    for finding in findings:
        key = tuple("" if finding[name] is None else str(finding[name]) for name in heads)
        rows.setdefault(key, []).append(finding)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in (*key, _finders(found))) + "</tr>"
        for key, found in rows.items()
    )
    head = "".join(f"<th>{name}</th>" for name in (*heads, "found by"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
