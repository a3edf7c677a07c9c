"""Positions, profit, fees, days and files of them, as clients get them."""

import csv
import io
import time
from typing import Any

import duckdb
import httpx
import pytest

from tests.e2e.exchange import Exchange, User, eventually
from tests.e2e.test_bad_input import assert_problem

SYMBOL = "GOOGL"


def trades_of_a_day(exchange: Exchange) -> User:
    """Buys 4 at 160 and sells 1 of them at 170; somebody else offers at 180 and asks for 165 then."""
    user, other = exchange.user(cash=10_000), exchange.user(cash=10_000, GOOGL=10)
    other.placed(symbol=SYMBOL, side="SELL", quantity=4, price=160)
    user.placed(symbol=SYMBOL, quantity=4, price=160)
    other.placed(symbol=SYMBOL, quantity=1, price=170)
    user.placed(symbol=SYMBOL, side="SELL", quantity=1, price=170)
    other.placed(symbol=SYMBOL, quantity=1, price=165)
    other.placed(symbol=SYMBOL, side="SELL", quantity=1, price=180)
    return user


def parquet(response: httpx.Response, folder: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names with their types, and rows (times as text), as any reader of Parquet sees them."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/vnd.apache.parquet"
    path = folder / "report.parquet"
    path.write_bytes(response.content)
    with duckdb.connect() as connection:
        described = connection.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()
        names = ", ".join(f"{name}::VARCHAR" for name, *_ in described)
        return [f"{name} {kind}" for name, kind, *_ in described], connection.execute(
            f"SELECT {names} FROM '{path}'"
        ).fetchall()


def test_profit_is_told_at_the_mark(exchange: Exchange) -> None:
    """Realised against average cost, unrealised at the last price as far as bid and ask agree with it."""
    user = trades_of_a_day(exchange)
    # The mark is market-data's, which hears of the last trade when it does.
    (position,) = eventually(
        lambda: user.get("/reports/positions")["positions"], lambda found: found[0]["mark_price"] == "170.00"
    )
    assert (position["quantity"], position["average_cost"], position["realised"]) == (3, "160.00", "10.00")
    assert (position["mark_price"], position["value"], position["unrealised"]) == ("170.00", "510.00", "30.00")
    pnl = user.get("/reports/pnl")
    assert (pnl["realised"], pnl["unrealised"], pnl["total"], pnl["fees"], pnl["net"]) == (
        "10.00",
        "30.00",
        "40.00",
        "0.00",
        "40.00",
    )
    statistics = user.get("/reports/statistics")
    assert (statistics["trades"], statistics["bought_value"], statistics["sold_value"]) == (2, "640.00", "170.00")


def test_the_day_is_summed_up(exchange: Exchange) -> None:
    """Today has the trades, in JSON as in both files, and an empty range has none."""
    user = trades_of_a_day(exchange)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    (day,) = user.get("/reports/daily")["days"]
    assert (day["date"], day["symbol"], day["trades"], day["bought_value"]) == (today, SYMBOL, 2, "640.00")
    assert (day["sold_value"], day["realised"], day["fees"], day["net"]) == ("170.00", "10.00", "0.00", "10.00")
    assert user.get("/reports/daily", since="2020-01-01", until="2020-02-01") == {"days": []}
    (row,) = csv.DictReader(io.StringIO(user.http.get("/reports/daily", params={"format": "csv"}).text))
    assert (row["date"], row["realised"]) == (today, "10.00")


def test_files_hold_what_the_pages_hold(exchange: Exchange, tmp_path: Any) -> None:
    """Trades, positions, days and the statement as Parquet: typed columns, exact figures."""
    user = trades_of_a_day(exchange)
    columns, rows = parquet(user.http.get("/reports/trades", params={"format": "parquet"}), tmp_path)
    assert {"price DECIMAL(18,4)", "time TIMESTAMP WITH TIME ZONE", "trade_id BIGINT"} <= set(columns)
    page = user.get("/reports/trades")["trades"]
    assert [(row[0], row[3], row[4]) for row in rows] == [(t["trade_id"], t["side"], f"{t['price']}00") for t in page]
    _, rows = parquet(user.http.get("/reports/positions", params={"format": "parquet"}), tmp_path)
    assert [(row[0], row[1], row[2]) for row in rows] == [(SYMBOL, "3", "160.0000")]
    _, rows = parquet(user.http.get("/reports/daily", params={"format": "parquet"}), tmp_path)
    assert [(row[1], row[8]) for row in rows] == [(SYMBOL, "10.0000")]
    _, rows = parquet(user.http.get("/wallet/transactions", params={"format": "parquet"}), tmp_path)
    entries = user.get("/wallet/transactions")["transactions"]
    assert [row[0] for row in rows] == [entry["transaction_id"] for entry in entries]
    assert rows[-1][2:6] == ("deposit", "USD", "10000.0000", "10000.0000")
    cut = user.http.get("/wallet/transactions", params={"format": "csv", "limit": 2})
    assert cut.headers["X-Next-Cursor"] == entries[1]["transaction_id"]
    assert cut.headers["Content-Disposition"] == 'attachment; filename="statement.csv"'
    assert [row["transaction_id"] for row in csv.DictReader(io.StringIO(cut.text))] == [
        entry["transaction_id"] for entry in entries[:2]
    ]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/reports/positions?format=pdf", "invalid_format"),
        ("/reports/daily?format=pdf", "invalid_format"),
        ("/wallet/transactions?format=pdf", "invalid_format"),
        ("/wallet/transactions?limit=501", "invalid_query"),
        ("/reports/trades?limit=501", "invalid_query"),
        ("/reports/trades?format=csv&limit=50001", "invalid_query"),
        ("/reports/trades?symbol=%00", "invalid_query"),
        ("/reports/trades?symbol=%00&format=csv", "invalid_query"),
        ("/reports/daily?since=yesterday", "invalid_query"),
        ("/reports/daily?since=2026-02-30", "invalid_query"),
        ("/reports/daily?since=2026-02-02&until=2026-02-01", "invalid_days"),
        ("/reports/daily?since=2020-01-01&until=2024-01-01", "invalid_days"),
        ("/reports/daily?since=0001-01-01&until=0001-01-02", "invalid_days"),
        ("/reports/daily?until=9999-12-31&since=9998-12-31", None),
        ("/reports/trades?symbol=NOPE&format=parquet", None),
    ],
)
def test_reports_are_asked_for_correctly(exchange: Exchange, path: str, code: str | None) -> None:
    """Each mistake has its code; what is merely empty is no mistake."""
    answer = exchange.shared_user.http.get(path)
    if code is None:
        assert answer.status_code == 200, answer.text
    else:
        assert_problem(answer, 422, code)
