"""`outcry record` and `outcry replay`: a run that is kept without secrets, and that happens again."""

import hashlib
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from shared.recording import Recorded
from tests.e2e.exchange import PROJECT, Exchange, User

SYMBOL = "RPLY"
PRICE = 50
SECRET = "pl4nted-s3cret"


@contextmanager
def listed(exchange: Exchange) -> Iterator[None]:
    """A symbol with an empty book, for as long as the block."""
    body = {"symbol": SYMBOL, "name": "Replayed", "tick_size": "0.01", "lot_size": 1, "reference_price": str(PRICE)}
    assert exchange.admin.http.post("/admin/symbols", json=body).status_code == 201
    try:
        yield
    finally:
        assert exchange.admin.http.delete(f"/admin/symbols/{SYMBOL}").status_code == 200


@contextmanager
def recording(exchange: Exchange, file: Path) -> Iterator[None]:
    """What clients ask within the block is kept in the file."""
    command = [sys.executable, "-m", "outcry", "record", str(file)]
    with subprocess.Popen(command, cwd=PROJECT, env=exchange.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Recording into"), process.stdout.read()
        yield
        process.send_signal(signal.SIGINT)
        told = process.stdout.read()
        assert process.wait(30) == 0, told


def a_run(exchange: Exchange, old: list[User], seed: int) -> None:
    """Orders that rest, cross, are amended, cancelled, refused, sent in batches; and money that is moved."""
    dice = random.Random(seed)
    newcomer = exchange.user(cash=50_000, **{SYMBOL: 500})
    users = [*old, newcomer]
    for number in range(40):
        user = dice.choice(users)
        side, price = dice.choice(("BUY", "SELL")), PRICE + dice.randrange(-2, 3)
        name = f"c{number:03}"
        user.order(symbol=SYMBOL, side=side, quantity=dice.randrange(1, 20), price=price, client_order_id=name)
    deep = newcomer.placed(symbol=SYMBOL, quantity=3, price=PRICE - 5)
    assert newcomer.http.patch(f"/v1/order/{deep['order_id']}", json={"price": "44.50"}).status_code == 200
    assert newcomer.http.delete(f"/v1/order/{deep['order_id']}").status_code == 200
    batch = [{"symbol": SYMBOL, "side": "BUY", "quantity": n, "price": PRICE + 2} for n in (1, 2, 3)]
    assert old[0].http.post("/v1/orders", json={"orders": batch}).status_code == 200
    assert old[1].order(symbol=SYMBOL, quantity=0).status_code == 422
    moved = old[0].http.post("/wallet/transfer", json={"to": newcomer.name, "amount": 12.5, "request_id": "moved"})
    assert moved.status_code == 200, moved.text
    newcomer.get("/reports/positions")
    newcomer.http.get("/v1/orders", params={"token": SECRET, "limit": 5})
    newcomer.http.post("/v1/order", json={"password": SECRET, "symbol": f"{SECRET}@example.org"})


def test_a_serial_replay_gives_the_same_fills(exchange: Exchange, tmp_path: Path) -> None:
    """What was recorded holds nothing secret, and sent again to an empty book every answer is as before."""
    file = tmp_path / "run.jsonl"
    with listed(exchange):
        users = [exchange.user(cash=1_000_000, **{SYMBOL: 10_000}) for _ in range(2)]
        with recording(exchange, file):
            a_run(exchange, users, seed=5)
        everybody = list(exchange.fresh_users)
    text = file.read_text()
    kept = [msgspec.json.decode(line, type=Recorded) for line in text.splitlines()]
    assert not [user.name for user in everybody if user.name in text or user.token in text or "correct horse" in text]
    assert SECRET not in text
    assert [one.path for one in kept if one.path.startswith(("/auth", "/admin"))] == []
    assert sum(len(fills) for fills in fills_of(kept)) > 10
    with listed(exchange):
        done = exchange.outcry("replay", str(file), "--serial", "--seed", "71")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(kept)} requests of 3 users: {len(kept)} answered as before, 0 not." in done.stdout
    with listed(exchange):
        done = exchange.outcry("replay", str(file), "--speed", "20", "--seed", "72", "--jitter-ms", "50")
    assert done.returncode == 0, done.stdout + done.stderr
    assert_in_order(exchange, kept, seed=72)
    assert exchange.audit()["exit"] == 0


def fills_of(kept: list[Recorded]) -> Iterator[list[Any]]:
    for one in kept:
        if one.path == "/v1/order" and one.status == 201:
            yield one.outcome["fills"]


def assert_in_order(exchange: Exchange, kept: list[Recorded], seed: int) -> None:
    """Each replaying user placed its orders in the order in which they were recorded."""
    for user in ("u1", "u2", "u3"):
        password = hashlib.sha256(f"{seed}:{user}".encode()).hexdigest()
        login = {"username": f"replay_{seed}_{user[1:]}", "password": password}
        token = exchange.http.post("/auth/login", json=login).json()["token"]
        answer = exchange.http.get("/v1/orders?limit=500", headers={"Authorization": f"Bearer {token}"})
        placed = [order["client_order_id"] for order in answer.json()["orders"] if order["client_order_id"]]
        assert placed
        assert placed == sorted(placed, reverse=True)


def test_only_administrators_record(exchange: Exchange) -> None:
    """Others are refused."""
    answer = exchange.user().http.get("/admin/recording")
    assert (answer.status_code, answer.json()["code"]) == (403, "admin_required")
