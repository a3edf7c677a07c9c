"""`outcry audit` on real tables: it says right, it finds each kind of wrong, and it never guesses."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from outcry import audit as auditing
from outcry.audit import NOT_PROVEN, RIGHT, WRONG, Report, as_text, audit
from shared.contracts.engine import BookState, RestingOrder
from shared.contracts.operations import Refused
from shared.errors import Unavailable
from tests.servers import TestPostgres

Database = asyncpg.Connection

SERVICES = Path(__file__).parent.parent.parent / "services"
SCHEMAS = (
    *("wallet_service", "order_manager", "reporting", "risk_manager", "market_data", "matching_engine"),
    "notification",
)
DOLLAR = 10_000
HEAD = 3

# A day's work: Anna (1001) bought 4 AAPL at 90 dollars from Ben (1002), who still offers 6 at that price.
TRADED = f"""
    INSERT INTO wallet_service.transfers
        (kind, asset, amount, debit_user, credit_user, debit_balance_after, credit_balance_after, debit_order_id,
         credit_order_id, trade_id, request_id, time_us)
    VALUES ('deposit', 'USD', {1000 * DOLLAR}, 0, 1001, {-1000 * DOLLAR}, {1000 * DOLLAR}, 0, 0, 0, 'first', 1),
           ('deposit', 'AAPL', 10, 0, 1002, -10, 10, 0, 0, 0, 'first', 1),
           ('trade', 'USD', {360 * DOLLAR}, 1001, 1002, {640 * DOLLAR}, {360 * DOLLAR}, 2, 1, 7, NULL, 2),
           ('trade', 'AAPL', 4, 1002, 1001, 6, 4, 1, 2, 7, NULL, 2),
           ('transfer', 'USD', 5, 1001, 1002, {640 * DOLLAR - 5}, {360 * DOLLAR + 5}, 0, 0, 0, 'lunch', 3),
           ('correction', 'USD', 5, 1002, 1001, {360 * DOLLAR}, {640 * DOLLAR}, 0, 0, 0, NULL, 4);
    INSERT INTO wallet_service.requests VALUES (1001, 'lunch', 'USD', -5, 1002);
    INSERT INTO wallet_service.corrections VALUES (5, 6, 1000, 'r', 'by mistake', 4, '');
    INSERT INTO wallet_service.accounts VALUES
        (0, 'USD', {-1000 * DOLLAR}, 0), (0, 'AAPL', -10, 0),
        (1001, 'USD', {640 * DOLLAR}, 0), (1001, 'AAPL', 4, 0),
        (1002, 'USD', {360 * DOLLAR}, 0), (1002, 'AAPL', 6, 6);
    INSERT INTO wallet_service.requests VALUES (1001, 'first', 'USD', {1000 * DOLLAR}), (1002, 'first', 'AAPL', 10);
    INSERT INTO reporting.holdings (user_id, symbol, quantity) VALUES (1001, 'AAPL', 4), (1002, 'AAPL', 6);
    INSERT INTO wallet_service.holds VALUES (1, 1002, 'AAPL', 1, 6, 1, 1), (2, 1001, 'USD', {100 * DOLLAR}, 0, 2, 1);
    INSERT INTO order_manager.orders
        (order_id, user_id, symbol, side, order_type, time_in_force, price, quantity, filled_quantity, filled_value,
         status, created_us, updated_us, trace_id)
    VALUES (1, 1002, 'AAPL', 2, 1, 1, {90 * DOLLAR}, 10, 4, {360 * DOLLAR}, 'PARTIALLY_FILLED', 1, 2, ''),
           (2, 1001, 'AAPL', 1, 1, 1, {100 * DOLLAR}, 4, 4, {360 * DOLLAR}, 'FILLED', 1, 2, '');
    INSERT INTO order_manager.executions (trade_id, order_id, side, price, quantity, time_us)
    VALUES (7, 1, 2, {90 * DOLLAR}, 4, 2), (7, 2, 1, {90 * DOLLAR}, 4, 2);
    INSERT INTO reporting.trades (user_id, trade_id, role, order_id, symbol, side, price, quantity, realised, time_us)
    VALUES (1002, 7, 'maker', 1, 'AAPL', 2, {90 * DOLLAR}, 4, 0, 2),
           (1001, 7, 'taker', 2, 'AAPL', 1, {90 * DOLLAR}, 4, 0, 2);
    INSERT INTO risk_manager.exposures (order_id, user_id, symbol, side, price, open_quantity)
    VALUES (1, 1002, 'AAPL', 2, {90 * DOLLAR}, 6);
    UPDATE matching_engine.outbox_head SET seq = {HEAD}, shards = ARRAY[{HEAD}];
    UPDATE order_manager.outbox_head SET seq = 2;
    UPDATE wallet_service.outbox_head SET seq = 2;
    INSERT INTO reporting.positions VALUES ('orders', 2), ('funds', 2);
