"""Reports as CSV, written by PostgreSQL itself: a row costs this process nothing but its bytes."""

from collections.abc import Sequence
from typing import Any

from opentelemetry.trace import Span

from shared.connections import Connection
from shared.contracts.reports import Export
from shared.postgres import Statement
from shared.tracing import statement_spans

ROWS_MAX = 50_000
"""Rows in one file: some megabytes, and less than a second."""


async def export_csv(
    connection: Connection, spans: Sequence[Span], statement: Statement, *args: Any, limit: int
) -> Export:
    """The rows of a statement as CSV, ``limit`` of them at most (its last parameter).

    Its first column is the id that the next page goes on below. No field may hold a line break.
    """
    rows = max(1, min(limit, ROWS_MAX))
    parts: list[bytes] = []

    async def take(part: bytes) -> None:
        parts.append(part)

    with statement_spans(spans, statement.name, statement.attributes):
        done = await connection.copy_from_query(statement.sql, *args, rows, output=take, format="csv", header=True)
    content = b"".join(parts)
    full = int(done.removeprefix("COPY ")) == rows
    last_line = content[content.rfind(b"\n", 0, -1) + 1 :]
    return Export(content=content, next_before=int(last_line.partition(b",")[0]) if full else 0)
