"""`transire experiment list|show|report`: what a bundle tries, and what became of it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from transire.bundle.compile import compile_bundle
from transire.cli.audit import opened
from transire.cli.bundle import side_files
from transire.cli.report import entries_of
from transire.cli.session import RemoteRouter, acting, emit, shown
from transire.domain.bundle import Bundle
from transire.domain.shadow import ShadowRules
from transire.domain.trial import Experiment, Guard
from transire.errors import NotFoundError
from transire.workbench.experiments.estimate import estimate
from transire.workbench.experiments.render import report_lines, report_plot
from transire.workbench.experiments.shadows import read_shadows, shadow_lines, shadow_report
from transire.workbench.experiments.tally import read_experiments

__all__ = ["app", "list_experiments", "report", "show"]

app = typer.Typer(help="The experiments of a bundle.", no_args_is_help=True)

Side = Annotated[str, typer.Argument(help="`active`, a digest, or a policies folder.")]


@app.command("list")
@acting
def list_experiments(router: RemoteRouter, side: Side = "policies") -> None:
    """Every experiment: its kind, where it applies, and its variants' shares."""
    bundle = _bundle(router, side)
    shadows = [_told_shadow(shadow) for shadow in bundle.shadows]
    emit([*(_told(experiment) for experiment in bundle.experiments), *shadows])


@app.command()
@acting
def show(
    router: RemoteRouter,
    experiment: Annotated[str, typer.Argument(help="Its id.")],
    side: Side = "policies",
) -> None:
    """One experiment, with its guard and what each variant changes."""
    bundle = _bundle(router, side)
    found = {one.id: one for one in bundle.experiments}
    shadows = {one.id: one for one in bundle.shadows}
    if experiment in shadows:
        shadow = shadows[experiment]
        own = {"digest": shadow.digest, "salt": shadow.salt}
        emit({**_told_shadow(shadow), **own, "daily_micro_usd": shadow.daily_micro_usd})
        return
    if experiment not in found:
        held = ", ".join([*found, *shadows]) or "none"
        raise NotFoundError(f"this bundle does not hold that experiment; it holds {held}")
    one = found[experiment]
    changes = {
        v.name: {"prompt": v.prompt, "prefer": sorted(v.prefer), "only": sorted(v.only)}
        for v in one.variants
    }
    more: dict[str, Any] = {}
    if one.kind == "canary":
        more["guard"] = _guard(one.guard)
    if one.kind == "bandit":
        more["explore_permille"] = one.explore_permille
    emit({**_told(one), "digest": one.digest, "salt": one.salt, "changes": changes, **more})


@app.command()
@shown
def report(
    data: Annotated[Path, typer.Argument(help="The data folder, or its log.sqlite.")],
    experiment: Annotated[str, typer.Option(help="Only the one of this id.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Write a plot to this file, too.")] = None,
) -> None:
    """What each variant did, with 95 % intervals, and what it would do with everybody.

    Of shadows: each target beside the answers that the same requests got.
    """
    with opened(data) as log, log.reader.snapshot():
        seen = read_experiments(entries_of(log), experiment)
        copied = read_shadows(entries_of(log), experiment)
    told, shadows = [estimate(one) for one in seen], [shadow_report(one) for one in copied]
    if svg is not None:
        svg.write_text(report_plot(told), encoding="utf-8")
    if as_json:
        emit([*(one.to_json() for one in told), *(one.to_json() for one in shadows)])
    else:
        lines = report_lines(told) if told or not shadows else []
        print("\n".join([*lines, *shadow_lines(shadows)]))


def _bundle(router: RemoteRouter, side: str) -> Bundle:
    return compile_bundle(side_files(router, side), must_hold_limits=False).bundle


def _guard(guard: Guard) -> dict[str, Any]:
    """In the words of `experiments.yaml`; what is not watched is left out."""
    told = {f"{metric}_permille": margin for metric, margin in guard.margins.items()}
    bounds = {"slow_ms": guard.slow_ms, "dear_micro_usd": guard.dear_micro_usd}
    return {
        "min_samples": guard.min_samples,
        "alpha_permille": guard.alpha_ppm // 1_000,
        **told,
        **{name: bound for name, bound in bounds.items() if bound},
    }


def _told_shadow(shadow: ShadowRules) -> dict[str, Any]:
    return {
        "experiment": shadow.id,
        "kind": "shadow",
        "applications": sorted(shadow.applications) or "all",
        "tasks": sorted(shadow.tasks) or "all",
        "stakes": sorted(shadow.stakes),
        "unit": shadow.unit,
        "targets_ppm": dict(shadow.targets),
    }


def _told(experiment: Experiment) -> dict[str, Any]:
    return {
        "experiment": experiment.id,
        "kind": experiment.kind,
        "applications": sorted(experiment.applications) or "all",
        "tasks": sorted(experiment.tasks) or "all",
        "stakes": sorted(experiment.stakes),
        "unit": experiment.unit,
        "shares_permille": {v.name: v.share_permille for v in experiment.variants},
    }
