"""`/api/live`: spans as they are stored, as server-sent events.

    event: spans
    data: {"spans": [{"trace_id", "span_id", "parent_id", "service", "operation", "kind", "status",
                      "start_us", "duration_us"}, ...], "matched": 120, "examined": 800, "stored": 800}

One event per batch that has fitting spans: at most `SPANS_PER_EVENT` of them, how many fitted of those examined, and
how many the batch had. Without `q` the roots of traces are shown, with it every span that fits (`/api/search` describes
the language). What speaks of a whole trace (`trace.duration`) is refused: it would be judged by a part of it.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Final

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute

from jaegerlite.api.answers import api_route, tenant_of
from jaegerlite.api.search import expression_of
from jaegerlite.backend import Backend
from jaegerlite.chunk_reader import ChunkColumns
from jaegerlite.columns import SpanColumns
from jaegerlite.find.language import EVERYTHING
from jaegerlite.find.plan import Plan
from jaegerlite.jaeger_json import Json, trace_id_text
from jaegerlite.jaeger_params import ParameterError
from jaegerlite.limits import QueryLimitError
from jaegerlite.tags import STATUS_NAMES
from jaegerlite.tenant import Tenant

SPANS_PER_EVENT: Final = 100
# At full speed a batch has 16,384 spans, several times a second; nobody reads all of those that fit.
EXAMINED_MAX: Final = 4_000
BATCHES_WAITING_MAX: Final = 8
HEARTBEAT_S: Final = 10.0
WATCHERS_MAX: Final = 20
NS_PER_US: Final = 1000
BEAT: Final = b": still here\n\n"


def _span_json(tenant: Tenant, columns: SpanColumns, row: int) -> Json:
    series = tenant.store.registry.all[columns.series[row]]
    parent_id = int(columns.parent_id[row])
    return {
        "trace_id": trace_id_text((int(columns.trace_hi[row]), int(columns.trace_lo[row]))),
        "span_id": f"{int(columns.span_id[row]):016x}",
        "parent_id": f"{parent_id:016x}" if parent_id else None,
        "service": series.service,
        "operation": series.name,
        "kind": series.kind_name,
        "status": STATUS_NAMES[columns.status[row]],
        "start_us": int(columns.start_ns[row]) // NS_PER_US,
        "duration_us": int(columns.duration_ns[row]) // NS_PER_US,
    }


def _fitting_rows(plan: Plan | None, columns: SpanColumns) -> list[int]:
    if plan is None:
        return [int(row) for row in np.flatnonzero(columns.parent_id[: columns.count] == 0)]
    n = min(columns.count, EXAMINED_MAX)
    rests = [columns.rest(row) for row in range(n)]
    borders = np.cumsum([0, *map(len, rests)])
    together = b"".join(rests)
    first = ChunkColumns(**{field.name: getattr(columns, field.name)[:n] for field in dataclasses.fields(ChunkColumns)})
    fits = plan.fitting(first, together, borders, plan.verdicts(together, borders))
    return [int(row) for row in np.flatnonzero(fits)]


def _event(tenant: Tenant, request: Request, columns: SpanColumns) -> bytes:
    """The event of a batch; empty if no span fits."""
    expression = expression_of(request.query_params)
    # Anew for each batch: it may have brought new series.
    plan = None if expression == EVERYTHING else Plan(tenant.store, expression)
    rows = _fitting_rows(plan, columns)
    if not rows:
        return b""
    body = {
        "spans": [_span_json(tenant, columns, row) for row in rows[:SPANS_PER_EVENT]],
        "matched": len(rows),
        "examined": columns.count if plan is None else min(columns.count, EXAMINED_MAX),
        "stored": columns.count,
    }
    return b"event: spans\ndata: " + msgspec.json.encode(body) + b"\n\n"


async def _events(tenant: Tenant, request: Request) -> AsyncIterator[bytes]:
    batches: asyncio.Queue[SpanColumns] = asyncio.Queue(BATCHES_WAITING_MAX)

    def watch(columns: SpanColumns) -> None:
        # A reader that is too slow misses batches; holding them for it would fill the memory.
        if not batches.full():
            batches.put_nowait(columns)

    tenant.flusher.watchers.append(watch)
    try:
        yield BEAT
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    columns = await batches.get()
            except TimeoutError:
                yield BEAT
                continue
            if event := await asyncio.to_thread(_event, tenant, request, columns):
                yield event
    finally:
        tenant.flusher.watchers.remove(watch)


async def live(request: Request) -> Response:
    """A stream that ends when the client leaves."""
    tenant = tenant_of(request)
    plan = Plan(tenant.store, expression_of(request.query_params))  # so that a mistake is told now
    if plan.on_trace:
        keys = ", ".join(condition.key for condition in plan.on_trace)
        raise ParameterError(f"q: {keys}: a trace that still goes on cannot be judged as a whole; ask /api/search")
    if len(tenant.flusher.watchers) >= WATCHERS_MAX:
        raise QueryLimitError(503, f"{WATCHERS_MAX} readers are following already; come again later")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(tenant, request), media_type="text/event-stream", headers=headers)


def routes(_: Backend) -> list[BaseRoute]:
    """The one route."""
    return [api_route("/api/live", live)]
