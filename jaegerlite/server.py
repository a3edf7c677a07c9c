"""The process: two HTTP ports on one event loop, one thread that writes, two that read."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
import uvicorn

from jaegerlite import metrics
from jaegerlite.jaeger_api import Readers, query_app
from jaegerlite.pages import page_routes
from jaegerlite.receive import OtlpHttp
from jaegerlite.settings import Settings
from jaegerlite.store import Store

FLUSH_SPANS = 16_384
STOP_SECONDS_MAX = 1
log = logging.getLogger("jaegerlite")


class PortInUseError(Exception):
    """A port is taken; the text names it and the variable that moves it."""


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the process, which has two of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int, variable: str) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=1024)
    except OSError as error:
        raise PortInUseError(
            f"cannot listen on {host}:{port} ({error.strerror}); set {variable} to another port"
        ) from error


class Flusher:
    """Hands the waiting spans to the writing thread: when a full batch waits, or after a while."""

    def __init__(self, store: Store, interval_s: float) -> None:
        self._store = store
        self._interval_s = interval_s
        self._full = asyncio.Event()
        self._stopping = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")

    def on_spans(self) -> None:
        """Look whether enough is waiting for a flush at once."""
        if self._store.waiting_spans >= FLUSH_SPANS:
            self._full.set()

    async def run(self) -> None:
        """Flush until `stop`, then once more."""
        loop = asyncio.get_running_loop()
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), self._interval_s)
            self._full.clear()
            came = self._store.waiting_spans > 0
            if came:
                await loop.run_in_executor(self._thread, self._store.flush, self._store.swap())
            metrics.WAITING_SPANS.set(self._store.waiting_spans)
            metrics.WAITING_BYTES.set(self._store.waiting_bytes)
            if came or self._store.housekeeping.is_due():
                await loop.run_in_executor(self._thread, self._keep_house)
        await loop.run_in_executor(self._thread, self._store.flush, self._store.swap())
        self._thread.shutdown()

    def _keep_house(self) -> None:
        try:
            self._store.housekeeping.after_flush()
        except duckdb.Error:
            # What is stored stays as it is and is tried again; spans that arrive matter more.
            log.exception("housekeeping failed, trying again later")

    def stop(self) -> None:
        """Let `run` end soon."""
        self._stopping = True
        self._full.set()


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then store what is waiting and return.

    Raises:
        PortInUseError: a port is taken.
        duckdb.IOException: another process has the data open.
    """
    sockets = [
        _listen(settings.host, settings.query_port, "JAEGERLITE_QUERY_PORT"),
        _listen(settings.host, settings.otlp_http_port, "JAEGERLITE_OTLP_HTTP_PORT"),
    ]
    store = Store(
        settings.data_dir,
        memory_limit=settings.memory_limit,
        waiting_bytes_max=settings.waiting_bytes_max,
        retention_hours=settings.retention_hours,
        disk_bytes_max=settings.disk_bytes_max,
    )
    readers = Readers(store)
    flusher = Flusher(store, settings.flush_interval_ms / 1000)
    apps: list[Callable[..., Any]] = [
        query_app(store, readers, lambda: not store.is_failing, page_routes(settings.ui_dir)),
        OtlpHttp(store, body_bytes_max=settings.body_bytes_max, on_spans=flusher.on_spans),
    ]
    servers = [
        _Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=STOP_SECONDS_MAX,
                timeout_keep_alive=75,
            )
        )
        for app in apps
    ]

    def stop() -> None:
        store.stop_retrying()
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    flushing = asyncio.create_task(flusher.run())
    # Without its flusher the process would only fill up; end it, and let the reason come out of the wait below.
    flushing.add_done_callback(lambda _: stop())
    query_port, otlp_port = (sock.getsockname()[1] for sock in sockets)
    log.info("query API on http://%s:%d, OTLP over HTTP on port %d", settings.host, query_port, otlp_port)
    await asyncio.gather(*(server.serve(sockets=[sock]) for server, sock in zip(servers, sockets, strict=True)))
    flusher.stop()
    await flushing
    readers.close()
    store.close()
