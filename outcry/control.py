"""The commands that look at a running exchange from elsewhere: down, status, logs, reset."""

import asyncio
import os
import signal
import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from outcry import http, leftovers, logs
from outcry.catalogue import SERVICES, WITHOUT_HTTP
from outcry.home import Home
from outcry.settings import Settings

STOP_TIMEOUT_S = 60.0
POLL_S = 0.1
NOT_RUNNING_STATUS = 3  # as the Linux Standard Base has it for `status`


def down(settings: Settings) -> int:
    """Stop the exchange and wait until it has. 0 when nothing runs afterwards."""
    home, console = Home(settings.outcry_home), Console(highlight=False)
    pid = home.holder()
    if pid is None:
        ended = leftovers.end_all(home)
        console.print(f"Ended what was left behind: {', '.join(ended)}" if ended else "Outcry is not running.")
        return 0
    if pid == 0:
        console.print("Outcry is just starting or stopping; try again in a moment.")
        return 1
    console.print(f"Stopping outcry (pid {pid}) ...")
    os.kill(pid, signal.SIGTERM)
    give_up_s = time.monotonic() + STOP_TIMEOUT_S
    while home.holder() == pid:
        if time.monotonic() > give_up_s:
            console.print(f"[red]It did not stop within {STOP_TIMEOUT_S:.0f} s[/]; see {home.log_of('outcry')}")
            return 1
        time.sleep(POLL_S)
    console.print("Stopped.")
    return 0


def status(settings: Settings) -> int:
    """Show every process. 0 when all are ready, 1 when not, 3 when outcry is not running."""
    home, console = Home(settings.outcry_home), Console(highlight=False)
    pid = home.holder()
    if pid is None:
        console.print("Outcry is not running. Start it with: make up")
        return NOT_RUNNING_STATUS
    state = home.read_state()
    processes = state.get("processes", [])
    health = asyncio.run(_health(processes))
    table = Table(box=None, title=f"outcry · {state.get('phase', 'starting')} · pid {pid}", title_justify="left")
    for column in ("process", "pid", "port", "health", "uptime", "restarts", "memory"):
        table.add_column(column, header_style="dim", justify="left" if column in ("process", "health") else "right")
    total_mb = memory_mb(pid, with_children=False)
    table.add_row("outcry", str(pid), "", "[green]ready[/]", "", "", f"{total_mb:.0f} MB")
    for entry in processes:
        used_mb = memory_mb(entry["pid"]) if entry["pid"] else 0.0
        total_mb += used_mb
        word = health[entry["name"]]
        shown = f"[green]{word}[/]" if word == "ready" else f"[red]{word}[/]"
        uptime = _duration(time.time() - entry["started_s"]) if entry["pid"] else ""
        cells = (entry["pid"] or "", entry["port"] or "", shown, uptime, entry["restarts"], f"{used_mb:.0f} MB")
        table.add_row(entry["name"], *map(str, cells))
    table.add_section()
    table.add_row("total", "", "", "", "", "", f"{total_mb:.0f} MB")
    console.print(table)
    return 0 if state.get("phase") == "running" and set(health.values()) == {"ready"} else 1


def memory_mb(pid: int, *, with_children: bool = True) -> float:
    """Resident memory of a process and its children in MB; pages that they share count once where that can be known.

    PostgreSQL's processes share their buffers: the plain sum of what is resident would count those many times.
    """
    import psutil

    total = 0
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)] if with_children else [process]
    except psutil.NoSuchProcess:
        return 0.0
    for member in family:
        try:
            total += getattr(member.memory_full_info(), "pss", None) or member.memory_info().rss
        except psutil.AccessDenied:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


def show_logs(settings: Settings, name: str, *, follow: bool, lines: int) -> int:
    """Print the end of a process's log, and with `follow` what comes after. 1 when there is no such log."""
    home = Home(settings.outcry_home)
    path = home.log_of(name)
    if not path.is_file() or path.parent != home.logs:
        known = sorted(log.stem for log in home.logs.glob("*.log")) or list(SERVICES)
        print(f"no log of {name!r}; there is: {', '.join(known)}", file=sys.stderr)
        return 1
    for line in logs.tail(path, lines):
        print(line)
    if follow:
        try:
            for fresh in logs.follow(path):
                print(fresh, end="", flush=True)
        except KeyboardInterrupt:
            return 0
    return 0


def reset(settings: Settings, *, yes: bool) -> int:
    """Delete the folder with all data, logs and secrets, after asking. 1 when it was not deleted."""
    home = Home(settings.outcry_home)
    if not home.folder.exists():
        print(f"{home.folder} does not exist: nothing to delete.")
        return 0
    if not home.lock_file.exists():
        print(f"{home.folder} was not made by outcry: it stays.", file=sys.stderr)
        return 1
    running = " (outcry is running: it is stopped first)" if home.holder() is not None else ""
    if not yes and input(f"Delete {home.folder} with all data, logs and secrets{running}? [y/N] ").lower() != "y":
        print("Nothing was deleted.")
        return 1
    if down(settings) != 0:
        return 1
    home.delete()
    print(f"Deleted {home.folder}.")
    return 0


async def _health(processes: list[dict[str, Any]]) -> dict[str, str]:
    """What each process says of itself just now; the servers without HTTP are as their launcher last saw them."""

    async def ask(entry: dict[str, Any]) -> str:
        if entry["state"] != "ready" or entry["name"] in WITHOUT_HTTP:
            return str(entry["state"])
        return "ready" if await http.is_ready(f"http://127.0.0.1:{entry['port']}") else "not ready"

    words = await asyncio.gather(*map(ask, processes))
    return {entry["name"]: word for entry, word in zip(processes, words, strict=True)}


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
