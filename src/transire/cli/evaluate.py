"""`transire evaluate SUITE`: a golden set asked of deployments through the governed path."""

import base64
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from transire.bundle.shortdigest import ACTIVE
from transire.cli.session import RemoteRouter, acting, emit
from transire.errors import GovernanceUnavailable, RequestError
from transire.outbound.caller import Answer, exchange

if TYPE_CHECKING:
    from transire.workbench.evaluate.result import Result, Share
    from transire.workbench.evaluate.run import Ask, Runner
    from transire.workbench.evaluate.suite import SuiteDocument

__all__ = ["evaluate"]

_TIMEOUT_S: Final = 600.0
_MICRO: Final = 1_000_000


@acting
def evaluate(
    router: RemoteRouter,
    suite: Annotated[Path, typer.Argument(help="Cases and checks: YAML, or JSON lines.")],
    *,
    deployment: Annotated[
        list[str] | None, typer.Option(help="Whom to ask; repeatable; default: the suite's own.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(envvar="TRANSIRE_KEY_FILE", help="Holds the application's key."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Results, a line each; what stands there is not asked again."),
    ] = None,
    outcomes: Annotated[
        Path | None, typer.Option(help="Rows for `transire quality train`, prompts included.")
    ] = None,
    max_cost_usd: Annotated[
        float | None, typer.Option(min=0.0, help="The most this run may cost.")
    ] = None,
    untagged: Annotated[
        bool, typer.Option("--untagged", help="Do not send the task: ask below its floor, too.")
    ] = False,
    propose: Annotated[
        bool, typer.Option("--propose", help="Propose what the catalog's quality should be.")
    ] = False,
    form: Annotated[Literal["text", "json"], typer.Option("--format", help="text or json.")] = (
        "text"
    ),
) -> None:
    """Ask a golden set of deployments, count what passes; change nothing but by proposal."""
    from transire.workbench.evaluate.result import shares
    from transire.workbench.evaluate.run import Runner
    from transire.workbench.evaluate.suite import read_suite

    read = read_suite(suite)
    named = deployment or read.deployments
    if not named:
        raise RequestError("say which deployments: `--deployment`, or `deployments` in the suite")
    runner = Runner(
        ask=_asking(router.root, _secret(key_file)),
        judge=read.judge,
        limit_micro_usd=None if max_cost_usd is None else round(max_cost_usd * _MICRO),
        is_tagged=not untagged,
    )
    results, stopped = _run(runner, read, named, out)
    if outcomes is not None:
        from transire.workbench.evaluate.outcomes import outcome_lines

        outcomes.write_text("".join(f"{row}\n" for row in outcome_lines(read, named, results)))
    measured = shares(results)
    proposed = _propose(router, measured) if propose else None
    if form == "json":
        emit(_json(measured, runner, stopped, proposed))
    else:
        _print(measured, runner, stopped, proposed)
    if stopped:
        raise typer.Exit(1)


def _asking(root: str, secret: str) -> "Ask":
    def ask(body: dict[str, Any]) -> Answer:
        url = f"{root}/v1/chat/completions"
        return exchange("POST", url, credential=secret, body=body, timeout_s=_TIMEOUT_S)

    return ask


def _secret(file: Path | None) -> str:
    found = "" if file is None else file.read_text(encoding="utf-8").strip()
    if not found:
        raise RequestError(
            "`--key-file` must hold the key of an application that may name deployments"
        )
    return found


def _run(
    runner: "Runner", suite: "SuiteDocument", deployments: Sequence[str], out: Path | None
) -> tuple[list["Result"], str]:
    """All results of these deployments and cases, earlier ones included; and why it stopped."""
    from transire.workbench.evaluate.result import read_results
    from transire.workbench.evaluate.run import SpentError, pending

    asked = {case.digest for case in suite.cases}
    earlier = [] if out is None else read_results(out)
    known = [r for r in earlier if r.digest in asked and r.deployment in deployments]
    with ExitStack() as stack:
        file = None if out is None else stack.enter_context(out.open("a", encoding="utf-8"))
        for done, (case, deployment) in enumerate(pending(suite, deployments, [*known])):
            try:
                result = runner.result(case, deployment)
            except (SpentError, GovernanceUnavailable) as error:
                return known, error.message
            known.append(result)
            if file is not None:
                print(result.line(), file=file, flush=True)
            if sys.stderr.isatty():
                print(f"{done + 1}: {deployment} {case.id} {result.outcome}", file=sys.stderr)
    return known, ""


def _propose(router: RemoteRouter, measured: Sequence["Share"]) -> dict[str, Any]:
    from transire.workbench.evaluate.proposal import changed_files, changes

    bundle = router.call("GET", f"/v1/policies/bundles/{ACTIVE}")
    files = {name: base64.b64decode(data) for name, data in bundle["files"].items()}
    wanted = changes(files, measured)
    if not wanted:
        return {"changes": [], "digest": None}
    encoded = {n: base64.b64encode(d).decode() for n, d in changed_files(files, wanted).items()}
    made = router.call("POST", "/v1/policies/bundles", {"files": encoded})
    return {"changes": [change._asdict() for change in wanted], "digest": made["digest"]}


def _json(
    measured: Sequence["Share"], runner: "Runner", stopped: str, proposed: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "shares": [
            {**asdict(share), "low": round(share.low, 4), "high": round(share.high, 4)}
            for share in measured
        ],
        "cost_micro_usd": runner.spent_micro_usd,
        "stopped": stopped or None,
        **({} if proposed is None else {"proposed": proposed}),
    }


def _print(
    measured: Sequence["Share"], runner: "Runner", stopped: str, proposed: dict[str, Any] | None
) -> None:
    width = max([10, *(len(share.deployment) for share in measured)])
    print(f"{'deployment':{width}}  {'task':14} passed   share (95 %)          cost  and")
    for share in measured:
        value = f"{share.passed / share.judged:.3f}" if share.judged else "    –"
        others = ", ".join(f"{count} {name}" for name, count in share.others.items())
        passed = f"{share.passed}/{share.judged}"
        print(
            f"{share.deployment:{width}}  {share.task:14} {passed:>7}  {value} "
            f"({share.low:.3f} … {share.high:.3f})  ${share.cost_micro_usd / _MICRO:.6f}  {others}"
        )
    print(f"\nthis run cost ${runner.spent_micro_usd / _MICRO:.6f}")
    if stopped:
        print(f"stopped: {stopped}")
    if proposed is not None:
        for change in proposed["changes"]:
            print("{deployment}: {task} {before} → {after}".format(**change))
        print(f"proposed: {proposed['digest']}" if proposed["digest"] else "nothing to propose")
