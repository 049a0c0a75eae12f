"""What every command shares: where the server is, who asks, how results and errors are shown.

Results go to stdout, diagnostics to stderr. Exit codes: 0 done, 1 failed, 2 denied by policy,
3 not valid, 4 waits for a review, 64 wrong usage.
"""

import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar

import typer

from transire.errors import (
    AccessError,
    AuthenticationError,
    BundleError,
    PolicyDenied,
    RequestError,
    ReviewRequired,
    TransireError,
)
from transire.identity.store import credential_for
from transire.outbound.caller import call

__all__ = ["Url", "api", "emit", "shown"]

P = ParamSpec("P")
R = TypeVar("R")

Url = Annotated[str, typer.Option("--url", envvar="TRANSIRE_URL", help="Where the router is.")]


def api(url: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call the server as the person whose credential is kept for it."""
    credential = credential_for(url)
    if credential is None:
        raise AuthenticationError(
            f"not logged in to `{url}`: run `transire login {url}` with a one-use token"
        )
    return call(method, f"{url.rstrip('/')}{path}", credential=credential, body=body)


def emit(document: Any) -> None:
    """Print a result as JSON."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def shown(command: Callable[P, R]) -> Callable[P, R]:
    """Turn our errors into one line on stderr and an exit code."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except BundleError as error:
            for problem in error.problems:
                print(problem, file=sys.stderr)
            raise typer.Exit(3) from None
        except TransireError as error:
            print(f"transire: {error.message}", file=sys.stderr)
            problems = error.facts.get("problems")
            for problem in problems if isinstance(problems, list) else []:
                print(problem, file=sys.stderr)
            raise typer.Exit(_code(error)) from None

    return run


def _code(error: TransireError) -> int:
    if isinstance(error, PolicyDenied | AccessError):
        return 2
    if isinstance(error, ReviewRequired):
        return 4
    return 64 if type(error) is RequestError else 1
