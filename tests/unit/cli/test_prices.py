"""`transire prices`, on a folder as an operator has it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from transire.bundle.limits import pack_folder
from transire.cli.main import app

LIST = json.dumps(
    [{"id": "acme", "models": [{"id": "m", "prices": {"input_mtok": 1.5, "output_mtok": 2}}]}]
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(pack_folder(), tmp_path / "policies")
    (tmp_path / "list.json").write_text(LIST)
    return tmp_path


def give(folder: Path, deployment: str, line: str) -> None:
    """One more key of a deployment."""
    file = folder / "policies" / "catalog" / "deployments.yaml"
    head = f"  {deployment}:\n"
    assert head in file.read_text()
    file.write_text(file.read_text().replace(head, f"{head}    {line}\n"))


def drop_price(folder: Path, deployment: str) -> None:
    file = folder / "policies" / "catalog" / "deployments.yaml"
    head, tail = file.read_text().split(f"  {deployment}:\n")
    price = next(line for line in tail.splitlines() if line.startswith("    price:"))
    file.write_text(f"{head}  {deployment}:\n{tail.replace(price + chr(10), '', 1)}")


def run(folder: Path, *arguments: str) -> Any:
    done = CliRunner().invoke(app, ["prices", *arguments, "--policies", str(folder / "policies")])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def priced(folder: Path, deployment: str) -> dict[str, Any]:
    found: dict[str, Any] = next(r for r in run(folder, "list") if r["deployment"] == deployment)
    return found


def test_a_listed_price_counts_where_the_catalog_has_none(folder: Path) -> None:
    drop_price(folder, "us-economy")
    give(folder, "us-economy", "listed_as: acme/m")
    assert priced(folder, "us-economy")["from"] is None

    told = run(folder, "import", str(folder / "list.json"), "--as-of", "2026-06-01")

    row = priced(folder, "us-economy")
    assert (told["prices"], told["unknown"]) == (1, [])
    assert (row["from"], row["input_micro_usd_per_mtok"]) == ("list", 1_500_000)
    assert (row["source"], row["as_of"]) == (told["source"], "2026-06-01")


def test_the_catalogs_own_price_goes_before_a_list_and_a_contracts_before_both(
    folder: Path,
) -> None:
    give(folder, "us-economy", "listed_as: acme/m")
    run(folder, "import", str(folder / "list.json"))
    assert priced(folder, "us-economy")["from"] == "catalog"

    give(
        folder,
        "us-economy",
        "contract_price: {input_micro_usd_per_mtok: 7, output_micro_usd_per_mtok: 8, "
        "source: contract x, as_of: 2026-10-01}",
    )

    row = priced(folder, "us-economy")
    assert (row["from"], row["input_micro_usd_per_mtok"]) == ("contract", 7)


def test_what_the_list_does_not_know_stays_unknown(folder: Path) -> None:
    drop_price(folder, "us-economy")
    give(folder, "us-economy", "listed_as: acme/other")

    told = run(folder, "import", str(folder / "list.json"))

    assert (told["prices"], told["unknown"]) == (0, ["acme/other"])
    assert priced(folder, "us-economy")["from"] is None


def test_where_nothing_is_listed_nothing_is_written(folder: Path) -> None:
    done = CliRunner().invoke(
        app,
        ["prices", "import", str(folder / "list.json"), "--policies", str(folder / "policies")],
    )

    assert done.exit_code != 0
    assert not (folder / "policies" / "catalog" / "price_list.yaml").exists()


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "2026-1-1"])
def test_a_day_that_is_none_is_refused(folder: Path, day: str) -> None:
    give(folder, "us-economy", "listed_as: acme/m")
    done = CliRunner().invoke(
        app,
        [
            "prices",
            "import",
            str(folder / "list.json"),
            "--as-of",
            day,
            "--policies",
            str(folder / "policies"),
        ],
    )

    assert done.exit_code != 0
    assert "2026-03-01" in done.stderr
