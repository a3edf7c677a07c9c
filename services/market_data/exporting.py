"""``python -m services.market_data.exporting DAY FILE [SYMBOL]``: writes a day's record as Parquet, and ends.

A process of its own, because a day can be much, and market-data has books to keep.
"""

import asyncio
import sys
from pathlib import Path

import asyncpg
import duckdb

from shared.settings import ServiceSettings, load

ROWS_AT_ONCE = 200
MEMORY_MAX = "256MB"

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

COPY = """
    COPY (
        SELECT seq, make_timestamp(time_us) AS time, symbol, kind, order_id, side,
               (price::DECIMAL(18, 0) * 0.0001::DECIMAL(4, 4))::DECIMAL(18, 4) AS price,
               quantity, trade_id, session, imbalance
        FROM read_csv(?, header = false, auto_detect = false, columns = {columns})
        WHERE ? IN ('', symbol)
    ) TO '{file}' (FORMAT parquet, COMPRESSION zstd)"""


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


def write_parquet(lines: Path, file: Path, symbol: str) -> None:
    """The lines as Parquet, in their order, all or those of one symbol."""
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY_MAX}'; SET threads = 1; SET preserve_insertion_order = true")
        connection.execute(f"SET temp_directory = '{lines.parent}'")
        connection.execute(COPY.format(columns=COLUMNS, file=file), [str(lines), symbol])


if __name__ == "__main__":
    _, wanted_day, target, *symbols = sys.argv
    csv = Path(target).with_suffix(".csv")
    try:
        url = load(ServiceSettings).database_url.get_secret_value()
        asyncio.run(write_lines(url, int(wanted_day), csv))
        write_parquet(csv, Path(target), symbols[0] if symbols else "")
    finally:
        csv.unlink(missing_ok=True)
