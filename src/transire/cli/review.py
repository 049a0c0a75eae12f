"""`transire review …`."""

from typing import Annotated
from urllib.parse import urlencode

import typer

from transire.cli.session import RemoteRouter, acting, emit, named

__all__ = [
    "app",
    "approve",
    "claim",
    "deny",
    "list_reviews",
    "show",
]

app = typer.Typer(help="Requests that wait for a human.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="A review id, `rev_…`.")]
Why = Annotated[str, typer.Option("--comment", "-m", help="Why; needed for every decision.")]


@app.command("list")
@acting
def list_reviews(
    router: RemoteRouter,
    state: Annotated[
        str, typer.Option(help="open, pending, claimed, approved; closed, denied, spent, …")
    ] = "open",
    queue: Annotated[str, typer.Option(help="Only those of one queue.")] = "",
    after: Annotated[str, typer.Option(help="The `next` of the page before.")] = "",
    limit: Annotated[int, typer.Option(help="Most in one page, 200 at the most.")] = 50,
) -> None:
    """A page of your tenant's reviews: open ones oldest first, closed ones newest first."""
    asked = {"state": state, "queue": queue, "after": after, "limit": limit}
    query = urlencode({name: value for name, value in asked.items() if value})
    emit(router.call("GET", f"/v1/reviews?{query}"))


@app.command()
@acting
def show(
    router: RemoteRouter,
    review_id: Id,
    content: Annotated[bool, typer.Option("--content", help="Show what was held.")] = False,
) -> None:
    """One review; with --content the held request, which is recorded."""
    emit(router.call("GET", f"/v1/reviews/{named(review_id)}{'/content' if content else ''}"))


@app.command()
@acting
def claim(router: RemoteRouter, review_id: Id) -> None:
    """Take it for a quarter of an hour."""
    emit(router.call("POST", f"/v1/reviews/{named(review_id)}/claim"))


@app.command()
@acting
def approve(
    router: RemoteRouter,
    review_id: Id,
    comment: Why,
    queue: Annotated[str | None, typer.Option(help="Which queue, where several wait.")] = None,
) -> None:
    """Release it."""
    body = {"comment": comment, "queue": queue}
    emit(router.call("POST", f"/v1/reviews/{named(review_id)}/approve", body))


@app.command()
@acting
def deny(router: RemoteRouter, review_id: Id, comment: Why) -> None:
    """Deny it for good."""
    emit(router.call("POST", f"/v1/reviews/{named(review_id)}/deny", {"comment": comment}))
