"""`outcry up`: brings the whole exchange up, stays while it runs, and takes it down in order.

First everything that can be known to fail is looked at (settings, another launcher, ports). Then the servers start, the
services get their rooms in the database, and all of them start together; the start is over when the last one is ready.
"""

import asyncio
import signal
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from rich.markup import escape

from outcry import catalogue, compiled, credentials, demo, leftovers, ports, provision, screen
from outcry.home import AlreadyRunningError, Home
from outcry.postgres import DATABASE
from outcry.settings import Settings
from outcry.supervisor import Child, StartError, State, Supervisor

UDP_VARIABLES = ("JAEGERLITE_JAEGER_COMPACT_PORT", "JAEGERLITE_JAEGER_BINARY_PORT")
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Exchange:
    """The whole running exchange of one folder: made, started and stopped once."""

    def __init__(self, settings: Settings, home: Home, view: screen.Screen) -> None:
        self._settings = settings
        self._home = home
        self._view = view
        self._began_s = time.monotonic()
        self._phase = "starting"
        self._supervisor = Supervisor(home.logs, self._changed)
        self._credentials = credentials.load_or_create(home.secrets, catalogue.SERVICES)
        self._postgres = catalogue.embedded_postgres(settings, home, self._credentials)
        self._valkey = catalogue.embedded_valkey(settings, home, self._credentials)

    async def start(self, bots: int) -> None:
        """Start everything and wait until it is ready. Raises StartError, RuntimeError, DemoError, OSError."""
        timeout_s = self._settings.outcry_start_timeout_s
        gateway_url = catalogue.service_url(self._settings, catalogue.GATEWAY)
        with self._view:
            if self._settings.embedded_tracing:
                self._supervisor.start([catalogue.jaegerlite(self._settings, self._home)])
            await self._start_servers(timeout_s)
            database_url = self._make_rooms()  # not in a thread: the launcher forks, and has only one for that reason
            redis_urls = self._redis_urls()
            specs = catalogue.services(self._settings, self._credentials, database_url, redis_urls)
            if catalogue.has_fix(self._settings):
                specs.append(catalogue.fix_gateway(self._settings, self._home, redis_urls[catalogue.FIX]))
            self._supervisor.start(specs)
            await self._supervisor.wait_ready(self._supervisor.children, timeout_s)
            if not self._home.has_demo_user:
                await demo.create(gateway_url)
                self._home.remember_demo_user()
            if bots and find_spec("outcry.bots") is not None:
                self._supervisor.start([catalogue.bots(self._settings, bots)])
                await self._supervisor.wait_ready(["bots"], timeout_s)
        self._supervisor.all_started()
        self._set_phase("running")
        traces_url = (
            f"http://127.0.0.1:{self._settings.jaegerlite_query_port}" if self._settings.embedded_tracing else None
        )
        took_s = time.monotonic() - self._began_s
        fix = self._fix()
        self._view.say(screen.welcome(gateway_url, traces_url, fix, took_s, demo.USERNAME, demo.PASSWORD))

    async def stop(self) -> None:
        """End everything in order. What was acknowledged is on disk; what was buffered is sent."""
        self._set_phase("stopping")
        self._view.say("Stopping ...")
        await self._supervisor.stop(catalogue.STOP_ORDER)
        self._set_phase("stopped")
        self._view.say("Stopped.")

    @property
    def failed(self) -> asyncio.Future[None]:
        """Done, with the reason, when the launcher itself cannot go on."""
        return self._supervisor.failed

    def kill(self) -> None:
        """End everything at once."""
        self._supervisor.kill()

    def _fix(self) -> str:
        """Where FIX clients connect, or how to get there; empty where it was turned off."""
        if catalogue.has_fix(self._settings):
            return f"127.0.0.1:{self._settings.fix_port}"
        return "its engine is not installed: make fix (compiles for a minute)" if self._settings.outcry_fix else ""

    async def _start_servers(self, timeout_s: float) -> None:
        servers = [server for server in (self._postgres, self._valkey) if server is not None]
        for server in servers:
            server.prepare()
        specs = [server.process() for server in servers]
        self._supervisor.start(specs)
        await self._supervisor.wait_ready([spec.name for spec in specs], timeout_s)

    def _make_rooms(self) -> str:
        """Rooms for the services in the database; answers its administrator's address, as they reach it best."""
        if self._postgres is not None:
            provision.create_database(self._postgres.admin_url("postgres"), DATABASE)
            database_url = self._postgres.near_url()
        else:
            database_url = str(self._settings.database_url)
        roles = self._credentials.postgres_roles
        provision.create_rooms(database_url, {catalogue.snake(name): secret for name, secret in roles.items()})
        return database_url

    def _redis_urls(self) -> dict[str, str]:
        names = (*catalogue.SERVICES, catalogue.FIX)
        if self._valkey is not None:
            return {name: self._valkey.url(name) for name in names}
        return dict.fromkeys(names, str(self._settings.redis_url))

    def _changed(self, child: Child) -> None:
        self._write_state()
        self._view.changed(child)
        if child.state is State.RESTARTING:
            _warn(self._view)

    def _set_phase(self, phase: str) -> None:
        self._phase = phase
        self._write_state()

    def _write_state(self) -> None:
        children = [child.describe() for child in self._supervisor.children.values()]
        self._home.write_state({"phase": self._phase, "processes": children})


