"""`transire simulate`: how traffic would spread over a fleet, in virtual time; offline."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from transire.cli.audit import opened
from transire.cli.report import entries_of
from transire.cli.session import emit, shown
from transire.errors import RequestError

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
    log: Annotated[
        Path | None,
        typer.Option(help="Replay the requests of this data folder; needs --policies."),
    ] = None,
    slo_s: Annotated[
        float, typer.Option(min=0.1, max=3_600, help="What a request may take in all.")
    ] = 6.0,
    svg: Annotated[Path | None, typer.Option(help="Write plots to this file, too.")] = None,
    form: Annotated[
        Literal["text", "json"], typer.Option("--format", help="text or json.")
    ] = "text",
) -> None:
    """Run the scorer and three textbook balancers through a steady day and five troubled ones."""
    from transire.workbench.simulate.choosers import CHOOSERS
    from transire.workbench.simulate.run import simulate as run
    from transire.workbench.simulate.svg import runs_svg

    rows = list[dict[str, Any]]()
    for scenario in _scenarios(policies, log, seconds, per_s, slo_s):
        rows += [_row(scenario, name, run(scenario, name, seed)) for name in CHOOSERS]
        if sys.stderr.isatty():
            print(f"{scenario.name} done", file=sys.stderr)
    if svg is not None:
        svg.write_text(runs_svg(rows), encoding="utf-8")
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


def _scenarios(
    policies: Path | None, log: Path | None, seconds: float, per_s: float | None, slo_s: float
) -> list[Any]:
    from dataclasses import replace

    from transire.workbench.simulate.recorded import recorded_day
    from transire.workbench.simulate.scenarios import FLEET, fleet_of, scenarios

    if policies is None:
        if log is not None:
            raise RequestError("`--log` needs `--policies`: whose deployments are to be tried?")
        made = scenarios(FLEET, seconds=seconds, per_s=per_s)
        return [replace(scenario, slo_s=slo_s) for scenario in made]
    bundle = _bundle_in(policies)
    deployments, rules = bundle.catalog.deployments.values(), bundle.routing
    if log is None:
        fleet = fleet_of(deployments, rules.expected_output_tokens)
        made = scenarios(fleet, seconds=seconds, per_s=per_s)
        return [replace(scenario, slo_s=slo_s) for scenario in made]
    usual = replace(scenarios(FLEET, seconds=seconds, per_s=per_s)[0], slo_s=slo_s, replicas=1)
    usual = replace(usual, target_ms=rules.latency_target_ms.get("default", usual.target_ms))
    with opened(log) as known, known.reader.snapshot():
        return [recorded_day(entries_of(known), deployments, rules.latency_target_ms, usual)]


def _bundle_in(policies: Path) -> Any:
    from transire.bundle.compile import compile_bundle
    from transire.bundle.source import read_folder

    return compile_bundle(read_folder(policies)).bundle


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
