"""The exchange on real infrastructure: Debian's PostgreSQL, Redis and Prometheus, jaegerlite, and no launcher."""

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from outcry.catalogue import SERVICES
from scripts.panels import BOARDS, RATE
from shared.contracts.operations import AUDITOR, ENGINE, FIX
from tests import deployed
from tests.deployed import PROJECT, Deployed
from tests.e2e.exchange import eventually
from tests.e2e.fix_client import FixClient

pytestmark = pytest.mark.skipif(bool(deployed.missing()), reason=f"not here: Debian's {deployed.missing()}")

WAIT_S = 120.0
ORDER = {"symbol": "AAPL", "order_type": "LIMIT", "quantity": 10, "price": 150}


@pytest.fixture(scope="module")
def exchange() -> Iterator[Deployed]:
    """All processes, each with its own role and password, nothing as root."""
    folder = Path(tempfile.mkdtemp(prefix="outcry-deployed-"))
    made = Deployed(folder)
    try:
        made.secrets()
        made.start_all([made.new_postgres(), made.redis(), made.jaegerlite()])
        made.create_database()
        made.init()
        made.start_all([made.spec(name) for name in (*SERVICES, f"{ENGINE}-standby", AUDITOR)])
        if find_spec("quickfix") is not None:
            made.start(made.fix_gateway())
        made.start(deployed.prometheus(made))
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def client(exchange: Deployed) -> Iterator[httpx.Client]:
    """Talks to the gateway."""
    url = f"http://127.0.0.1:{exchange.port('client-gateway', 8347)}"
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as made:
        yield made


def user(client: httpx.Client, name: str, **funds: int) -> dict[str, str]:
    """A new user's headers."""
    made = client.post("/auth/register", json={"username": name, "password": "correct horse"}).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert client.post("/wallet/create", headers=headers).status_code == 201
    for asset, amount in funds.items():
        paid = client.post("/wallet/add-funds", json={"asset": asset, "amount": amount}, headers=headers)
        assert paid.status_code == 200
    return headers


@contextmanager
def load(client: httpx.Client, name: str) -> Iterator[list[httpx.Response]]:
    """Two users who trade with each other for as long as the block runs; what each order was answered."""
    seller, buyer = user(client, f"{name}_seller", AAPL=100_000), user(client, f"{name}_buyer", USD=100_000_000)
    over, answers = threading.Event(), list[httpx.Response]()

    def trade(headers: dict[str, str], side: str) -> None:
        while not over.wait(0.02):  # the tests ask for orders that flow, not for all that the machine can do
            answers.append(client.post("/v1/order", json=ORDER | {"side": side}, headers=headers))

    with ThreadPoolExecutor(2) as pool:
        trading = [pool.submit(trade, headers, side) for headers, side in ((seller, "SELL"), (buyer, "BUY"))]
        try:
            eventually(lambda: len(answers), lambda count: count >= 10, WAIT_S)
            yield answers
        finally:
            over.set()
    for one in trading:
        one.result()


def test_an_order_goes_through_and_the_audit_holds(exchange: Deployed, client: httpx.Client) -> None:
    """An order is filled, traced whole and settled, on servers with a role and a password for each service."""
    seller, buyer = user(client, "seller", AAPL=10), user(client, "buyer", USD=10_000)
    assert client.post("/v1/order", json=ORDER | {"side": "SELL"}, headers=seller).status_code == 201
    bought = client.post("/v1/order", json=ORDER | {"side": "BUY"}, headers=buyer)
    assert bought.json()["status"] == "FILLED", bought.text
    backend = f"http://127.0.0.1:{exchange.port('jaegerlite', 16686)}/api/traces/{bought.headers['x-trace-id']}"

    def spans() -> set[str]:
        found = client.get(backend)
        return {span["operationName"] for span in found.json()["data"][0]["spans"]} if found.is_success else set()

    wanted = {"POST /v1/order", "check_balance", "match_order", "settle_trade", "record_trade"}
    assert wanted <= eventually(spans, lambda names: wanted <= names, WAIT_S)
    assert exchange.audit()["status"] == "right"


