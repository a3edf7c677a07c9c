"""Listening: sockets with an error that helps, and HTTP servers on them that share one event loop."""

import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import uvicorn

STOP_SECONDS_MAX: Final = 1
KEEP_ALIVE_SECONDS: Final = 75
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


class PortInUseError(Exception):
    """A port is taken, or an address is not ours; the text names it and the variable that moves it."""


class TlsFilesError(Exception):
    """Certificate and key cannot be used; the text says which, and why."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, and the setting that says so."""

    host: str
    port: int
    setting: str

    def taken(self, why: str | None) -> PortInUseError:
        """What to say when listening here fails."""
        variable = f"JAEGERLITE_{self.setting.upper()}"
        return PortInUseError(
            f"cannot listen on {self.host}:{self.port} ({why});"
            f" set {variable} to another port, or JAEGERLITE_HOST to an address of this machine"
        )


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What a server shows: files, PEM."""

    certificate_file: Path
    key_file: Path

    def check(self) -> None:
        """Raise TlsFilesError unless both are there and belong together."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate_file, self.key_file)
        except OSError as error:
            why = "they are no PEM, or do not belong together" if isinstance(error, ssl.SSLError) else error.strerror
            raise TlsFilesError(f"certificate {self.certificate_file}, key {self.key_file}: {why}") from error

    @property
    def certificate(self) -> bytes:
        """The certificate, and those that lead to its root."""
        return self.certificate_file.read_bytes()

    @property
    def key(self) -> bytes:
        """The private key."""
        return self.key_file.read_bytes()


class Listener(Protocol):
    """Something that listens; its port is taken when it is made."""

    async def run(self) -> None:
        """Serve until `stop`."""

    async def stop(self) -> None:
        """Let `run` end within a second or so."""


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the process, which has several of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpListener:
    """An ASGI application on a port of its own."""

    def __init__(self, address: Address, app: AsgiApp, tls: ServerTls | None) -> None:
        """Take the port. Raises PortInUseError."""
        try:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            self._socket = socket.create_server((address.host, address.port), family=family, backlog=1024)
        except OSError as error:
            raise address.taken(error.strerror) from error
        self._server = _Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=STOP_SECONDS_MAX,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                # Who a request comes from is decided in access.py; uvicorn would believe a header of any local process.
                proxy_headers=False,
                server_header=False,
                ssl_certfile=tls.certificate_file if tls else None,
                ssl_keyfile=tls.key_file if tls else None,
            )
        )

    async def run(self) -> None:
        """Serve until `stop`."""
        await self._server.serve(sockets=[self._socket])

    async def stop(self) -> None:
        """Let `run` end within a second or so."""
        self._server.should_exit = True
