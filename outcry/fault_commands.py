"""The commands below `outcry fault`: they change the file that the services follow, so they work whatever is broken."""

import sys
import time
from typing import Annotated

import typer

from outcry import settings as configuration
from outcry.home import Home

app = typer.Typer(
    name="fault",
    help="Break the exchange on purpose, to learn from its traces (docs/lessons). No fault touches money.",
    no_args_is_help=True,
)

Names = Annotated[list[str], typer.Argument(help="as `outcry fault list` says them")]


@app.command(name="list")
def list_faults() -> None:
    """Show all faults: what each does, what to look at, which are on."""
    from rich.console import Console

    from shared.fault_file import FaultFileError, read_flags
    from shared.faults import FAULTS

    try:
        flags = read_flags(_home().faults_file)
    except FaultFileError as error:
        raise typer.Exit(_refuse(error)) from None
    console, now_s = Console(highlight=False), time.time()
    for name, fault in FAULTS.items():
        flag = flags[name]
        left = f", {flag.until_s - now_s:.0f} s left" if flag.until_s is not None else ""
        state = f"[red]on{left}[/]" if flag.is_on(now_s) else "off"
        console.print(f"[bold]{name}[/] ({fault.service}): {state}\n  {fault.does}\n  [dim]→ {fault.look}[/]")


@app.command()
def on(
    names: Names,
    for_s: Annotated[int | None, typer.Option("--for", min=1, help="seconds, then it is off by itself")] = None,
) -> None:
    """Switch faults on, until they are switched off or for some seconds."""
    _switch(names, True, for_s)


@app.command()
def off(names: Annotated[list[str] | None, typer.Argument(help="all, where none is named")] = None) -> None:
    """Switch faults off."""
    from shared.faults import FAULTS

    _switch(names or list(FAULTS), False, None)


def _switch(names: list[str], on: bool, for_s: int | None) -> None:
    from shared.fault_file import FaultFileError, change_flags
    from shared.faults import FAULTS

    home = _home()
    if not home.folder.is_dir():
        raise typer.Exit(_refuse(f"There is no exchange in {home.folder}. Start one with: make up"))
    try:
        change_flags(home.faults_file, dict.fromkeys(names, on), for_s)
    except FaultFileError as error:
        raise typer.Exit(_refuse(error)) from None
    if not on:
        print("Off. It heals within a second or so.")
        return
    for name in names:
        print(f"{name} is on{f' for {for_s} s' if for_s else ''}: {FAULTS[name].does}.\nLook at: {FAULTS[name].look}.")


def _home() -> Home:
    return Home(configuration.load().outcry_home)


def _refuse(why: object) -> int:
    print(why, file=sys.stderr)
    return 1
