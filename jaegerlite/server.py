"""The process: every listener on one event loop; threads of the tenants that write and read."""

import asyncio
import logging
import signal

from jaegerlite.api.app import query_app
from jaegerlite.backend import Backend
from jaegerlite.listeners import Address, HttpListener
from jaegerlite.receive.otlp_http import OtlpHttp
from jaegerlite.settings import Settings

log = logging.getLogger("jaegerlite")


def _listeners(backend: Backend) -> list[HttpListener]:
    """A listener for each port that is not off."""
    settings = backend.settings
    tenant = backend.tenant()
    otlp_http = OtlpHttp(tenant.store, body_bytes_max=settings.body_bytes_max, on_spans=tenant.flusher.on_spans)
    found = [HttpListener(Address(settings.host, settings.query_port, "query_port"), query_app(backend))]
    if settings.otlp_http_port:
        found.append(HttpListener(Address(settings.host, settings.otlp_http_port, "otlp_http_port"), otlp_http))
    return found


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then store what is waiting and return.

    Raises:
        PortInUseError: a port is taken.
        duckdb.IOException: another process has the data open.
    """
    backend = Backend(settings)
    listeners = _listeners(backend)

    def stop() -> None:
        backend.stop_retrying()
        for listener in listeners:
            listener.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    storing = asyncio.create_task(backend.run())
    # Without its flusher the process would only fill up; end it, and let the reason come out of the wait below.
    storing.add_done_callback(lambda _: stop())
    log.info("query API on http://%s:%d", settings.host, settings.query_port)
    await asyncio.gather(*(listener.run() for listener in listeners))
    backend.stop()
    await storing
    backend.close()
