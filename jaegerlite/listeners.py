"""Listening: sockets with an error that helps, and HTTP servers on them that share one event loop."""

import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import uvicorn

STOP_SECONDS_MAX: Final = 1
KEEP_ALIVE_SECONDS: Final = 75
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


class PortInUseError(Exception):
    """A port is taken; the text names it and the variable that moves it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, and the setting that says so."""

    host: str
    port: int
    setting: str

    def taken(self, error: OSError) -> PortInUseError:
        """What to say when somebody else listens here."""
        variable = f"JAEGERLITE_{self.setting.upper()}"
        return PortInUseError(
            f"cannot listen on {self.host}:{self.port} ({error.strerror}); set {variable} to another port"
        )


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the process, which has several of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpListener:
    """An ASGI application on a port of its own."""

    def __init__(self, address: Address, app: AsgiApp) -> None:
        """Take the port. Raises PortInUseError."""
        try:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            self._socket = socket.create_server((address.host, address.port), family=family, backlog=1024)
        except OSError as error:
            raise address.taken(error) from error
        self._server = _Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=STOP_SECONDS_MAX,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )

    async def run(self) -> None:
        """Serve until `stop`."""
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Let `run` end within a second or so."""
        self._server.should_exit = True
