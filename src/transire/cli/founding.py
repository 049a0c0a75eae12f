"""`transire init` and `transire renew`: a starting point, and a new one after a lost log."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from transire.bundle.limits import pack_folder
from transire.cli.session import shown
from transire.domain.ids import ID_PATTERN
from transire.errors import ConflictError, IntegrityError, RequestError
from transire.identity.digests import INSTALL_KEY_FILE
from transire.record.renewal import renew_log
from transire.settings import LOG_NAME
from transire.workbench.check import FILL

__all__ = ["init", "renew"]

_SETTINGS = """\
# How this router runs. What is governed (deployments, prices, rules) stands in policies/.
# Every value can also come from the environment: TRANSIRE_SERVER__PORT=8081.
# `transire config show` prints all settings with their defaults.

data: data                      # log, signing key, guard: back this folder up, all of it

server:
  host: 127.0.0.1
  port: 8080
  admin_port: 9090              # /metrics; keep it private

log:
  origin: {origin}              # the log's name in every checkpoint; fixed once created

governance:
  policies: policies            # proposed at the first start; later changes need people
  mode: {mode}                    # solo: one person may approve their own bundles; team: two people
{first}
upstream:
  # Credentials that deployments name in the catalog: one file per name, readable by you alone.
  {secrets}secrets_dir: secrets
  idle_s: 60
"""

_STARTER: Final = Path(__file__).parent / "starter"
_GENERAL: Final = frozenset(
    {"contracts.cedar", "egress.cedar", "guards.cedar", "people.cedar", "residency.cedar"}
)
"""Rules of the pack that name nobody's tenant, application or fleet."""
_ALONE: Final = """\
note: there is one operator, whom nobody can replace while they are away, and neither a reviewer nor
  a queue but `default`: what a rule holds for a person waits until somebody has the role `reviewer`
  (policies/catalog/people.yaml)"""


@shown
def init(
    directory: Annotated[Path, typer.Argument(help="Where to write; must be empty or new.")],
    solo: Annotated[bool, typer.Option("--solo", help="One person does everything.")] = False,
    team: Annotated[bool, typer.Option("--team", help="Two people per change (default).")] = False,
    origin: Annotated[str, typer.Option(help="The log's name.")] = "transire.local/log",
    first_person: Annotated[
        str, typer.Option(help="Person of the catalog who gets the first credential.")
    ] = "",
    empty: Annotated[
        bool, typer.Option("--empty", help="One deployment to fill in, and nothing invented.")
    ] = False,
) -> None:
    """Write transire.yaml and a commented policies/ folder."""
    if solo and team:
        raise typer.BadParameter("choose --solo or --team")
    if re.fullmatch(LOG_NAME, origin) is None:
        raise RequestError(
            "`--origin` is a name without spaces and `+`, such as `acme.example/log`"
        )
    if first_person and ID_PATTERN.fullmatch(first_person) is None:
        raise RequestError(f"`--first-person` is an id `{ID_PATTERN.pattern}`")
    if directory.exists() and any(directory.iterdir()):
        raise ConflictError(f"`{directory}` is not empty")
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copytree(pack_folder(), directory / "policies")
    if empty:
        _empty(directory / "policies")
    named = f"  first_person: {first_person}\n" if first_person else ""
    (directory / "transire.yaml").write_text(
        _SETTINGS.format(
            origin=origin,
            mode="solo" if solo else "team",
            first=named,
            secrets="" if empty else "# ",
        )
    )
    print(f"wrote {directory}/transire.yaml and {directory}/policies")
    if empty:
        (directory / "secrets").mkdir(mode=0o700)
        for place in _blanks(directory):
            print(f"  {place}")
        print(f"  {directory}/secrets/main: the deployment's key, in a file only you may read")
        print(_ALONE)
    todo = "edit policies/catalog/*.yaml (deployments, tenants, people)"
    print(
        f"next: {'fill in those lines, taking the marks away' if empty else todo}, then\n"
        f"  transire bundle check {directory}/policies\n"
        f"  transire serve --config {directory}/transire.yaml"
    )


def _empty(policies: Path) -> None:
    """Replace what is about somebody else's business: catalog, grants, reviews, tests, cues."""
    for folder in ("catalog", "tests"):
        shutil.rmtree(policies / folder)
    for rules in policies.glob("rules/*.cedar"):
        if rules.name not in _GENERAL:
            rules.unlink()
    shutil.copytree(_STARTER, policies, dirs_exist_ok=True)


def _blanks(directory: Path) -> Iterator[str]:
    """Each line to fill in: file, line, and what it wants."""
    for path in sorted(p for p in (directory / "policies").rglob("*") if p.is_file()):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            _, mark, wanted = line.partition(FILL)
            if mark:
                yield f"{path}:{number}: {wanted.strip()}"


@shown
def renew(
    lost: Annotated[Path, typer.Argument(help="Data folder of the lost log; only read.")],
    new: Annotated[Path, typer.Argument(help="Data folder to make; must be empty or new.")],
) -> None:
    """Open a new log that continues a lost one: same bundle, mode and quarantine, new key."""
    if not (lost / INSTALL_KEY_FILE).is_file():
        raise IntegrityError(f"`{lost / INSTALL_KEY_FILE}` is missing; restore it from a backup")
    succession = renew_log(lost, new)
    shutil.copy2(lost / INSTALL_KEY_FILE, new / INSTALL_KEY_FILE)
    digest = succession.lines[0].removeprefix("bundle ")
    print(
        f"{new} holds a new log that continues {succession.last.origin} from its size "
        f"{succession.last.size}\n"
        f"its verifier key, for your auditors: {succession.successor}\n"
        f"next: keep {lost} for them, set `data: {new}`, put the policies of bundle\n"
        f"  {digest}\n"
        "back if they have changed since, and start the router; people and applications then get "
        "new credentials"
    )
