"""`transire prices import|list`: what deployments cost, and where that is from; offline."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from transire.cli.session import emit, shown
from transire.domain.deployment import Deployment
from transire.domain.ids import DeploymentId
from transire.errors import RequestError

__all__ = ["app", "import_list", "list_prices"]

app = typer.Typer(help="What deployments cost.", no_args_is_help=True)

FILE: Final = "catalog/price_list.yaml"
_HEAD: Final = "# Written by `transire prices import`; the next import replaces it.\n"

Policies = Annotated[Path, typer.Option(help="The policies folder.")]


@app.command("import")
@shown
def import_list(
    file: Annotated[Path, typer.Argument(help="The `data.json` of genai-prices.")],
    policies: Policies = Path("policies"),
    as_of: Annotated[str, typer.Option(help="Prices in force on this day; default today.")] = "",
) -> None:
    """Write the listed prices of the deployments that name one (`listed_as`) into the catalog."""
    import yaml

    from transire.workbench.prices import MOST_BYTES, as_document, read_list

    day = _day(as_of)
    deployments = _deployments(policies).values()
    wanted = {d.listed_as for d in deployments if d.listed_as is not None}
    if not wanted:
        raise RequestError("no deployment of that folder says `listed_as: provider/model`")
    if file.stat().st_size > MOST_BYTES:
        raise RequestError("the price list is larger than 64 MB")
    listed = read_list(file.read_bytes(), wanted, day)
    text = _HEAD + yaml.safe_dump(as_document(listed), sort_keys=True)
    (policies / FILE).write_text(text, encoding="utf-8")
    emit(
        {
            "written": str(policies / FILE),
            "source": listed.source,
            "as_of": day,
            "prices": len(listed.prices),
            "unknown": list(listed.unknown),
        }
    )


@app.command("list")
@shown
def list_prices(policies: Policies = Path("policies")) -> None:
    """What each deployment costs, where that is from, and of which day; unknown is left out."""
    rows = list[dict[str, Any]]()
    for name, deployment in sorted(_deployments(policies).items()):
        price = deployment.price
        told = {} if price is None else asdict(price)
        told["from"] = told.pop("origin", None)
        rows.append({"deployment": name, "listed_as": deployment.listed_as, **told})
    emit(rows)


def _deployments(policies: Path) -> Mapping[DeploymentId, Deployment]:
    """The deployments of a folder that is a valid bundle."""
    from transire.bundle.compile import compile_bundle
    from transire.bundle.source import read_folder

    bundle = compile_bundle(read_folder(policies), must_hold_limits=False).bundle
    return bundle.catalog.deployments


def _day(text: str) -> str:
    if not text:
        return datetime.now(UTC).date().isoformat()
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is None:
            raise ValueError
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise RequestError("`--as-of` takes a day such as 2026-03-01") from None
