"""``python -m benchmarks``: drives the public API from outside, prints what it found, ends with the audit."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console

from benchmarks import footprint, report, tracing
from benchmarks.connection import Address
from benchmarks.exchange import Exchange, StartFailed, own_exchange, running_exchange
from benchmarks.scenarios import Bench, Plan, Result, scenarios
from benchmarks.soak import soak
from benchmarks.users import USERS, SetupError, make_traders

NAMES = ("closed", "batch", "socket", "open", "overload", "fanout", "tracing")
DEFAULT = ("closed", "batch", "socket", "open", "overload", "fanout")
QUICK = Plan(warm_up_s=1.0, seconds=3.0, connections=(1, 64))
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
WIDTH_IN_FILES = 140
AUDIT_WORDS = {True: "[green]all is right[/]", False: "[red]something is wrong[/]", None: "[yellow]not proven[/]"}


@app.command()
def main(
    only: Annotated[str, typer.Option(help=f"some of {', '.join(NAMES)}, separated by commas")] = ",".join(DEFAULT),
    seconds: Annotated[float, typer.Option(min=1, max=600, help="measured time of each scenario")] = 10.0,
    connections: Annotated[str, typer.Option(help="of the closed loops, separated by commas")] = "1,8,32,64",
    quick: Annotated[bool, typer.Option("--quick", help="3 s each, 1 and 64 connections")] = False,
    url: Annotated[str, typer.Option(help="an exchange that runs already; without it, one is started")] = "",
    soak_s: Annotated[float, typer.Option("--soak", min=0, help="then this many seconds at half the capacity")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="default: a new file in bench-results/")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="leave the folder of the exchange")] = False,
) -> None:
    """Measure the running system: see benchmarks/README.md for what each scenario means."""
    chosen = [name.strip() for name in only.split(",") if name.strip()]
    unknown = set(chosen) - set(NAMES)
    if unknown:
        raise typer.BadParameter(f"--only knows {', '.join(NAMES)}, not {', '.join(sorted(unknown))}")
    if url and "tracing" in chosen:
        raise typer.BadParameter("tracing starts exchanges of its own: leave out --url")
    counts = tuple(int(count) for count in connections.split(",") if count.strip())
    plan = QUICK if quick else Plan(seconds=seconds, connections=counts)
    try:
        if url:
            right = uvloop.run(_run(running_exchange(url), chosen, plan, soak_s, json_file))
        else:
            with own_exchange(keep=keep) as exchange:
                right = uvloop.run(_run(exchange, chosen, plan, soak_s, json_file, start=True))
    except (StartFailed, SetupError, OSError) as error:
        print(f"The benchmark ends: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    raise typer.Exit(0 if right else 1)


async def _run(
    exchange: Exchange, chosen: list[str], plan: Plan, soak_s: float, json_file: Path | None, *, start: bool = False
) -> bool:
    """Runs what was chosen. False when the audit found something wrong."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_IN_FILES
    machine = report.machine()
    console.print(f"{machine['cpus']} CPUs ({machine['model']}), load before {machine['load_before']}")
    console.print(f"Workload: {report.WORKLOAD}\n")
    content: dict[str, Any] = {"machine": machine, "workload": report.WORKLOAD, "results": []}
    audits: list[tuple[bool | None, str]] = []
    if "tracing" in chosen:
        comparison = await tracing.compare(console)
        content["tracing"] = figures = comparison.figures()
        tracing.show(console, figures)
        audits += comparison.audits
    names = [name for name in chosen if name != "tracing"]
    if names or soak_s or not audits:
        if start:
            await asyncio.to_thread(exchange.start)
        await _measure(exchange, names, plan, soak_s, console, content)
        audits.append(await asyncio.to_thread(exchange.audit))
    content["audits"] = [{"right": right, "said": words} for right, words in audits]
    for right, words in audits:
        console.print(f"\nAudit: {AUDIT_WORDS[right]}")
        console.print(words, style="dim", markup=False)
    console.print(f"Written to {report.write(json_file, content)}")
    return all(right is not False for right, _ in audits)


async def _measure(
    exchange: Exchange, names: list[str], plan: Plan, soak_s: float, console: Console, content: dict[str, Any]
) -> None:
    address = Address(exchange.url)
    with console.status(f"registering {USERS} users"):
        bench = Bench(address, await make_traders(address), exchange.home, plan)
    if exchange.home is not None:
        content["idle"] = idle = await bench.idle()
        console.print(
            f"idle: {idle['cpu_percent']['total']:.1f} % of a core, {idle['resident_mb']['total']:.0f} MB resident"
        )
    before = await footprint.read(exchange.home) if exchange.home is not None else None
    results: list[Result] = []
    for name in names:
        for scenario in scenarios(bench)[name]:
            with console.status(f"measuring: {name}"):
                results.append(await scenario())
            figures = results[-1].figures
            console.print(f"{results[-1].name}: {figures['orders_per_s']:.0f} orders/s", style="dim")
    report.show(console, results)
    content["results"] = [result.as_json() for result in results]
    if exchange.home is not None and before is not None:
        content["bytes_per_order"] = (await footprint.read(exchange.home)).per_order_since(before)
    if soak_s:
        console.print(f"\nSoak, {soak_s:.0f} s")
        content["soak"] = await soak(bench, soak_s, console)


if __name__ == "__main__":
    app()