"""

RESTING = RestingOrder(order_id=1, user_id=1002, side=2, price=90 * DOLLAR, open_quantity=6)


class Engine:
    """The engine's books, as this test says they are."""

    def __init__(self) -> None:
        self.position = HEAD
        self.orders: tuple[RestingOrder, ...] = (RESTING,)

    async def books(self) -> dict[str, BookState | Refused]:
        return {
            symbol: BookState(symbol=symbol, position=self.position, last_price=0, orders=orders)
            for symbol, orders in (("AAPL", self.orders), ("MSFT", ()))
        }


@pytest.fixture
async def database(database_url: Callable[[str], str], postgres_server: TestPostgres) -> AsyncIterator[Database]:
    """An administrator's connection to the tables of all services, with the trade in them."""
    name = database_url("wallet-service").rsplit("/", 1)[1]
    connection = await asyncpg.connect(postgres_server.server.admin_url(name))
    try:
        for schema in SCHEMAS:
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}; SET search_path = {schema}")
            for migration in sorted((SERVICES / schema / "migrations").glob("*.sql")):
                await connection.execute(migration.read_text())
            if schema != "matching_engine":
                await connection.execute("INSERT INTO positions VALUES ('executions', $1)", HEAD)
        await connection.execute("SET search_path = public")
        await connection.execute(TRADED)
        # Faults are planted, also where a trigger would keep them out.
        await connection.execute("SET session_replication_role = replica")
        yield connection
    finally:
        await connection.close()


async def look(database: Database, engine: Engine | None = None, wait_s: float = 0.0) -> Report:
    return await audit(database, (engine or Engine()).books, wait_s=wait_s)


async def test_a_sound_exchange_is_right(database: Database) -> None:
    """Where everything fits, every promise was looked at, nothing is found, and the status is 0."""
    report = await look(database)
    assert [line for result in report.results for line in result.findings] == []
    assert all(result.checked for result in report.results)
    assert (report.status, report.unproven) == (RIGHT, "")


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("UPDATE wallet_service.accounts SET balance = balance + 1 WHERE user_id = 1001", "all accounts together"),
        ("UPDATE wallet_service.accounts SET held = 5 WHERE held = 6", "sum of its open holds"),
        ("DELETE FROM wallet_service.transfers WHERE kind = 'deposit' AND asset = 'USD'", "explained by its transfers"),
        ("UPDATE wallet_service.transfers SET credit_balance_after = 3 WHERE asset = 'AAPL'", "balance on the way"),
        ("UPDATE order_manager.orders SET status = 'CANCELLED' WHERE order_id = 1", "open order has exactly its hold"),
        ("DELETE FROM wallet_service.holds WHERE order_id = 1", "open order has exactly its hold"),
        ("UPDATE wallet_service.holds SET open_quantity = 5 WHERE order_id = 1", "open order has exactly its hold"),
        ("UPDATE order_manager.orders SET filled_value = 1 WHERE order_id = 2", "filled by as much"),
        ("UPDATE order_manager.orders SET status = 'FILLED' WHERE order_id = 1", "FILLED means all"),
        ("DELETE FROM order_manager.executions WHERE order_id = 2", "one buyer and one seller"),
        ("UPDATE order_manager.executions SET price = 1 WHERE order_id = 2", "same price and quantity"),
        ("UPDATE wallet_service.transfers SET amount = 5 WHERE asset = 'AAPL' AND kind = 'trade'", "settled once"),
        ("DELETE FROM wallet_service.transfers WHERE asset = 'USD' AND kind = 'trade'", "settled once"),
        ("DELETE FROM reporting.trades WHERE role = 'maker'", "Reporting tells both"),
        ("UPDATE reporting.trades SET quantity = 5", "Reporting tells both"),
        ("DELETE FROM risk_manager.exposures", "Risk counts exactly"),
        ("UPDATE wallet_service.transfers SET credit_user = 0 WHERE kind = 'transfer'", "come in by deposits"),
        ("UPDATE wallet_service.transfers SET kind = 'gift' WHERE kind = 'transfer'", "come in by deposits"),
        ("DELETE FROM wallet_service.requests WHERE request_id = 'lunch'", "was asked for"),
        ("UPDATE wallet_service.requests SET other_user = 7 WHERE request_id = 'lunch'", "was asked for"),
        ("DELETE FROM wallet_service.corrections", "takes one earlier entry back"),
        ("UPDATE wallet_service.corrections SET corrects = 1", "takes one earlier entry back"),
        ("UPDATE reporting.holdings SET quantity = 5 WHERE user_id = 1002", "positions are the shares"),
    ],
)
async def test_each_fault_is_found(database: Database, fault: str, promise: str) -> None:
    """A planted fault is found under the promise that it breaks, with a line that tells of it, and the status is 1."""
    await database.execute(fault)
    report = await look(database)
    (found,) = [result for result in report.results if promise in result.promise]
    assert found.count >= 1
    assert found.findings
    assert report.status == WRONG


