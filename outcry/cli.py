"""The command line: a thin list of commands. Each imports what it needs when it runs, so that all start fast."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from outcry import admin_commands, fault_commands, firm_commands, user_commands
from outcry import settings as configuration

app = typer.Typer(
    name="outcry",
    help="A stock exchange of nine services in which every order can be followed by its trace.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

admin_commands.app.add_typer(firm_commands.app)
admin_commands.app.add_typer(user_commands.app)
app.add_typer(admin_commands.app)
app.add_typer(fault_commands.app)


def main() -> None:
    """Entry point. Wrong settings end it with status 2 and one line for each variable in question."""
    try:
        app()
    except configuration.WrongSettingsError as wrong:
        sys.exit(_refuse(wrong))


@app.command()
def up(
    bots: Annotated[int, typer.Option(min=0, max=configuration.BOTS_MAX, help="market makers and takers")] = 4,
    detach: Annotated[bool, typer.Option("--detach", help="give the terminal back once it runs")] = False,
) -> None:
    """Start everything and stay until Ctrl-C."""
    from outcry import detached, launch

    loaded = configuration.load()
    raise typer.Exit(detached.up(loaded, bots) if detach else launch.up(loaded, bots))


@app.command()
def down() -> None:
    """Stop everything, in order."""
    from outcry import control

    raise typer.Exit(control.down(configuration.load()))


@app.command()
def status() -> None:
    """Show what runs, how well, and how much memory it takes."""
    from outcry import control

    raise typer.Exit(control.status(configuration.load()))


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="client-gateway, postgres, jaegerlite, ...")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on as it writes")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0)] = 50,
) -> None:
    """Show what a process wrote."""
    from outcry import control

    raise typer.Exit(control.show_logs(configuration.load(), service, follow=follow, lines=lines))


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False) -> None:
    """Delete all data, logs and secrets."""
    from outcry import control

    raise typer.Exit(control.reset(configuration.load(), yes=yes))


@app.command()
def audit(
    wait: Annotated[float, typer.Option(min=0, help="seconds to wait for a moment in which all have caught up")] = 25.0,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead of a list")] = False,
    deployed: Annotated[
        bool, typer.Option("--deployed", help="an exchange elsewhere: the auditor's variables")
    ] = False,
) -> None:
    """Prove that the money is right: 0 it is, 1 it is not, 2 it could not be proven."""
    from outcry import audit as auditing

    if deployed:
        from outcry import auditor as elsewhere

        report = elsewhere.once(configuration.read(elsewhere.AuditorSettings), wait)
        raise typer.Exit(auditing.tell(report, as_json=as_json))
    raise typer.Exit(auditing.run(configuration.load(), wait_s=wait, as_json=as_json))


@app.command()
def secrets(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="made if missing, for its owner alone")],
) -> None:
    """Make the secrets of a deployed exchange: one file of variables per process (DATABASE_URL, REDIS_URL: managed)."""
    from outcry import deployment

    for name in deployment.write_secrets(configuration.load(), folder):
        print(folder / f"{name}.env")


@app.command()
def init() -> None:
    """Make a deployed exchange's database ready: roles, schemas, migrations (DATABASE_URL, DATABASE_ROLES)."""
    from outcry import initialise

    try:
        initialise.run(configuration.read(initialise.InitSettings))
    except (RuntimeError, OSError) as error:
        sys.exit(f"The database is not ready: {error}")


@app.command()
def auditor() -> None:
    """Audit a deployed exchange again and again, with figures for Prometheus."""
    import asyncio

    from outcry import auditor as auditing

    asyncio.run(auditing.run(configuration.read(auditing.AuditorSettings)))


@app.command()
def trace(trace_id: Annotated[str, typer.Argument(help="what X-Trace-Id said")]) -> None:
    """Show one trace as a tree."""
    from outcry import trace as tracing

    raise typer.Exit(tracing.show(configuration.load(), trace_id))


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="a JSON list instead of a table")] = False) -> None:
    """Look for what is wrong with tracing, and say what to do: 0 nothing, 1 something, 2 nobody answers."""
    import os

    from outcry import doctor as examining

    raise typer.Exit(examining.run(configuration.load(), os.environ, as_json=as_json))


@app.command()
def bots(
    count: Annotated[int, typer.Option(min=1, max=configuration.BOTS_MAX, help="every fourth is a taker")] = 4,
    seed: Annotated[int, typer.Option(help="the same seed makes the same decisions")] = 1,
    url: Annotated[str, typer.Option(envvar="CLIENT_GATEWAY_URL", help="default: the gateway here")] = "",
    orders_per_s: Annotated[float, typer.Option(min=0.01, max=1000, help="of all together")] = 4.0,
) -> None:
    """Run market makers and takers; `up` starts them by itself."""
    from outcry import catalogue
    from outcry.bots.run import run
    from outcry.home import Home

    loaded = configuration.load()
    gateway = url or catalogue.service_url(loaded, catalogue.GATEWAY)
    raise typer.Exit(run(gateway, Home(loaded.outcry_home).secrets, count, seed, orders_per_s))


@app.command()
def record(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="is replaced")],
    for_s: Annotated[int | None, typer.Option("--for", min=1, help="seconds; without it, until Ctrl-C")] = None,
) -> None:
    """Keep the public requests that come in, without names, passwords and tokens, to replay them."""
    from outcry import record as recording

    raise typer.Exit(recording.run(configuration.load(), file, for_s))


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="from outcry record")],
    speed: Annotated[float, typer.Option(min=0.01, max=1000, help="times as fast as it was")] = 1.0,
    serial: Annotated[bool, typer.Option("--serial", help="one at a time, in the order of their answers")] = False,
    seed: Annotated[int, typer.Option(help="the same seed makes the same users and shifts")] = 1,
    jitter_ms: Annotated[int, typer.Option(min=0, help="shift each user's requests by up to this, to find races")] = 0,
    url: Annotated[str, typer.Option(envvar="CLIENT_GATEWAY_URL", help="default: the gateway here")] = "",
) -> None:
    """Send recorded requests again, each user's in their order, and say what is answered otherwise."""
    from outcry import catalogue
    from outcry.replay_requests import run

    gateway = url or catalogue.service_url(configuration.load(), catalogue.GATEWAY)
    raise typer.Exit(run(file, gateway, seed, speed, jitter_ms, serial=serial))


@app.command()
def replay_market(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="from GET /marketdata/events")],
    speed: Annotated[float, typer.Option(min=0.01, max=1_000_000, help="times as fast as it was")] = 1.0,
    seed: Annotated[int, typer.Option(help="the same seed gives the same messages")] = 1,
    dropped: Annotated[float, typer.Option(min=0, max=0.5, help="share of messages that get lost on their way")] = 0.0,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8348,
) -> None:
    """Serve a recorded day of market data: the same REST and WebSocket as the exchange, nothing to trade."""
    from outcry.replay import run

    raise typer.Exit(run(file, speed, seed, dropped, port))


def _refuse(wrong: configuration.WrongSettingsError) -> int:
    print(wrong, file=sys.stderr)
    return 2
