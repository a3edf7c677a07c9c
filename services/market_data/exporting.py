"""``python -m services.market_data.exporting DAY FILE [SYMBOL]``: writes a day's record as Parquet, and ends.

A process of its own, because a day can be much, and market-data has books to keep.
"""

import asyncio
import sys
from pathlib import Path

import asyncpg

from shared.parquet import write_parquet
from shared.settings import ServiceSettings, load

ROWS_AT_ONCE = 200

COLUMNS = {
    "seq": "BIGINT",
    "time_us": "BIGINT",
    "symbol": "VARCHAR",
    "kind": "VARCHAR",
    "order_id": "BIGINT",
    "side": "VARCHAR",
    "price": "BIGINT",
    "quantity": "BIGINT",
    "trade_id": "BIGINT",
    "session": "VARCHAR",
    "imbalance": "BIGINT",
}

ROWS = """
    SELECT seq, make_timestamp(time_us) AS time, symbol, kind, order_id, side,
           (price::DECIMAL(18, 0) * 0.0001::DECIMAL(4, 4))::DECIMAL(18, 4) AS price,
           quantity, trade_id, session, imbalance
    FROM file
    WHERE ? IN ('', symbol)"""


async def write_lines(url: str, day: int, path: Path) -> None:
    """The day's lines as one CSV file, read from PostgreSQL piece by piece."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(readonly=True):
            rows = connection.cursor(
                "SELECT lines FROM market_data.events WHERE day = $1 ORDER BY id", day, prefetch=ROWS_AT_ONCE
            )
            with path.open("w") as file:
                async for row in rows:
                    file.write(row["lines"])
    finally:
        await connection.close()


if __name__ == "__main__":
    _, wanted_day, target, *symbols = sys.argv
    csv = Path(target).with_suffix(".csv")
    try:
        url = load(ServiceSettings).database_url.get_secret_value()
        asyncio.run(write_lines(url, int(wanted_day), csv))
        symbol = symbols[0] if symbols else ""
        write_parquet(csv, Path(target), COLUMNS, ROWS, [symbol], header=False)
    finally:
        csv.unlink(missing_ok=True)