async def test_an_overdraft_is_found(database: Database) -> None:
    """Should the database's own checks ever be gone, a debtor is found all the same."""
    await database.execute("ALTER TABLE wallet_service.accounts DROP CONSTRAINT accounts_check")
    await database.execute("UPDATE wallet_service.accounts SET balance = -1 WHERE user_id = 1001 AND asset = 'USD'")
    report = await look(database)
    assert ["user 1001, USD: balance -1, held 0"] in [result.findings for result in report.results]


async def test_books_are_compared_with_open_orders(database: Database) -> None:
    """An order that only the book knows, and one that only the order-manager knows, are both found."""
    engine = Engine()
    engine.orders = (RestingOrder(order_id=9, user_id=1002, side=2, price=1, open_quantity=1),)
    found = (await look(database, engine)).results[-1]
    assert [line.split(" is ")[1] for line in found.findings] == [
        "open, but not in the book",
        "in the book, but not open",
    ]


async def test_without_a_quiet_moment_nothing_is_claimed(database: Database) -> None:
    """While a consumer is behind, or the engine goes on, the answer is "not proven", and says who."""
    engine = Engine()
    engine.position = HEAD + 1
    moved = await look(database, engine)
    await database.execute("UPDATE notification.positions SET seq = 1")
    behind = await look(database)
    assert (moved.status, behind.status) == (NOT_PROVEN, NOT_PROVEN)
    assert "went on from 3 to 4" in moved.unproven
    assert "notification is at 1 of 3 in executions" in behind.unproven
    assert sum(result.checked for result in behind.results) == 7


async def test_what_one_service_breaks_by_itself_needs_no_quiet(database: Database) -> None:
    """A ledger that does not add up is wrong, also while everything moves."""
    await database.execute("UPDATE notification.positions SET seq = 1")
    await database.execute("UPDATE wallet_service.accounts SET balance = balance + 1 WHERE user_id = 1001")
    assert (await look(database)).status == WRONG


async def test_a_fresh_hold_without_its_order_is_under_way(database: Database) -> None:
    """A hold whose order is just being placed is waited for; one that stays without its order is a fault."""
    hold = """INSERT INTO wallet_service.holds VALUES (8, 1001, 'USD', 5, 1,  1, {});
              UPDATE wallet_service.accounts SET held = held + 5 WHERE user_id = 1001 AND asset = 'USD'"""
    await database.execute(hold.format("extract(epoch FROM now()) * 1000000"))
    young = await look(database)
    await database.execute("UPDATE wallet_service.holds SET created_us = 1 WHERE order_id = 8")
    old = await look(database)
    assert (young.status, young.unproven) == (NOT_PROVEN, "1 orders are just being placed or undone")
    assert old.status == WRONG


async def test_it_waits_for_the_moment(database: Database) -> None:
    """The audit looks again until the engine, which went on at first, holds still."""

    class Settling(Engine):
        asked = 0

        async def books(self) -> dict[str, BookState | Refused]:
            self.asked += 1
            self.position = HEAD + 1 if self.asked < 3 else HEAD
            return await super().books()

    assert (await look(database, Settling(), wait_s=10)).status == RIGHT


async def test_without_the_engine_it_is_not_proven(database: Database) -> None:
    """With the engine away the books can't be seen, and the audit does not pretend."""

    class Gone(Engine):
        async def books(self) -> dict[str, BookState | Refused]:
            raise Unavailable("matching-engine")

    report = await look(database, Gone())
    assert (report.status, report.unproven) == (NOT_PROVEN, "matching-engine is unavailable")


def test_report_as_json() -> None:
    """Programs get the verdict as a word, and each promise with its findings."""
    report = Report([auditing.Result("A promise", count=1, findings=["a fault"])])
    said = json.loads(as_text(report))
    assert (said["status"], said["results"][0]["findings"]) == ("wrong", ["a fault"])
