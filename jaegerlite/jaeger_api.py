"""Jaeger's HTTP query API, and jaegerlite's own health and metrics, beside the pages: everything on the query port."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import duckdb
import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from jaegerlite import metrics
from jaegerlite.jaeger_json import Json, trace_id_text, trace_json
from jaegerlite.jaeger_params import ParameterError, dependency_window_minutes, is_raw, search_params, trace_id
from jaegerlite.partitions import Snapshot
from jaegerlite.search import find_traces
from jaegerlite.store import Store
from jaegerlite.traces import load_traces

READERS: Final = 2
NOT_FOUND: Final = "trace not found"
P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger("jaegerlite")


def _envelope(data: object, *, total: int = 0, errors: list[Json] | None = None, status: int = 200) -> Response:
    body = {"data": data, "total": total, "limit": 0, "offset": 0, "errors": errors}
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def _error(status: int, text: str) -> Response:
    return _envelope(None, errors=[{"code": status, "msg": text}], status=status)


class Readers:
    """A few threads that read the store, each with a cursor of its own: no query holds up the receiving of spans."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="reader")

    async def run(self, job: Callable[Concatenate[Store, Snapshot, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a job with the store and a snapshot of it, and give its result."""

        def work() -> T:
            if not hasattr(self._local, "cursor"):
                self._local.cursor = self._store.cursor()
            with self._store.snapshot(self._local.cursor) as snapshot:
                return job(self._store, snapshot, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Wait for the running queries and end the threads."""
        self._pool.shutdown(cancel_futures=True)


Handler = Callable[[Request], Awaitable[Response]]


def _answering_errors(handler: Handler) -> Handler:
    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except ParameterError as error:
            return _error(400, str(error))
        except duckdb.Error as error:
            log.exception("a query failed")
            return _error(500, f"the store could not answer: {error}")

    return handle


def _calls(_: Store, snapshot: Snapshot, first_minute: int, last_minute: int) -> list[Json]:
    rows = snapshot.cursor.execute(
        "SELECT parent, child, sum(calls)::BIGINT FROM edge WHERE minute BETWEEN ? AND ? GROUP BY ALL ORDER BY ALL",
        [first_minute, last_minute],
    ).fetchall()
    return [{"parent": parent, "child": child, "callCount": calls} for parent, child, calls in rows]


class JaegerApi:
    """The handlers, one per route; all answers are Jaeger's envelope `{data, total, limit, offset, errors}`."""

    def __init__(self, store: Store, readers: Readers) -> None:
        self._store = store
        self._readers = readers

    async def services(self, request: Request) -> Response:
        """`/api/services`: the names of all services."""
        names = sorted(self._store.registry.services)
        return _envelope(names, total=len(names))

    async def operation_names(self, request: Request) -> Response:
        """`/api/services/{service}/operations`: the distinct span names of a service."""
        service = request.path_params["service"]
        names = sorted({series.name for series in self._store.registry.all if series.service == service})
        return _envelope(names, total=len(names))

    async def operations(self, request: Request) -> Response:
        """`/api/operations?service=&spanKind=`: span names with their kinds."""
        service, kind = request.query_params.get("service", ""), request.query_params.get("spanKind", "")
        if not service:
            raise ParameterError("parameter 'service' is required")
        pairs = sorted(
            {
                (series.name, series.kind_name)
                for series in self._store.registry.all
                if series.service == service and kind in ("", series.kind_name)
            }
        )
        return _envelope([{"name": name, "spanKind": kind} for name, kind in pairs], total=len(pairs))

    async def search(self, request: Request) -> Response:
        """`/api/traces`: a search, or the traces with the given ids."""
        params = search_params(request.query_params)
        errors: list[Json] = []

        def work(store: Store, snapshot: Snapshot) -> list[Json]:
            keys = params.trace_ids or find_traces(store, snapshot, params.query)
            traces = load_traces(store, snapshot, keys)
            errors.extend(
                {"msg": NOT_FOUND, "traceID": trace_id_text(key)} for key in params.trace_ids if key not in traces
            )
            return [trace_json(key, traces[key], raw=params.raw) for key in keys if key in traces]

        return _envelope(await self._readers.run(work), errors=errors or None)

    async def trace(self, request: Request) -> Response:
        """`/api/traces/{id}`: one trace."""
        key = trace_id(request.path_params["id"])
        raw = is_raw(request.query_params)
        traces = await self._readers.run(load_traces, [key])
        if key not in traces:
            return _error(404, NOT_FOUND)
        return _envelope([trace_json(key, traces[key], raw=raw)])

    async def dependencies(self, request: Request) -> Response:
        """`/api/dependencies?endTs=&lookback=`: calls between services, whole minutes."""
        window = dependency_window_minutes(request.query_params)
        service = request.query_params.get("service", "")
        links = await self._readers.run(_calls, *window)
        return _envelope([link for link in links if service in ("", link["parent"], link["child"])])


async def _metrics(request: Request) -> Response:
    return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)


def query_app(store: Store, readers: Readers, is_ready: Callable[[], bool], pages: list[BaseRoute]) -> Starlette:
    """The ASGI application of the query port: the given pages, and the API behind them."""
    api = JaegerApi(store, readers)

    async def health(request: Request) -> Response:
        return _json({"status": "ok"})

    async def ready(request: Request) -> Response:
        return _json({"status": "ready"}) if is_ready() else _json({"status": "spans cannot be stored"}, 503)

    calls = {
        "/api/services": api.services,
        "/api/services/{service:path}/operations": api.operation_names,
        "/api/operations": api.operations,
        "/api/traces": api.search,
        "/api/traces/{id}": api.trace,
        "/api/dependencies": api.dependencies,
        "/health": health,
        "/ready": ready,
        "/metrics": _metrics,
    }
    return Starlette(routes=pages + [Route(path, _answering_errors(handler)) for path, handler in calls.items()])


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
