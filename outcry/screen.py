"""What `outcry up` shows: progress while things start, one screen when they run, a line whenever something happens.

On a terminal the progress is a table that redraws itself; in a pipe or a log it is plain lines. The terminal may go
away while we run (its window was closed): then there is nobody to tell, and we must still stop in order.
"""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from outcry.supervisor import Child, State, exit_text

MARKS = {
    State.STARTING: "[yellow]…[/] starting",
    State.READY: "[green]✓[/] ready",
    State.RESTARTING: "[red]↻[/] restarting",
    State.STOPPED: "[dim]· stopped[/]",
}


class Screen:
    """Tells a person about children. Use as a context manager around the start; `say` works at any time."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._live: Live | None = None
        self._children: dict[str, Child] = {}
        self._shown: dict[str, tuple[State, int]] = {}
        self._began_s = time.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                self._table(), console=self._console, refresh_per_second=8, transient=True, auto_refresh=False
            )
            self._live.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._live is not None:
            with _surviving_terminal():
                self._live.stop()
            self._live = None

    def say(self, text: str) -> None:
        """Show one line (or several), with rich's markup."""
        with _surviving_terminal():
            self._console.print(text, soft_wrap=True)  # commands stay on one line, to be copied

    def changed(self, child: Child) -> None:
        """A child's state has changed."""
        name = child.spec.name
        self._children[name] = child
        if self._shown.get(name) == (child.state, child.restarts):
            return
        self._shown[name] = (child.state, child.restarts)
        if child.state is State.RESTARTING:
            self.say(f"[red]{name} {exit_text(child.last_exit)}[/]; starting it again (see: outcry logs {name})")
        elif child.state is State.READY and child.restarts:
            self.say(f"[green]{name} is back[/] after {child.ready_after_s:.1f} s")
        elif child.state is State.READY and self._live is None:
            self.say(f"{name} is ready ({child.ready_after_s:.1f} s)")
        if self._live is not None:
            with _surviving_terminal():
                self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        table = Table(
            box=None, title=f"Starting the exchange · {time.monotonic() - self._began_s:.1f} s", title_justify="left"
        )
        for column in ("process", "state", "after"):
            table.add_column(column, header_style="dim")
        for name, child in self._children.items():
            after = f"{child.ready_after_s:.1f} s" if child.state is State.READY else ""
            table.add_row(name, MARKS[child.state], after)
        return table


@contextlib.contextmanager
def _surviving_terminal() -> Iterator[None]:
    """Write to the terminal; when it is gone, write into nothing from now on."""
    try:
        yield
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2):
            os.dup2(nothing, descriptor)
        os.close(nothing)


def welcome(gateway_url: str, traces_url: str | None, fix: str, took_s: float, username: str, password: str) -> str:
    """The one screen at the end of the start: addresses, login, and the first commands to try."""
    traces = f"\n  Trace explorer    [cyan]{traces_url}[/]" if traces_url else ""
    fix_line = f"\n  FIX 4.4           [cyan]{fix}[/]" if fix else ""
    return f"""
[bold green]The exchange is open[/] (after {took_s:.1f} s)

  Trading desk, API [cyan]{gateway_url}[/]   documentation: [cyan]{gateway_url}/docs[/]{traces}{fix_line}
  Demo login        [bold]{username}[/] / [bold]{password}[/]

[bold]Place a first order:[/]

  TOKEN=$(curl -s -X POST {gateway_url}/auth/login -H "Content-Type: application/json" \\
    -d '{{"username": "{username}", "password": "{password}"}}' | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')
  curl -i -X POST {gateway_url}/v1/order -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
    -d '{{"symbol": "AAPL", "side": "BUY", "order_type": "LIMIT", "quantity": 10, "price": 150.00}}'

  Its answer carries X-Trace-Id: follow that order with [bold]outcry trace ID[/], or in the trace explorer.
  In another terminal: outcry status · outcry logs SERVICE · outcry audit.  Stop: Ctrl-C, or outcry down.{_called()}
"""


def _called() -> str:
    """How the commands are called where the shell does not find them by their name."""
    if shutil.which("outcry"):
        return ""
    return f"\n  (outcry is {os.path.relpath(Path(sys.executable).parent / 'outcry')} here.)"
