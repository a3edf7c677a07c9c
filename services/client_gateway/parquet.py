"""``python -m services.client_gateway.parquet IN OUT TYPES`` turns a CSV file into a Parquet file.

A process of its own: the gateway has orders to place, and this may take half a second of a core. ``TYPES`` is JSON,
column name to DuckDB type.
"""

import os
import sys

import duckdb

NICENESS = 10


def convert(source: str, target: str, types: str) -> None:
    """Reads exactly these columns; what does not fit its type is an error, never a guess."""
    with duckdb.connect(config={"autoinstall_known_extensions": False, "threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # COPY takes no parameters for its target, and both paths are our own.
        rows = f"read_csv('{_quoted(source)}', header = true, columns = {types}, quote = '\"', escape = '\"')"
        query = f"COPY (SELECT * FROM {rows}) TO '{_quoted(target)}' (FORMAT parquet, COMPRESSION zstd)"  # noqa: S608
        connection.execute(query)


def _quoted(path: str) -> str:
    return path.replace("'", "''")


if __name__ == "__main__":
    os.nice(NICENESS)
    convert(*sys.argv[1:4])
