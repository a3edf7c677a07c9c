"""Days to download: each is made by a process of its own, and read in pieces as long as somebody wants it."""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from opentelemetry.trace import Span

from services.market_data.store import has_events
from shared.contracts.market import Export, ExportPiece, ExportPieceQuery, ExportQuery
from shared.contracts.operations import Refused
from shared.postgres import Database

log = structlog.get_logger()

PIECE_BYTES_MAX = 1024 * 1024
KEPT_S = 60.0
"""How long a file waits for its next reader before it is deleted."""

LOOK_EVERY_S = 5.0


class File:
    """A day's file, or the process that makes it."""

    def __init__(self, path: Path, making: "asyncio.Task[bool]") -> None:
        self.path = path
        self.making = making
        self.wanted_at_s = time.monotonic()

    @property
    def export(self) -> Export:
        self.wanted_at_s = time.monotonic()
        ready = self.making.done() and self.making.result()
        return Export(export_id=self.path.stem, ready=ready, size_bytes=self.path.stat().st_size if ready else 0)


class Exports:
    """All files that there are. ``run`` is to be kept running."""

    def __init__(self, database: Database, files_max: int) -> None:
        self._database = database
        self._files_max = files_max
        self._files: dict[str, File] = {}
        self._count = 0
        self._folder = TemporaryDirectory(prefix="outcry-events-")

    async def run(self) -> None:
        """Deletes, for ever, the files that nobody reads any more."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for name, file in list(self._files.items()):
                failed = file.making.done() and not file.making.result()
                if failed or (file.making.done() and time.monotonic() - file.wanted_at_s > KEPT_S):
                    del self._files[name]
                    file.path.unlink(missing_ok=True)

    async def export(self, items: Sequence[ExportQuery], _spans: Sequence[Span]) -> list[Export | Refused]:
        """Begins to make a file, or says how far one is that was begun."""
        return [await self._export(item) for item in items]

    async def piece(self, items: Sequence[ExportPieceQuery], _spans: Sequence[Span]) -> list[ExportPiece | Refused]:
        """Bytes of a file that is ready, at most 1 MB from ``offset`` on."""
        return [await asyncio.to_thread(self._piece, item) for item in items]

    async def _export(self, item: ExportQuery) -> Export | Refused:
        if item.export_id:
            known = self._files.get(item.export_id)
            if known is None or (known.making.done() and not known.making.result()):
                return Refused(code="export_failed", detail="The file could not be made. Try again.")
            return known.export
        async with self._database.connection() as connection:
            if not await has_events(connection, item.day):
                return Refused(code="no_events", detail="Nothing is recorded of that day, or not any more.")
        if len(self._files) >= self._files_max:
            detail = f"{self._files_max} files are being made or read already. Try again in a minute."
            return Refused(code="too_many_exports", detail=detail, figures={"limit": str(self._files_max)})
        self._count += 1
        path = Path(self._folder.name) / f"{item.day}-{self._count}.parquet"
        file = self._files[path.stem] = File(path, asyncio.create_task(_make(item, path)))
        return file.export

    def _piece(self, item: ExportPieceQuery) -> ExportPiece | Refused:
        file = self._files.get(item.export_id)
        if file is None or not file.export.ready or item.offset < 0:
            return Refused(code="export_failed", detail="There is no such file any more. Download it anew.")
        with file.path.open("rb") as opened:
            opened.seek(item.offset)
            return ExportPiece(data=opened.read(PIECE_BYTES_MAX))


async def _make(item: ExportQuery, path: Path) -> bool:
    """Whether it worked."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.market_data.exporting", str(item.day), str(path), item.symbol),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode:
        log.error("a day's events could not be exported", day=item.day, said=said.decode(errors="replace")[-2000:])
    return process.returncode == 0
