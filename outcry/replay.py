"""`outcry replay-market`: a recorded day through real sockets.

A gateway, a Valkey and market-data's replay, in a passing folder of their own: what a client of the exchange would see.
Nothing can be ordered there, and nothing of a running exchange is touched.
"""

import asyncio
import json
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from pathlib import Path

from outcry import http
from outcry.catalogue import GATEWAY, PROJECT, inherited
from outcry.process import ProcessSpec
from outcry.supervisor import Child, StartError, Supervisor
from outcry.valkey import EmbeddedValkey

START_TIMEOUT_S = 60.0
SERVICES = (GATEWAY, "market-data")
STOP_ORDER = ((GATEWAY,), ("market-data",), ("valkey",))


def run(file: Path, speed: float, seed: int, dropped: float, port: int) -> int:
    """Serves the day on 127.0.0.1:port until Ctrl-C. Answers the exit status."""
    with tempfile.TemporaryDirectory(prefix="outcry-replay-") as folder:
        try:
            asyncio.run(_serve(Path(folder), [str(file.absolute()), str(speed), str(seed), str(dropped)], port))
        except (StartError, OSError) as error:
            print(error, file=sys.stderr)
            return 1
    return 0


async def _serve(folder: Path, arguments: list[str], port: int) -> None:
    ended = asyncio.Event()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(wanted, ended.set)
    valkey = EmbeddedValkey(
        folder / "valkey",
        _free_port(),
        secrets.token_urlsafe(16),
        {name: secrets.token_urlsafe(16) for name in SERVICES},
    )
    supervisor = Supervisor(folder / "logs", _ignore)
    try:
        await asyncio.to_thread(valkey.prepare)
        supervisor.start([valkey.process()])
        await supervisor.wait_ready(["valkey"], START_TIMEOUT_S)
        supervisor.start(_services(valkey, arguments, port))
        await supervisor.wait_ready(SERVICES, START_TIMEOUT_S)
        supervisor.all_started()
        print(f"Replay on ws://127.0.0.1:{port}/ws, REST and the desk on http://127.0.0.1:{port}.", flush=True)
        print("The day begins with the first subscription; Ctrl-C ends it.", flush=True)
        supervisor.failed.add_done_callback(lambda _failed: ended.set())
        await ended.wait()
    finally:
        await supervisor.stop(STOP_ORDER)


def _services(valkey: EmbeddedValkey, arguments: list[str], port: int) -> list[ProcessSpec]:
    replay_port = _free_port()
    replay_url = f"http://127.0.0.1:{replay_port}"
    credentials = {name: secrets.token_urlsafe(32) for name in SERVICES}
    keys = json.dumps({name: sha256(secret.encode()).hexdigest() for name, secret in credentials.items()})

    def environment(name: str, own_port: int) -> Mapping[str, str]:
        return inherited() | {
            "SERVICE_SECRET": credentials[name],
            "SERVICE_KEYS": keys,
            "REDIS_URL": valkey.url(name),
            "HOST": "127.0.0.1",
            "PORT": str(own_port),
            "MARKET_DATA_URL": replay_url,
            "MATCHING_ENGINE_URL": replay_url,
            "OTEL_SDK_DISABLED": "true",
        }

    return [
        ProcessSpec(
            name="market-data",
            argv=(sys.executable, "-m", "services.market_data.replaying", *arguments),
            env=environment("market-data", replay_port),
            ready=_answers(f"{replay_url}/ready"),
            port=replay_port,
            cwd=PROJECT,
        ),
        ProcessSpec(
            name=GATEWAY,
            argv=(sys.executable, "-m", "services.client_gateway"),
            env=environment(GATEWAY, port),
            # It is never ready as a whole: there is nobody to place orders with.
            ready=_answers(f"http://127.0.0.1:{port}/marketdata/tickers"),
            port=port,
            cwd=PROJECT,
        ),
    ]


def _answers(url: str) -> Callable[[int], Awaitable[bool]]:
    async def ready(_pid: int) -> bool:
        try:
            status, _ = await http.request("GET", url, timeout_s=2)
        except OSError:
            return False
        return status == 200

    return ready


def _ignore(_child: Child) -> None:
    """Nobody looks at the states of so few."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
