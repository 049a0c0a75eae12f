"""`transire review …`."""

from typing import Annotated
from urllib.parse import urlencode

import typer

from transire.cli.session import Url, api, emit, named, shown

__all__ = [
    "app",
    "approve",
    "claim",
    "deny",
    "list_reviews",
    "show",
]

app = typer.Typer(help="Requests that wait for a human.", no_args_is_help=True)
_LOCAL = "http://127.0.0.1:8080"
Id = Annotated[str, typer.Argument(help="A review id, `rev_…`.")]
Why = Annotated[str, typer.Option("--comment", "-m", help="Why; needed for every decision.")]


@app.command("list")
@shown
def list_reviews(
    state: Annotated[str, typer.Option(help="pending, claimed, approved, denied, …")] = "",
    url: Url = _LOCAL,
) -> None:
    """Reviews of your tenant, oldest first."""
    emit(api(url, "GET", f"/v1/reviews{'?' + urlencode({'state': state}) if state else ''}"))


@app.command()
@shown
def show(
    review_id: Id,
    content: Annotated[bool, typer.Option("--content", help="Show what was held.")] = False,
    url: Url = _LOCAL,
) -> None:
    """One review; with --content the held request, which is recorded."""
    emit(api(url, "GET", f"/v1/reviews/{named(review_id)}{'/content' if content else ''}"))


@app.command()
@shown
def claim(review_id: Id, url: Url = _LOCAL) -> None:
    """Take it for a quarter of an hour."""
    emit(api(url, "POST", f"/v1/reviews/{named(review_id)}/claim"))


@app.command()
@shown
def approve(
    review_id: Id,
    comment: Why,
    queue: Annotated[str | None, typer.Option(help="Which queue, where several wait.")] = None,
    url: Url = _LOCAL,
) -> None:
    """Release it."""
    body = {"comment": comment, "queue": queue}
    emit(api(url, "POST", f"/v1/reviews/{named(review_id)}/approve", body))


@app.command()
@shown
def deny(review_id: Id, comment: Why, url: Url = _LOCAL) -> None:
    """Deny it for good."""
    emit(api(url, "POST", f"/v1/reviews/{named(review_id)}/deny", {"comment": comment}))
