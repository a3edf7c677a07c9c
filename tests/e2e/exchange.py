"""The whole exchange, started by the launcher as a user would start it, on free ports and in a folder of its own."""

import contextlib
import functools
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx

from outcry.postgres import EmbeddedPostgres
from outcry.valkey import EmbeddedValkey
from tests.ports import free_ports

PROJECT = Path(__file__).parent.parent.parent
PORTS = (
    *("CLIENT_GATEWAY_PORT", "USER_SERVICE_PORT", "WALLET_SERVICE_PORT", "RISK_MANAGER_PORT", "ORDER_MANAGER_PORT"),
    *("MATCHING_ENGINE_PORT", "MARKET_DATA_PORT", "REPORTING_PORT", "NOTIFICATION_PORT", "OUTCRY_POSTGRES_PORT"),
    *("OUTCRY_REDIS_PORT", "JAEGERLITE_QUERY_PORT", "JAEGERLITE_OTLP_HTTP_PORT", "JAEGERLITE_OTLP_GRPC_PORT"),
    *("JAEGERLITE_JAEGER_COMPACT_PORT", "JAEGERLITE_JAEGER_BINARY_PORT", "JAEGERLITE_JAEGER_HTTP_PORT"),
    *("JAEGERLITE_ZIPKIN_PORT", "JAEGERLITE_SAMPLING_PORT", "FIX_PORT", "FIX_GATEWAY_PORT"),
)
ADMIN = {"ADMIN_USERNAME": "operator", "ADMIN_PASSWORD": secrets.token_urlsafe(12)}
"""The administrator of an exchange that is started with these settings."""

START_S = 120.0
WAIT_S = 20.0

T = TypeVar("T")


def eventually(look: Callable[[], T], enough: Callable[[T], bool], wait_s: float = WAIT_S) -> T:
    """What ``look`` finds, as soon as it is ``enough``, or what it found last: the caller asserts on it."""
    deadline = time.monotonic() + wait_s
    while True:
        found = look()
        if enough(found) or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


class User:
    """A client of the exchange with a token of its own."""

    def __init__(self, exchange: "Exchange", name: str, token: str, user_id: int) -> None:
        self.name = name
        self.user_id = user_id
        self.token = token
        self.http = httpx.Client(
            base_url=exchange.url, headers={"Authorization": f"Bearer {token}"}, timeout=15, trust_env=False
        )

    def order(self, **fields: Any) -> httpx.Response:
        """``POST /v1/order``; a limit order to buy 10 AAPL at 150.00 unless told otherwise."""
        body = {"symbol": "AAPL", "side": "BUY", "order_type": "LIMIT", "quantity": 10, "price": 150.00} | fields
        return self.http.post("/v1/order", json={k: v for k, v in body.items() if v is not None})

    def placed(self, **fields: Any) -> dict[str, Any]:
        """An order that the test means to be accepted."""
        response = self.order(**fields)
        assert response.status_code == 201, response.text
        order: dict[str, Any] = response.json()
        return order

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """The body of a GET that the test means to succeed."""
        response = self.http.get(path, params=query)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def balances(self) -> dict[str, tuple[str, str]]:
        """Asset -> (total, held)."""
        return {b["asset"]: (b["total"], b["held"]) for b in self.get("/wallet/balance")["balances"]}


