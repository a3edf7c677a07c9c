"""`outcry audit`: proves on the running system that the money is right, in one snapshot over all services.

Ledger against holds, holds against orders, orders against executions, executions against settlement, reports and risk,
and the engine's books against all of them. Services follow each other by events, so the snapshot must fall into a
moment in which all have caught up; the audit waits for one. Without it, it says "not proven", never "right".
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import asyncpg
from rich.console import Console
from rich.markup import escape

from outcry import catalogue, credentials
from outcry.audit_checks import CHECKS, ENGINE_HEADS, IN_FLIGHT, OPEN_ORDERS, Check, positions_sql
from outcry.home import Home
from outcry.settings import Settings
from shared.batching import Clients
from shared.contracts.engine import GET_BOOK, LIST_INSTRUMENTS, BookQuery, BookState, Instruments
from shared.contracts.operations import Refused
from shared.errors import Unavailable

RIGHT, WRONG, NOT_PROVEN = 0, 1, 2
"""Exit statuses."""

SHOWN_MAX = 20
"""Findings of one check that are shown; the rest is counted."""

POLL_S = 0.05
STATEMENT_TIMEOUT_S = 300.0

BOOKS_PROMISE = "The engine's books are exactly the open orders"

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection
ReadBooks = Callable[[], Awaitable[Mapping[str, BookState | Refused]]]
"""Gives the books of all symbols that are traded."""


@dataclass
class Result:
    """One promise: whether it was looked at, and what breaks it (at most SHOWN_MAX of ``count``)."""

    promise: str
    checked: bool = True
    count: int = 0
    findings: list[str] = field(default_factory=list)


@dataclass
class Report:
    """All promises. ``unproven`` says why those across services could not be looked at; empty when they were."""

    results: list[Result]
    unproven: str = ""

    @property
    def status(self) -> int:
        if any(result.count for result in self.results):
            return WRONG
        return NOT_PROVEN if self.unproven else RIGHT


def run(settings: Settings, *, wait_s: float, as_json: bool) -> int:
    """Audit the exchange of these settings and print what was found. Answers the exit status."""
    home = Home(settings.outcry_home)
    if not (home.secrets / "secrets.json").exists():
        print(f"There is no exchange in {home.folder}. Start one with: make up", file=sys.stderr)
        return NOT_PROVEN
    secrets = credentials.load_or_create(home.secrets, catalogue.SERVICES)
    embedded = catalogue.embedded_postgres(settings, home, secrets)
    database_url = embedded.admin_url() if embedded is not None else str(settings.database_url)
    clients = Clients(secrets.auditor_secret, lambda service: catalogue.service_url(settings, service), settings.shards)
    return tell(asyncio.run(audit_running(database_url, clients, wait_s)), as_json=as_json)


def tell(report: Report, *, as_json: bool) -> int:
    """Print a report. Answers the exit status."""
    if as_json:
        print(as_text(report))
    else:
        _show(report)
    return report.status


async def audit_running(database_url: str, clients: Clients, wait_s: float) -> Report:
    """Audits a running exchange. What can't be read is told in the report; ``clients`` are the auditor's own."""
    try:
        connection = await asyncpg.connect(database_url, command_timeout=STATEMENT_TIMEOUT_S)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return Report([], f"the database can't be read: {error}")

    async def read_books() -> dict[str, BookState | Refused]:
        listed = await clients.call(LIST_INSTRUMENTS, Instruments())
        if isinstance(listed, Refused):
            raise Unavailable("matching-engine", listed.detail)
        symbols = [instrument.symbol for instrument in listed.instruments]
        call = clients.caller(GET_BOOK)
        books = await asyncio.gather(*(call(BookQuery(symbol=symbol)) for symbol in symbols))
        return dict(zip(symbols, books, strict=True))

    try:
        return await audit(connection, read_books, wait_s=wait_s)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return Report([], f"the database can't be read: {error}")
    finally:
        await connection.close()
        clients.close()


async def audit(connection: Connection, read_books: ReadBooks, *, wait_s: float) -> Report:
    """Looks for a quiet moment for up to ``wait_s`` seconds, then checks everything in the snapshot of that moment.

    ``connection`` may read all schemas; ``read_books`` asks the engine. Where no quiet moment comes, only the promises
    that one service keeps by itself are looked at.
    """
    deadline = time.monotonic() + wait_s
    while True:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            books, unquiet = await _look(connection, read_books)
            if not unquiet or time.monotonic() > deadline:
                results = [await _check(connection, check, skip=bool(unquiet)) for check in CHECKS]
                found = Result(BOOKS_PROMISE, checked=False) if unquiet else await _compare(connection, books)
                return Report([*results, found], unquiet)
        await asyncio.sleep(POLL_S)


async def _look(connection: Connection, read_books: ReadBooks) -> tuple[list[BookState], str]:
    """The books, and why this snapshot is not quiet, empty when it is. Begins the snapshot."""
    behind = []
    head = 0
    for row in await connection.fetch(positions_sql()):
        if row["position"] != row["head"]:
            behind.append(f"{row['consumer']} is at {row['position']} of {row['head']} in {row['stream']}")
        if row["stream"] == "executions":
            head = row["head"]
    if behind:
        return [], "; ".join(behind)
    try:
        answers = await read_books()
    except Unavailable as error:
        return [], str(error)
    hidden = [f"{symbol} ({a.code})" for symbol, a in answers.items() if isinstance(a, Refused)]
    if hidden:
        return [], f"the engine does not show its book of {', '.join(hidden)}"
    books = [answer for answer in answers.values() if isinstance(answer, BookState)]
    moved = {book.position for book in books} - set(await connection.fetchval(ENGINE_HEADS))
    if moved:
        return [], f"the engine went on from {head} to {max(moved)} meanwhile"
    in_flight = await connection.fetchval(IN_FLIGHT)
    return books, f"{in_flight} orders are just being placed or undone" if in_flight else ""


async def _check(connection: Connection, check: Check, *, skip: bool) -> Result:
    if skip and check.across_services:
        return Result(check.promise, checked=False)
    sql = f"SELECT finding, count(*) OVER () AS total FROM ({check.sql}) AS found LIMIT {SHOWN_MAX}"  # noqa: S608
    rows = await connection.fetch(sql)
    return Result(check.promise, count=rows[0]["total"] if rows else 0, findings=[row["finding"] for row in rows])


async def _compare(connection: Connection, books: list[BookState]) -> Result:
    resting = {
        (book.symbol, order.order_id, order.user_id, order.side, order.price, order.open_quantity)
        for book in books
        for order in book.orders + book.waiting
    }
    open_orders = {tuple(row) for row in await connection.fetch(OPEN_ORDERS)}
    lines = [f"{_line(row)} is open, but not in the book" for row in sorted(open_orders - resting)]
    lines += [f"{_line(row)} is in the book, but not open" for row in sorted(resting - open_orders)]
    return Result(BOOKS_PROMISE, count=len(lines), findings=lines[:SHOWN_MAX])


def _line(row: tuple[object, ...]) -> str:
    symbol, order_id, user_id, side, price, quantity = row
    return f"order {order_id} of user {user_id} (side {side}, {quantity} {symbol} at {price})"


def as_text(report: Report) -> str:
    """The report as one JSON object in a line."""
    words = {RIGHT: "right", WRONG: "wrong", NOT_PROVEN: "not proven"}
    return json.dumps({"status": words[report.status], **asdict(report)})


def _show(report: Report) -> None:
    console = Console(highlight=False)
    for result in report.results:
        mark = "[yellow]?[/]" if not result.checked else "[red]✗[/]" if result.count else "[green]✓[/]"
        console.print(f" {mark} {result.promise}", soft_wrap=True)
        for line in result.findings:
            console.print(f"     {escape(line)}", soft_wrap=True)
        if result.count > len(result.findings):
            console.print(f"     and {result.count - len(result.findings)} more")
    if report.unproven:
        console.print(f"[yellow]Not proven:[/] {escape(report.unproven)}", soft_wrap=True)
    verdict = {RIGHT: "[green]All is right.[/]", WRONG: "[red]Something is wrong.[/]", NOT_PROVEN: ""}
    console.print(verdict[report.status])
