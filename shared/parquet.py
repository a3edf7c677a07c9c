"""CSV files as Parquet files. ``python -m shared.parquet IN OUT TYPES`` does it in a process of its own.

That is how a service should do it: it has other things to do, and this may take half a second of a core. ``TYPES`` is
JSON, column name to DuckDB type.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

NICENESS = 10
MEMORY_MAX = "256MB"


def write_parquet(
    source: Path,
    target: Path,
    types: Mapping[str, str],
    query: str = "SELECT * FROM file",
    parameters: Sequence[str] = (),
    *,
    header: bool = True,
) -> None:
    """Writes what ``query`` (with ``parameters``) makes of the rows of ``file``, in their order.

    Reads exactly these columns; what does not fit its type is an error, never a guess. The paths are our own.
    """
    with duckdb.connect(config={"autoinstall_known_extensions": False, "threads": 1}) as connection:
        connection.execute(f"SET TimeZone = 'UTC'; SET memory_limit = '{MEMORY_MAX}'")
        connection.execute(f"SET preserve_insertion_order = true; SET temp_directory = '{_quoted(target.parent)}'")
        rows = f"""read_csv('{_quoted(source)}', auto_detect = false, header = {header}, columns = {dict(types)},
                            quote = '"', escape = '"')"""
        connection.execute(
            f"COPY (WITH file AS (FROM {rows}) {query}) TO '{_quoted(target)}' (FORMAT parquet, COMPRESSION zstd)",
            list(parameters),
        )


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


if __name__ == "__main__":
    os.nice(NICENESS)
    write_parquet(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))