class Exchange:
    """A running exchange. Everything a test may ask it goes over its public doors."""

    def __init__(self, home: Path, ports: dict[str, int], environment: dict[str, str]) -> None:
        self.home = home
        self.ports = ports
        self.environment = environment
        self.url = f"http://127.0.0.1:{ports['CLIENT_GATEWAY_PORT']}"
        self.jaeger = f"http://127.0.0.1:{ports['JAEGERLITE_QUERY_PORT']}"
        self.http = httpx.Client(base_url=self.url, timeout=15, trust_env=False)
        self.fresh_users: list[User] = []
        """Those that the running test made."""

    @functools.cached_property
    def shared_user(self) -> User:
        """A user for tests that change nothing."""
        return self.user(cash=100_000)

    @functools.cached_property
    def admin(self) -> User:
        """The administrator, where the exchange has the one of ADMIN."""
        credentials = {"username": ADMIN["ADMIN_USERNAME"], "password": ADMIN["ADMIN_PASSWORD"]}
        answer = self.http.post("/auth/login", json=credentials)
        assert answer.status_code == 200, answer.text
        return User(self, ADMIN["ADMIN_USERNAME"], answer.json()["token"], int(answer.json()["user"]["user_id"]))

    def user(self, cash: int = 0, **shares: int) -> User:
        """A new user with a wallet, that much cash in dollars, and shares by symbol."""
        name = f"user_{secrets.token_hex(6)}"
        answer = self.http.post("/auth/register", json={"username": name, "password": "correct horse"})
        assert answer.status_code == 201, answer.text
        made = answer.json()
        user = User(self, name, made["token"], int(made["user"]["user_id"]))
        self.fresh_users.append(user)
        assert user.http.post("/wallet/create").status_code == 201
        for asset, amount in ({"USD": cash} | shares).items():
            if amount:
                paid = user.http.post("/wallet/add-funds", json={"asset": asset, "amount": amount})
                assert paid.status_code == 200, paid.text
        return user

    def spans(self, trace_id: str) -> list[dict[str, Any]]:
        """All spans of a trace that the backend has, each with its service name and its tags as a dict."""
        answer = httpx.get(f"{self.jaeger}/api/traces/{trace_id}", timeout=15, trust_env=False)
        if answer.status_code == 404:
            return []
        trace = answer.json()["data"][0]
        for span in trace["spans"]:
            span["service"] = trace["processes"][span["processID"]]["serviceName"]
            span["attributes"] = {tag["key"]: tag["value"] for tag in span["tags"]}
        spans: list[dict[str, Any]] = trace["spans"]
        return spans

    def outcry(self, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """The command line, as another terminal would run it."""
        return subprocess.run(
            [sys.executable, "-m", "outcry", *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def audit(self) -> dict[str, Any]:
        """What ``outcry audit`` finds, once the events that are under way have taken effect."""
        done = self.outcry("audit", "--json", "--wait", "40")
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        found["exit"] = done.returncode
        return found

    def settled(self, user: User) -> dict[str, tuple[str, str]]:
        """A user's balances once nothing is held any more: whoever was a maker is not told when that is."""
        return eventually(user.balances, lambda found: all(held in ("0", "0.00") for _, held in found.values()))

    def traded(self, user: User, count: int) -> list[dict[str, Any]]:
        """A user's trades once there are ``count``."""
        return eventually(lambda: user.get("/reports/trades")["trades"], lambda found: len(found) >= count)

    @functools.cached_property
    def secrets(self) -> dict[str, Any]:
        """What the launcher keeps in its folder of secrets."""
        kept: dict[str, Any] = json.loads((self.home / "secrets" / "secrets.json").read_text())
        return kept

    def database_url(self) -> str:
        """The database administrator's address, for tests that break something or look into what is stored."""
        port, password = self.ports["OUTCRY_POSTGRES_PORT"], self.secrets["postgres_superuser"]
        return EmbeddedPostgres(self.home / "postgres", port, password).admin_url()

    def redis_url(self) -> str:
        """The same for Valkey."""
        return EmbeddedValkey(self.home / "valkey", self.ports["OUTCRY_REDIS_PORT"], self.secrets["valkey_admin"]).url()

    def pid(self, name: str) -> int:
        """The process id of a part of the exchange by its name, 0 while it has none."""
        state = json.loads((self.home / "state.json").read_text())
        return next((int(p["pid"] or 0) for p in state["processes"] if p["name"] == name), 0)

    def kill(self, name: str) -> None:
        """``kill -9`` of one part. The launcher starts it again."""
        os.kill(self.pid(name), signal.SIGKILL)

    def ready(self) -> bool:
        """Whether the gateway and everything behind it is ready."""
        try:
            return httpx.get(self.url + "/ready", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@contextlib.contextmanager
def running_exchange(home: Path, **more: str) -> Iterator[Exchange]:
    """Starts the exchange without bots and stops it in order."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    environment = os.environ | {name: str(port) for name, port in ports.items()} | more | {"OUTCRY_HOME": str(home)}
    exchange = Exchange(home, ports, environment)
    log = home.with_suffix(".log")
    with log.open("w") as output:
        launcher = subprocess.Popen(
            [sys.executable, "-m", "outcry", "up", "--bots", "0"],
            cwd=PROJECT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            eventually(lambda: launcher.poll() is not None or exchange.ready(), bool, START_S)
            assert exchange.ready(), log.read_text()
            yield exchange
        finally:
            launcher.send_signal(signal.SIGTERM)
            launcher.wait(60)
