"""`transire decision …`: one decision, as its auditor reads it."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from transire.cli.explanation import explained, said_by_guards, said_by_people
from transire.cli.session import RemoteRouter, acting, emit, named
from transire.record.proof import demand_included

__all__ = ["app", "explain", "feedback", "proof", "replay", "show"]

app = typer.Typer(help="Why a decision came out as it did.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="A decision id, `dec_…`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Everything, as JSON.")]
_TOLD: Final = ("outcome", "cause", "status", "failure", "code", "deployment")
"""What says most about an entry, in this order."""


@app.command()
@acting
def show(router: RemoteRouter, decision_id: Id, as_json: AsJson = False) -> None:
    """Every entry of one decision: decided, reviewed, sent and answered; takes an auditor."""
    told = router.call("GET", f"/v1/decisions/{named(decision_id)}")
    if as_json:
        emit(told)
        return
    for entry in sorted(told["entries"], key=lambda one: int(one["index"])):
        print(_line(entry))


@app.command()
@acting
def proof(
    router: RemoteRouter,
    decision_id: Id,
    key: Annotated[str, typer.Option(help="The verifier key, got from elsewhere.")] = "",
    as_json: AsJson = False,
) -> None:
    """Prove that the decision's entry stands in the signed tree, and check it; takes an auditor."""
    told = router.call("GET", f"/v1/decisions/{named(decision_id)}/proof")
    proven = demand_included(told, decision_id, key or None)
    if as_json:
        emit(told)
        return
    print(
        f"proven: the decision is entry {told['index']} of the {proven.size} under root "
        f"{proven.root.hex()}, signed by {proven.origin}"
    )
    if not key:
        print("note: the key came from the router itself; pass --key to trust your own copy")


@app.command()
@acting
def explain(
    router: RemoteRouter,
    decision_id: Id,
    as_json: AsJson = False,
) -> None:
    """What was found, who was permitted, by which rules and why; takes an auditor."""
    told = router.call("GET", f"/v1/decisions/{named(decision_id)}/explain")
    if as_json:
        emit(told)
        return
    for line in explained(told):
        print(line)


@app.command()
@acting
def replay(router: RemoteRouter, decision_id: Id) -> None:
    """Decide again from the recorded facts, every later attempt too; must agree."""
    emit(router.call("GET", f"/v1/decisions/{named(decision_id)}/replay"))


@app.command()
@acting
def feedback(
    router: RemoteRouter,
    decision_id: Id,
    helped: Annotated[
        bool | None, typer.Option("--helped/--not-helped", help="Whether the task succeeded.")
    ] = None,
    score: Annotated[
        int | None, typer.Option(min=0, max=1_000, help="How good it was, 0 to 1000.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why, from a closed list.")] = None,
) -> None:
    """Say what an answer was worth, once; takes somebody who may read the log."""
    said = {"success": helped, "score": score, "reason": reason}
    body = {name: value for name, value in said.items() if value is not None}
    emit(router.call("POST", f"/v1/decisions/{named(decision_id)}/feedback", body))


def _line(entry: Mapping[str, Any]) -> str:
    kind = str(entry["kind"])
    is_permit = kind == "attempt" or kind.endswith(".permitted")
    later = entry["permit"] if is_permit else {}
    fields = {**later, **entry}
    fields["deployment"] = fields.get("deployment") or _chosen(entry)
    words = [str(fields[name]) for name in _TOLD if fields.get(name)]
    words += said_by_guards(entry.get("guards") or {})
    if kind == "moderation.ended":
        words += said_by_guards({s: entry.get(s) or () for s in ("raised", "failed")})
    received = entry.get("received") or {}
    words += said_by_guards({s: received.get(f"{s}_guards", ()) for s in ("raised", "failed")})
    number = f" {fields['attempt']}" if fields.get("attempt") else ""  # a shadow has none
    words += _by_people(entry)
    is_named = later or kind == "moderation.ended" or not number
    what = kind if is_named else f"{kind} attempt"
    return f"{entry['index']:>6}  {entry['ts']}  {what}{number}: {', '.join(words)}"


def _by_people(entry: Mapping[str, Any]) -> list[str]:
    """Who did it and what they wrote, of what people did about a review."""
    if not str(entry["kind"]).startswith("review."):
        return []
    queue = f" in {entry['queue']}" if entry.get("queue") else ""
    said = [f"by {entry['by']}{queue}", *said_by_people(entry)]
    return [word for word in said if word]


def _chosen(entry: Mapping[str, Any]) -> Any:
    return (entry.get("chosen") or {}).get("deployment")