def up(settings: Settings, bots: int) -> int:
    """Run the exchange until a signal asks it to stop. Answers the exit status: 0, or 1 when it did not start."""
    home, view = Home(settings.outcry_home), screen.Screen()
    try:
        with home.hold():
            ended = leftovers.end_all(home)
            if ended:
                view.say(f"Ended what the last run left behind: {', '.join(ended)}")
            _warn(view)
            problems = ports.taken(listeners(settings))
            if problems:
                view.say("\n".join(f"[red]{escape(problem)}[/]" for problem in problems))
                return 1
            return asyncio.run(_run(settings, home, view, bots))
    except AlreadyRunningError as running:
        view.say(f"Outcry is already running (pid {running.pid}). See: outcry status; stop it with: outcry down")
        return 1


def _warn(view: screen.Screen) -> None:
    """Of modules that are not those of their sources: what runs then is old, or does not even start."""
    if hint := compiled.hint():
        view.say(f"[yellow]{escape(hint)}[/]")


def listeners(settings: Settings) -> list[ports.Listener]:
    """Every port that our own processes will listen on."""
    wanted = [
        ports.Listener(
            part.process,
            f"{catalogue.snake(part.service).upper()}{'_STANDBY' if part.is_standby else ''}_PORT",
            part.port,
            settings.outcry_host if part.service == catalogue.GATEWAY else "127.0.0.1",
        )
        for part in catalogue.parts(settings)
    ]
    if catalogue.has_fix(settings):
        wanted.append(ports.Listener(catalogue.FIX, "FIX_PORT", settings.fix_port))
        wanted.append(ports.Listener(catalogue.FIX, "FIX_GATEWAY_PORT", settings.fix_gateway_port))
    if settings.database_url is None:
        wanted.append(ports.Listener("postgres", "OUTCRY_POSTGRES_PORT", settings.outcry_postgres_port))
    if settings.redis_url is None:
        wanted.append(ports.Listener("valkey", "OUTCRY_REDIS_PORT", settings.outcry_redis_port))
    if settings.embedded_tracing:
        for variable, port in settings.jaegerlite_ports.items():
            if port:
                wanted.append(ports.Listener("jaegerlite", variable, port, is_udp=variable in UDP_VARIABLES))
    return wanted


async def _run(settings: Settings, home: Home, view: screen.Screen, bots: int) -> int:
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    exchange = Exchange(settings, home, view)

    def on_signal() -> None:
        if asked.is_set():  # the second Ctrl-C means now
            exchange.kill()
        asked.set()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal)
    starting = asyncio.create_task(exchange.start(bots))
    asking = asyncio.create_task(asked.wait())
    status = 0
    try:
        await asyncio.wait({starting, asking}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            ends: set[asyncio.Future[Any]] = {asking, exchange.failed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if exchange.failed.done():
                exchange.failed.result()
        else:
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting
    except (StartError, RuntimeError, demo.DemoError, OSError) as error:
        print(f"The exchange stops: {error}", file=sys.stderr)
        status = 1
    finally:
        asking.cancel()
        await exchange.stop()
    return status
