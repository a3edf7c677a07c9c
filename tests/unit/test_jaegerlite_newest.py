"""Traces that have just come in."""

import asyncio
from pathlib import Path

from tests.unit.jaegerlite_kit import Kit

BEGAN_MS = 1_790_000_000_000


async def test_a_trace_is_found_by_its_id_before_the_next_flush(tmp_path: Path) -> None:
    """Spans that wait are stored when somebody asks for their trace, by any route; an unknown one stays unknown."""
    kit = Kit(tmp_path, flush_interval_ms=5000)
    flusher = kit.backend.tenant().flusher
    running = asyncio.create_task(flusher.run())
    for path in ("/api/traces/{id}", "/api/v3/traces/{id}", "/api/traces/{id}/analysis"):
        span = kit.span("buy", BEGAN_MS, 1.0)
        kit.take("shop", span)
        assert kit.store.waiting_spans == 1
        await kit.get(path.format(id=span.trace_id.hex()))
        assert kit.store.waiting_bytes == 0
        await kit.get(path.format(id="1" * 32), status=404)
    flusher.stop()
    await running
    await kit.http.aclose()
    kit.store.close()
