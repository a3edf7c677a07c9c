"""Reports as files: CSV, and Parquet made from it."""

import asyncio
import csv
import io
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import Response

from shared.errors import Problem, Unavailable

FORMATS = ("json", "csv", "parquet")
ROWS_MAX = 50_000
CONVERSIONS_MAX = 2
CONVERT_TIMEOUT_S = 20.0
WAITING_MAX = 20

MONEY, SUM, COUNT, ID, TEXT, TIME = "DECIMAL(18,4)", "DECIMAL(38,4)", "HUGEINT", "BIGINT", "VARCHAR", "TIMESTAMPTZ"

COLUMNS = {
    "trades": {
        "trade_id": ID,
        "order_id": ID,
        "symbol": TEXT,
        "side": TEXT,
        "price": MONEY,
        "quantity": ID,
        "value": SUM,
        "role": TEXT,
        "realised": SUM,
        "fee": MONEY,
        "time": TIME,
    },
    "positions": {
        "symbol": TEXT,
        "quantity": ID,
        "average_cost": SUM,
        "cost": SUM,
        "mark_price": MONEY,
        "value": SUM,
        "unrealised": SUM,
        "realised": SUM,
        "fees": SUM,
    },
    "daily": {
        "date": "DATE",
        "symbol": TEXT,
        "trades": ID,
        "trades_as_maker": ID,
        "bought_quantity": SUM,
        "bought_value": SUM,
        "sold_quantity": SUM,
        "sold_value": SUM,
        "realised": SUM,
        "fees": SUM,
        "net": SUM,
    },
    "statement": {
        "transaction_id": ID,
        "time": TIME,
        "kind": TEXT,
        "asset": TEXT,
        "amount": SUM,
        "balance_after": SUM,
        "order_id": ID,
        "trade_id": ID,
        "other_user_id": ID,
        "request_id": TEXT,
        "corrects": ID,
        "corrected_by": ID,
        "reason": TEXT,
    },
}
"""The columns of each file, with their types in Parquet."""


class Exports:
    """Makes files of reports. Conversions to Parquet run beside this process, a few at a time."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(CONVERSIONS_MAX)
        self._waiting = 0

    async def file(self, report: str, kind: str, content: bytes, next_cursor: int = 0) -> Response:
        """A download. Where it was cut short the header X-Next-Cursor says where to go on."""
        if kind == "parquet":
            content = await self._parquet(report, content)
        headers = {"Content-Disposition": f'attachment; filename="{report}.{kind}"'}
        if next_cursor:
            headers["X-Next-Cursor"] = str(next_cursor)
        media_type = "text/csv" if kind == "csv" else "application/vnd.apache.parquet"
        return Response(content, headers=headers, media_type=media_type)

    async def _parquet(self, report: str, content: bytes) -> bytes:
        if self._waiting >= WAITING_MAX:
            raise Unavailable("export", "too many files are being made")
        self._waiting += 1
        try:
            async with self._free:
                return await _convert(content, json.dumps(COLUMNS[report]))
        finally:
            self._waiting -= 1


def format_of(text: str) -> str:
    """Raises Problem 422 for what is no format."""
    if text not in FORMATS:
        raise Problem(422, "invalid_format", f"format must be one of {', '.join(FORMATS)}.")
    return text


def rows_in(limit: int | None, kind: str, default: int = 100) -> int:
    """How many rows to give: a page as JSON has up to 500, a file up to 50,000. Raises Problem 422."""
    if kind != "json":
        return limit or ROWS_MAX
    if limit is not None and limit > 500:
        raise Problem(422, "invalid_query", "limit must be at most 500 for json.")
    return limit or default


def csv_of(report: str, rows: Sequence[dict[str, Any]]) -> bytes:
    """Rows as CSV, the columns of the report and no others."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS[report]), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


async def _convert(content: bytes, types: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="outcry-export-") as folder:
        source, target = Path(folder) / "report.csv", Path(folder) / "report.parquet"
        await asyncio.to_thread(source.write_bytes, content)
        command = (sys.executable, "-m", "shared.parquet", str(source), str(target), types)
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        try:
            _, errors = await asyncio.wait_for(process.communicate(), CONVERT_TIMEOUT_S)
        except BaseException as error:
            process.kill()
            await process.wait()
            if isinstance(error, TimeoutError):
                raise Unavailable("export", "the file took too long") from error
            raise
        if process.returncode:
            raise RuntimeError(f"conversion to Parquet failed: {errors.decode(errors='replace')[-500:]}")
        return await asyncio.to_thread(target.read_bytes)