@pytest.mark.skipif(find_spec("quickfix") is None, reason="the FIX gateway's engine is not installed: make fix")
def test_an_order_goes_through_over_fix(exchange: Deployed, client: httpx.Client) -> None:
    """The FIX gateway, with its own user of Redis and no other secret, takes an order that the API shows as well."""
    owner = user(client, "fixed", USD=100_000)
    fix = FixClient(exchange.port(FIX, 9878), "fixed", "OUTCRY")
    assert fix.log_on("fixed")[35] == "A"
    cl_ord_id = fix.order(t55="AAPL", t44="120.00")
    report = fix.report(cl_ord_id, "0")
    fix.log_out()
    shown = client.get("/v1/order", params={"client_order_id": cl_ord_id}, headers=owner).json()
    assert (shown["order_id"], shown["status"]) == (report[37], "OPEN")
    assert client.delete(f"/v1/order/{report[37]}", headers=owner).status_code == 200


def test_prometheus_has_figures_for_every_panel(exchange: Deployed, client: httpx.Client) -> None:
    """Prometheus reaches every process, its rules run, and each panel of the dashboards shows something.

    What histograms name can be looked up where the panels lead to.
    """
    url = f"http://127.0.0.1:{exchange.port('prometheus', 9090)}/api/v1"

    def ask(path: str, **query: str) -> Any:
        answer = client.get(f"{url}/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    owner = user(client, "owner", AAPL=10, USD=10_000)
    for side, price in (("SELL", 170), ("BUY", 130)):
        assert client.post("/v1/order", json=ORDER | {"side": side, "price": price}, headers=owner).status_code == 201
    trader = user(client, "trader", AAPL=100_000, USD=100_000_000)
    poor = user(client, "poor")
    assert client.post("/v1/order", json=ORDER | {"side": "BUY"}, headers=poor).status_code == 422
    assert not eventually(lambda: ask("query", query="up == 0")["result"], lambda found: not found, WAIT_S)
    empty = {query.expr.replace(RATE, "1m") for board in BOARDS for panel in board.panels for query in panel.queries}
    empty -= {query for query in empty if "jaegerlite_spans_refused" in query}  # there are none
    if find_spec("quickfix") is None:
        empty -= {query for query in empty if "outcry_fix" in query}

    def still_empty() -> set[str]:
        for side in ("SELL", "BUY"):
            assert client.post("/v1/order", json=ORDER | {"side": side}, headers=trader).status_code == 201
        empty.difference_update([query for query in empty if ask("query", query=query)["result"]])
        return empty

    assert not eventually(still_empty, lambda found: not found, WAIT_S)
    assert "jaegerlite_spans_refused_total" in ask("metadata") or "jaegerlite_spans_refused" in ask("metadata")
    rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    firing = {rule["name"] for rule in rules if rule.get("state") == "firing"}
    assert not firing & {"LedgerImbalance", "AuditFailed"}  # what is slow may be so on this machine
    backend = f"http://127.0.0.1:{exchange.port('jaegerlite', 16686)}/api/traces"
    now = time.time()

    def named() -> list[str]:
        window = {"start": str(now - 600), "end": str(time.time())}
        series = ask("query_exemplars", query="outcry_http_request_seconds_bucket", **window)
        return [one["labels"]["trace_id"] for found in series for one in found["exemplars"]]

    trace_id = eventually(named, bool, WAIT_S)[0]
    found = eventually(lambda: client.get(f"{backend}/{trace_id}"), lambda answer: answer.is_success, WAIT_S)
    assert found.is_success


def test_an_upgrade_with_a_migration_goes_unnoticed(exchange: Deployed, client: httpx.Client) -> None:
    """While orders flow, a new version's migrations run and its process takes over from the old: no order is lost."""
    newer = exchange.folder / "newer"
    (newer / "services").mkdir(parents=True)
    for part in ("outcry", "shared", "jaegerlite"):
        (newer / part).symlink_to(PROJECT / part)
    for service in (PROJECT / "services").iterdir():
        if service.name != "order_manager":
            (newer / "services" / service.name).symlink_to(service)
    shutil.copytree(PROJECT / "services/order_manager", newer / "services/order_manager")
    upgrade = newer / "services/order_manager/migrations/9999_upgrade.sql"
    upgrade.write_text("ALTER TABLE orders ADD COLUMN upgraded boolean NOT NULL DEFAULT true;")
    with load(client, "upgrade") as answers:
        exchange.init(newer)
        exchange.start(exchange.spec("order-manager", "order-manager-2", newer))
        exchange.running["order-manager"].stop()
        count = len(answers)
        eventually(lambda: len(answers), lambda number: number >= count + 20, WAIT_S)
    assert {answer.status_code for answer in answers} == {201}
    assert exchange.audit()["status"] == "right"


def test_a_dump_is_the_whole_exchange(exchange: Deployed) -> None:
    """A dump that is restored elsewhere holds all: an engine starts from it with its books, and the audit holds."""
    admin, dump = exchange.environment("init")["DATABASE_URL"], exchange.folder / "outcry.dump"
    assert exchange.audit()["status"] == "right"  # and so all have caught up
    run("pg_dump", "--format=custom", "--file", str(dump), admin)
    server = admin.rpartition("/")[0]
    run("psql", "-c", "CREATE DATABASE restored", f"{server}/postgres")
    run("pg_restore", "--exit-on-error", "--dbname", f"{server}/restored", str(dump))
    exchange.command(exchange.environment("init", DATABASE_URL=f"{server}/restored"), "init")

    def there(service: str) -> dict[str, str]:
        told = exchange.environment(service)
        moved = {"DATABASE_URL": told["DATABASE_URL"].replace("/outcry", "/restored")}
        return moved | ({"REDIS_URL": told["REDIS_URL"].removesuffix("/0") + "/1"} if service == ENGINE else {})

    exchange.start(exchange.spec(ENGINE, "engine-restored", PROJECT, **there(ENGINE)))
    engine = f"http://127.0.0.1:{exchange.port('engine-restored', 8792)}"
    found = exchange.audit(**there(AUDITOR), MATCHING_ENGINE_URL=engine)
    exchange.running["engine-restored"].stop()
    assert found["status"] == "right", found


def test_a_base_backup_under_load_starts_as_it_is(exchange: Deployed, client: httpx.Client) -> None:
    """A base backup taken while orders flow starts as a server of its own, in which each service's promises hold."""
    admin = exchange.environment("init")["DATABASE_URL"]
    restored, port = exchange.folder / "restored", exchange.port("restored", 5432)
    with load(client, "backup"):
        backup = ("--pgdata", str(restored), "--wal-method", "stream", "--checkpoint", "fast")
        run("pg_basebackup", "--dbname", admin.rpartition("/")[0], *backup)
    if exchange.user:
        subprocess.run(["chown", "-R", exchange.user, str(restored)], check=True)
    exchange.start(exchange.postgres(restored, port))
    address = exchange.environment(AUDITOR)["DATABASE_URL"]
    address = address.replace(exchange.addresses["postgres:5432"], f"127.0.0.1:{port}")
    found = exchange.audit(DATABASE_URL=address, MATCHING_ENGINE_URL="http://127.0.0.1:1", wait_s="0")
    looked_at = [result for result in found["results"] if result["checked"]]
    assert len(looked_at) >= 7
    assert not [result for result in looked_at if result["count"]]


def run(program: str, *arguments: str) -> None:
    """One of PostgreSQL's programs to its end; AssertionError with what it said when it fails."""
    command = [deployed.postgres_program(program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
