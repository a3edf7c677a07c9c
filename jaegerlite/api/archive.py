"""Traces kept for good: `POST /api/archive/{id}` keeps one, as Jaeger's UI does; `GET` reads it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jaegerlite.api.answers import api_route, envelope, error_answer, tenant_of
from jaegerlite.api.jaeger import NOT_FOUND, single_trace_params
from jaegerlite.archive import keep_trace, kept_trace, pack_trace
from jaegerlite.backend import Backend
from jaegerlite.jaeger_json import trace_json
from jaegerlite.partitions import Snapshot
from jaegerlite.store import Store
from jaegerlite.traces import Span, TraceKey, load_traces


def _packed(store: Store, snapshot: Snapshot, key: TraceKey) -> bytes | None:
    spans = load_traces(store, snapshot, [key]).get(key)
    return pack_trace(spans) if spans else None


def _kept(_: Store, snapshot: Snapshot, key: TraceKey) -> list[Span] | None:
    return kept_trace(snapshot, key)


async def archive(request: Request) -> Response:
    """Keep a trace."""
    key, _ = single_trace_params(request)
    tenant = tenant_of(request)
    packed = await tenant.read_newest(_packed, key)
    if packed is None:
        return error_answer(404, NOT_FOUND)
    await tenant.write(lambda cursor: keep_trace(cursor, key, packed))
    return envelope([], errors=[])


async def archived(request: Request) -> Response:
    """Read a kept trace."""
    key, raw = single_trace_params(request)
    spans = await tenant_of(request).read(_kept, key)
    if spans is None:
        return error_answer(404, NOT_FOUND)
    return envelope([trace_json(key, spans, raw=raw)])


def routes(_: Backend) -> list[BaseRoute]:
    """The routes of the archive."""
    return [api_route("/api/archive/{id}", archive, ("POST",)), api_route("/api/archive/{id}", archived)]
