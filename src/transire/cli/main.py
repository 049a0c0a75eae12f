"""`transire`: every command, by noun."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from transire import __version__
from transire.cli import (
    audit,
    budgets,
    bundle,
    cache,
    decision,
    detect,
    doctor,
    evaluate,
    experiment,
    founding,
    guard,
    login,
    mode,
    people,
    prices,
    prompts,
    quality,
    report,
    review,
    simulate,
)
from transire.cli.session import shown
from transire.settings import Settings, load_settings

__all__ = [
    "app",
    "config_show",
    "demo",
    "serve",
]

app = typer.Typer(
    name="transire",
    help="A governance-first router in front of AI model deployments.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
config = typer.Typer(help="How the router runs.", no_args_is_help=True)
app.add_typer(config, name="config")
app.add_typer(bundle.app, name="bundle")
app.add_typer(bundle.quarantine, name="quarantine")
app.add_typer(mode.app, name="mode")
app.add_typer(people.keys, name="keys")
app.add_typer(people.people, name="people")
app.add_typer(review.app, name="review")
app.add_typer(decision.app, name="decision")
app.add_typer(audit.app, name="audit")
app.add_typer(detect.app, name="detect")
app.add_typer(guard.app, name="guard")
app.add_typer(prices.app, name="prices")
app.add_typer(prompts.app, name="prompts")
app.add_typer(experiment.app, name="experiment")
app.add_typer(quality.app, name="quality")
app.add_typer(report.app, name="report")
app.add_typer(cache.cache, name="cache")
app.command("budgets")(budgets.list_budgets)
app.command("evaluate")(evaluate.evaluate)
app.command("simulate")(simulate.simulate)
app.command("init")(founding.init)
app.command("renew")(founding.renew)
app.command("doctor")(doctor.doctor)
app.command("login")(login.login)
app.command("logout")(login.logout)


def _version(is_asked: bool) -> None:
    if is_asked:
        print(f"transire {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say which and stop."),
    ] = False,
) -> None:
    pass


SettingsFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="transire.yaml; default ./transire.yaml.")
]


@app.command()
@shown
def serve(
    config_file: SettingsFile = None,
    host: Annotated[str | None, typer.Option(help="Overrides server.host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Overrides server.port.")
    ] = None,
) -> None:
    """Serve the operator's own catalog."""
    from transire.api.serve import Listening
    from transire.api.serve import serve as run
    from transire.cli.checkup.upstreams import not_reached
    from transire.identity.people import owner_of
    from transire.observe.logging import configure_logging

    if config_file is None and not Path("transire.yaml").is_file():
        print("no transire.yaml here: the settings are the defaults", file=sys.stderr)
    settings = _settings(config_file, host, port)
    configure_logging(level=settings.observe.level)

    async def started(listening: Listening) -> None:
        print(f"transire serves {listening.base_url}/v1", file=sys.stderr)
        first = listening.installation.first_credential
        if first is not None:
            print(
                f"{first} holds the one-use token of {owner_of(first)}, the first person, "
                f"who trades it with\n  transire login {listening.base_url} --token-file {first}",
                file=sys.stderr,
            )
        catalog = listening.installation.governed.bundle.catalog
        for name, why in (await not_reached(catalog.receivers.values())).items():
            print(f"nobody answers for {name} at {why}", file=sys.stderr)

    _run(run(settings, started))


@app.command()
@shown
def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit instead of serving.")] = False,
    data: Annotated[
        Path | None, typer.Option("--data", help="Keep all state there, or go on with it.")
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of the router; 0 picks one.")
    ] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON line before serving.")
    ] = False,
) -> None:
    """Run the whole product on a simulated fleet."""
    from transire.demo.run import run_demo

    raise typer.Exit(_run(run_demo(once=once, data=data, port=port, as_json=as_json)))


@config.command("show")
@shown
def config_show(
    config_file: SettingsFile = None,
    redacted: Annotated[
        bool, typer.Option("--redacted", help="Hide names, folders and addresses, too.")
    ] = False,
) -> None:
    """Print the settings in force; a secret's value is never shown, only where it comes from."""
    import yaml

    settings = _settings(config_file)
    told = settings.redacted() if redacted else settings.model_dump(mode="json")
    print(yaml.safe_dump(told, sort_keys=False), end="")
    if not redacted:
        for name, place in settings.secret_places().items():
            print(f"# credential {name}: {place}")


def _settings(file: Path | None, host: str | None = None, port: int | None = None) -> Settings:
    if file is None and Path("transire.yaml").is_file():
        file = Path("transire.yaml")
    settings = load_settings(file)
    changes: dict[str, Any] = {}
    if host is not None:
        changes["host"] = host
    if port is not None:
        changes["port"] = port
    server = settings.server.model_copy(update=changes)
    return settings.model_copy(update={"server": server})


def _run(work: Any) -> Any:
    """Run on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)
