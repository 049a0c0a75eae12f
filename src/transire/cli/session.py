"""What every command shares: where the server is, who asks, how results and errors are shown.

Results go to stdout, diagnostics to stderr. Exit codes: 0 done, 1 failed, 2 denied by policy or
wrong options, 3 not valid, 4 waits for a review, 64 wrong input, 70 our own mistake. An error is
one sentence that says what to do: never a traceback, and never text that an exception carried.
"""

import inspect
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec, TypeVar
from urllib.parse import urlsplit

import typer

from transire.errors import (
    AccessError,
    BundleError,
    PolicyDenied,
    RequestError,
    ReviewRequired,
    TransireError,
)
from transire.identity.store import credential_for, kept_credentials
from transire.outbound.caller import call

__all__ = ["LOCAL", "RemoteRouter", "acting", "emit", "meant", "named", "server_root", "shown"]

P = ParamSpec("P")
R = TypeVar("R")

LOCAL: Final = "http://127.0.0.1:8080"
"""Where `transire serve` listens unless told otherwise."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_INTERNAL: Final = 70
"""sysexits(3) `EX_SOFTWARE`."""
_URL: Final = Annotated[
    str | None, typer.Option("--url", envvar="TRANSIRE_URL", help="Where the router is.")
]
_AS: Final = Annotated[
    str | None,
    typer.Option("--as", envvar="TRANSIRE_AS", help="Who acts, where several are logged in."),
]


@dataclass(frozen=True, slots=True)
class RemoteRouter:
    """A router somewhere, and the person who acts on it; None is the only one logged in there.

    Which one is meant is looked up when it is called: a command may turn out to need none.
    """

    url: str | None
    person: str | None = None

    @property
    def root(self) -> str:
        """Its address.

        Raises:
            RequestError: see `meant`.
        """
        return meant(self.url)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call it as that person.

        Raises:
            TransireError: not logged in, no server, or what the server refused.
        """
        root = self.root
        credential = credential_for(root, self.person)
        return call(method, f"{root}{path}", credential=credential, body=body)


def meant(url: str | None) -> str:
    """The address that is meant: the one named, or else the only one somebody logged in to.

    Where several are known, it is the local one if that is among them, and otherwise nobody's
    guess: an approval that reaches the wrong installation is worse than a question.

    Raises:
        RequestError: it is no address, or several are known and none is named.
    """
    if url is not None:
        return server_root(url)
    known = sorted(kept_credentials())
    if LOCAL in known or not known:
        return LOCAL
    if len(known) > 1:
        raise RequestError(
            "you are logged in to several routers: say which with `--url`, or set `TRANSIRE_URL`, "
            f"to one of {', '.join(known)}"
        )
    return known[0]


def acting(command: Callable[Concatenate[RemoteRouter, P], R]) -> Callable[..., R]:
    """A command that acts on a router: `--url` and `--as` in, a `RemoteRouter` as first argument.

    Errors are shown as `shown` does.
    """

    @wraps(command)
    def run(*args: Any, url: str | None = None, acting_as: str | None = None, **kwargs: Any) -> R:
        return command(RemoteRouter(url, acting_as), *args, **kwargs)

    # typer reads options from the signature, which is the command's own with ours in place of
    # the router.
    signature = inspect.signature(command)
    own = list(signature.parameters.values())[1:]
    ours = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in (("url", _URL), ("acting_as", _AS))
    ]
    typed = shown(run)
    typed.__signature__ = signature.replace(parameters=[*own, *ours])  # type: ignore[attr-defined]
    typed.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *ours]}
    return typed


def server_root(url: str) -> str:
    """The address of a server in its one spelling, without the `/v1` that SDKs want.

    Raises:
        RequestError: it is no address; it may hold a password and is not repeated.
    """
    expected = "the router's address is `http://HOST:PORT`, without a name or password in it"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise RequestError(expected) from None
    usual = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    if not usual or parts.query or parts.fragment or not url.isascii() or not url.isprintable():
        raise RequestError(expected)
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def named(identifier: str) -> str:
    """An id as it may stand in a path: `revoke ../people/ben` must not reach another route.

    Raises:
        RequestError: it is none.
    """
    if _NAME.fullmatch(identifier) is None:
        raise RequestError("an id holds only letters, digits, `.`, `_` and `-`")
    return identifier


def emit(document: Any) -> None:
    """Print a result as JSON."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def shown(command: Callable[P, R]) -> Callable[P, R]:
    """Turn errors into one line on stderr and an exit code."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
            raise
        except BundleError as error:
            for problem in error.problems:
                _say(problem)
            raise typer.Exit(3) from None
        except TransireError as error:
            _say(f"transire: {error.message}")
            raise typer.Exit(_code(error)) from None
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            _say(f"transire: {reason}{f': `{error.filename}`' if error.filename else ''}")
            raise typer.Exit(1) from None
        except Exception as error:  # noqa: BLE001 - its text may hold a secret; its place does not
            _say(f"transire: this is our mistake, please report it: {_place(error)}")
            raise typer.Exit(_INTERNAL) from None

    return run


def _say(line: str) -> None:
    """One line; a foreign server's message moves no cursor."""
    print("".join(c if c.isprintable() else "�" for c in line), file=sys.stderr)


def _code(error: TransireError) -> int:
    if isinstance(error, PolicyDenied | AccessError):
        return 2
    if isinstance(error, ReviewRequired):
        return 4
    return 64 if type(error) is RequestError else 1


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{where}"
