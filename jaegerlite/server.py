"""The process: every listener on one event loop; threads of the tenants that write and read."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable
from typing import Final

import duckdb

from jaegerlite.api.app import query_app
from jaegerlite.backend import Backend
from jaegerlite.listeners import Address, HttpListener, Listener, ServerTls
from jaegerlite.receive.http import HttpReceiver, SpanProtocol
from jaegerlite.receive.intake import Intake
from jaegerlite.receive.jaeger_http import JaegerHttp
from jaegerlite.receive.jaeger_udp import UdpListener
from jaegerlite.receive.otlp_http import OtlpHttp
from jaegerlite.receive.thrift import BinaryReader, CompactReader
from jaegerlite.receive.zipkin_http import ZipkinHttp
from jaegerlite.remote_sampling.app import sampling_app
from jaegerlite.settings import Settings
from jaegerlite.tenant import Tenant

HTTP_PROTOCOLS: Final[dict[str, Callable[[], SpanProtocol]]] = {
    "otlp_http_port": OtlpHttp,
    "jaeger_http_port": JaegerHttp,
    "zipkin_port": ZipkinHttp,
}
UDP_READERS: Final[dict[str, tuple[str, type[BinaryReader] | type[CompactReader]]]] = {
    "jaeger_compact_port": ("jaeger_udp_compact", CompactReader),
    "jaeger_binary_port": ("jaeger_udp_binary", BinaryReader),
}
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
GC_THRESHOLDS: Final = (100_000, 50, 100)
log = logging.getLogger("jaegerlite")


class DataError(Exception):
    """The folder of the data cannot be used; the text says why."""


def _listeners(backend: Backend) -> list[Listener]:
    """A listener for each port that is not off. Raises PortInUseError, TlsFilesError."""
    settings, access = backend.settings, backend.access
    tls = None
    if settings.tls_cert_file is not None and settings.tls_key_file is not None:
        tls = ServerTls(settings.tls_cert_file, settings.tls_key_file)
        tls.check()
    intake = Intake(settings)

    def address(setting: str) -> Address:
        host = settings.udp_host if setting in UDP_READERS else settings.host
        return Address(host, getattr(settings, setting), setting)

    found: list[Listener] = [HttpListener(address("query_port"), query_app(backend), tls)]
    for setting, protocol in HTTP_PROTOCOLS.items():
        if getattr(settings, setting):
            found.append(HttpListener(address(setting), HttpReceiver(protocol(), intake, access), tls))
    if settings.sampling_port:
        found.append(HttpListener(address("sampling_port"), sampling_app(backend), tls))
    if settings.otlp_grpc_port:
        # Imported only here: it is the largest library of all, and not everybody wants it.
        from jaegerlite.receive.otlp_grpc import GrpcListener

        found.append(GrpcListener(address("otlp_grpc_port"), intake, access, tls))
    for setting, (transport, reader) in UDP_READERS.items():
        if getattr(settings, setting) and (tenant := _tenant_of_udp(backend)):
            found.append(UdpListener(address(setting), transport, reader, intake, tenant))
    return found


def _tenant_of_udp(backend: Backend) -> Tenant | None:
    """Whose spans come by UDP: a datagram names no tenant, so with tenants there are no UDP ports."""
    return None if backend.settings.tenant_names else backend.tenant()


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then store what is waiting and return.

    Raises:
        PortInUseError: a port is taken.
        AccessFileError, RulesError, StrategiesError, TlsFilesError: a file that the settings name cannot be used.
        DataError: the data cannot be opened, or another process has it open.
    """
    try:
        backend = Backend(settings)
    except (OSError, duckdb.Error) as error:
        raise DataError(f"{settings.data_dir} cannot be used: {error}") from error
    listeners = _listeners(backend)
    stopping = asyncio.Event()

    def stop() -> None:
        backend.stop_retrying()
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    # A large trace is some hundred thousand objects that all stay until it is answered: counting them again and again
    # would take a third of its time.
    gc.set_threshold(*GC_THRESHOLDS)
    storing = asyncio.create_task(backend.run())
    # Without its flusher the process would only fill up; end it, and let the reason come out of the wait below.
    storing.add_done_callback(lambda _: stop())
    _tell(settings)
    serving = asyncio.gather(*(listener.run() for listener in listeners))
    serving.add_done_callback(lambda _: stop())
    await stopping.wait()
    await asyncio.gather(*(listener.stop() for listener in listeners))
    await serving
    backend.stop()
    await storing
    backend.close()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)


def _tell(settings: Settings) -> None:
    ports = {name: getattr(settings, name) for name in Settings.model_fields if name.endswith("_port")}
    log.info("listening on %s: %s", settings.host, ", ".join(f"{name} {port}" for name, port in ports.items() if port))
    if settings.host not in LOOPBACK and settings.access_file is None:
        log.warning("everybody who reaches %s may read and write all spans: there is no access file", settings.host)
