"""`transire decision …`: one decision, as its auditor reads it."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from transire.cli.session import Url, api, emit, named, shown

__all__ = ["app", "explain", "replay"]

app = typer.Typer(help="Why a decision came out as it did.", no_args_is_help=True)
_LOCAL = "http://127.0.0.1:8080"
Id = Annotated[str, typer.Argument(help="A decision id, `dec_…`.")]


@app.command()
@shown
def explain(
    decision_id: Id,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
    url: Url = _LOCAL,
) -> None:
    """What was found, who was permitted, by which rules and why; takes an auditor."""
    told = api(url, "GET", f"/v1/decisions/{named(decision_id)}/explain")
    if as_json:
        emit(told)
        return
    for line in _lines(told):
        print(line)


@app.command()
@shown
def replay(decision_id: Id, url: Url = _LOCAL) -> None:
    """Decide again from the recorded facts; must agree."""
    emit(api(url, "GET", f"/v1/decisions/{named(decision_id)}/replay"))


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    chosen = (told.get("chosen") or {}).get("deployment")
    reason = str((told.get("ranking") or {}).get("reason", "")).replace("_", " ")
    who = f"{chosen} ({reason})" if chosen else told.get("code") or "nobody"
    yield f"{told['outcome']}: {who}"
    forms = told.get("facts") or {}
    found = {c for form in forms.values() for c in (form.get("base") or {}).get("data_classes", ())}
    yield f"found: {', '.join(sorted(found)) or 'nothing'}"
    for row in told["candidates"]:
        what = f"{row['effect']:7} {row['deployment']:16} {row['form']:9}"
        yield f"{what} {', '.join(row['policies'])}".rstrip()
    for policy, notes in sorted(told["policies"].items()):
        law = f" ({notes['regulation']})" if "regulation" in notes else ""
        yield f"{policy}: {notes.get('reason', 'no reason given')}{law}"
