"""`transire simulate`: how traffic would spread over a fleet, in virtual time; offline."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from transire.cli.session import emit, shown

__all__ = ["simulate"]


@shown
def simulate(
    policies: Annotated[
        Path | None,
        typer.Option(help="The folder whose deployments are meant; default: a made-up fleet."),
    ] = None,
    per_s: Annotated[
        float | None,
        typer.Option(min=0.1, max=2_000, help="Arrivals a second; default 66 % of the capacity."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=30, max=3_600, help="Virtual seconds.")] = 600,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 1,
    form: Annotated[
        Literal["text", "json"], typer.Option("--format", help="text or json.")
    ] = "text",
) -> None:
    """Run the scorer and three textbook balancers through a steady day and four troubled ones."""
    from transire.workbench.simulate.choosers import CHOOSERS
    from transire.workbench.simulate.run import simulate as run
    from transire.workbench.simulate.scenarios import FLEET, scenarios

    fleet = list(FLEET) if policies is None else _fleet_in(policies)
    rows = list[dict[str, Any]]()
    for scenario in scenarios(fleet, seconds=seconds, per_s=per_s):
        rows += [_row(scenario, name, run(scenario, name, seed)) for name in CHOOSERS]
        if sys.stderr.isatty():
            print(f"{scenario.name} done", file=sys.stderr)
    if form == "json":
        emit({"seconds": seconds, "seed": seed, "rows": rows})
        return
    head = ("scenario", "chooser", "missed %", "p50 s", "p99 s", "cost µ$", "busiest")
    print("{:11}{:19}{:>9}{:>8}{:>8}{:>9}{:>9}".format(*head))
    for row in rows:
        print(
            f"{row['scenario']:11}{row['chooser']:19}{row['missed_pct']:9.2f}{row['p50_s']:8.2f}"
            f"{row['p99_s']:8.2f}{row['cost_micro_usd']:9.0f}{row['over_capacity_share']:9.2f}"
        )


def _fleet_in(policies: Path) -> list[Any]:
    from transire.bundle.compile import compile_bundle
    from transire.bundle.source import read_folder
    from transire.workbench.simulate.scenarios import fleet_of

    bundle = compile_bundle(read_folder(policies)).bundle
    return fleet_of(bundle.catalog.deployments.values(), bundle.routing.expected_output_tokens)


def _row(scenario: Any, chooser: str, result: Any) -> dict[str, Any]:
    asked = max(result.asked.total(), 1)
    return {
        "scenario": scenario.name,
        "chooser": chooser,
        "requests": result.requests,
        "attempts": result.attempts,
        "missed_pct": round(result.missed_pct, 3),
        "p50_s": round(result.percentile_s(0.5), 3),
        "p99_s": round(result.percentile_s(0.99), 3),
        "cost_micro_usd": round(result.cost_per_request, 1),
        "over_capacity_share": round(result.over_capacity_share(scenario.fleet), 3),
        "shares": {name: round(n / asked, 4) for name, n in sorted(result.asked.items())},
    }
