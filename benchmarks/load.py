"""Load with a page to steer it: Locust's users of a running exchange (`make load`, or `locust -f benchmarks/load.py`).

Each class is a scenario that can be chosen by itself; how many users there are decides the rate, from a desk's to what
the machine can take. Refusals by the rules are answers like any other; failures are what Locust counts as such.

Variables: LOAD_SYMBOLS (what is traded, with commas; all that is listed unless given), ADMIN_USERNAME and
ADMIN_PASSWORD (who opens the auction; the administrator of the exchange in OUTCRY_HOME unless given).
"""

import json
import os
import random
import secrets
from decimal import Decimal
from pathlib import Path
from typing import Any

from locust import FastHttpUser, constant_throughput, task
from locust.exception import StopUser

REFUSED = (403, 404, 409, 422)
"""By the rules: no failure of the exchange."""

CASH_USD = 100_000_000
SHARES = 900_000
LEVELS = 5


class Account(FastHttpUser):
    """A fresh user with money and shares, and what it may say."""

    abstract = True
    wait_time = constant_throughput(2)

    def on_start(self) -> None:
        self.dice = random.Random()
        listed = self.ask("GET", "/marketdata/symbols")["symbols"]
        chosen = {name for name in os.environ.get("LOAD_SYMBOLS", "").split(",") if name}
        self.listed = [row for row in listed if not chosen or row["symbol"] in chosen]
        self.login = {"username": f"load_{secrets.token_hex(8)}", "password": secrets.token_urlsafe(16)}
        self.token = ""
        self.token = self.ask("POST", "/auth/register", self.login)["token"]
        self.ask("POST", "/wallet/create", {})
        self.ask("POST", "/wallet/add-funds", {"amount": CASH_USD})
        for row in self.listed:
            self.ask("POST", "/wallet/add-funds", {"asset": row["symbol"], "amount": SHARES})

    def on_stop(self) -> None:
        self.ask("DELETE", "/v1/orders")

    token = ""

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, name: str = "") -> dict[str, Any]:
        """The answer's body, empty for a refusal. ``name`` is under what it is counted where the path has values."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        with self.client.request(
            method, path, json=body, headers=headers, name=name or path, catch_response=True
        ) as response:
            if response.status_code in REFUSED:
                response.success()
                return {}
            if not 200 <= response.status_code < 300:
                response.failure(f"{response.status_code} {(response.text or '')[:200]}")
                return {}
            answer: dict[str, Any] = json.loads(response.content)
            return answer

    def order(self, row: dict[str, Any], side: str, ticks: int) -> dict[str, Any]:
        """An order for a price so many ticks above the symbol's reference price."""
        price = Decimal(row["reference_price"]) + ticks * Decimal(row["tick_size"])
        quantity = self.dice.randint(1, 10) * row["lot_size"]
        return {"symbol": row["symbol"], "side": side, "quantity": quantity, "price": str(price)}


class Trader(Account):
    """Looks at the book, then trades: half of the orders cross, half rest; some are cancelled."""

    @task(6)
    def trade(self) -> None:
        side, ticks = self.dice.choice((("BUY", 1), ("SELL", -1)))
        row = self.dice.choice(self.listed)
        self.ask("POST", "/v1/order", self.order(row, side, ticks * self.dice.choice((20, -self.dice.randint(1, 20)))))

    @task(2)
    def look(self) -> None:
        symbol = self.dice.choice(self.listed)["symbol"]
        self.ask("GET", f"/marketdata/orderBook/L2?symbol={symbol}", name="/marketdata/orderBook/L2")

    @task(1)
    def cancel(self) -> None:
        for order in self.ask("GET", "/v1/orders?status=OPEN&limit=1", name="/v1/orders").get("orders", ()):
            self.ask("DELETE", f"/v1/order/{order['order_id']}", name="/v1/order/{order_id}")


class MarketMaker(Account):
    """Quotes five levels a side in one batch, and takes the old ones back."""

    wait_time = constant_throughput(0.5)

    @task
    def quote(self) -> None:
        row = self.dice.choice(self.listed)
        self.ask("DELETE", f"/v1/orders?symbol={row['symbol']}", name="/v1/orders")
        orders = [self.order(row, "BUY", -level) for level in range(1, LEVELS + 1)]
        orders += [self.order(row, "SELL", level) for level in range(1, LEVELS + 1)]
        self.ask("POST", "/v1/orders", {"orders": orders})


class ReportReader(Account):
    """Reads all that the desk shows of an account."""

    @task(3)
    def read(self) -> None:
        pages = ("/reports/positions", "/reports/trades", "/reports/pnl", "/reports/statistics", "/reports/daily")
        self.ask("GET", self.dice.choice((*pages, "/wallet/balance", "/v1/orders", "/notifications")))

    @task(1)
    def trade(self) -> None:
        self.ask("POST", "/v1/order", self.order(self.dice.choice(self.listed), "BUY", 5))


class LoginStorm(Account):
    """Logs in again and again, as often as one name may (30 a minute): each costs the password's computation."""

    wait_time = constant_throughput(0.5)

    @task
    def log_in(self) -> None:
        self.ask("POST", "/auth/login", self.login)


class OpeningAuction(Account):
    """Closes a symbol's book, collects orders that cross, and opens it: all trade at one price. One at a time."""

    wait_time = constant_throughput(0.2)
    fixed_count = 1

    def on_start(self) -> None:
        super().on_start()
        self.buyer = self.token
        super().on_start()
        self.seller = self.token
        self.row = self.listed[-1]
        self.admin = self._admin_token()

    def on_stop(self) -> None:
        self._session("CONTINUOUS")
        for token in (self.buyer, self.seller):
            self.token = token
            super().on_stop()

    @task
    def auction(self) -> None:
        self._session("OPENING_AUCTION")
        for ticks in range(1, 21):
            self.token = self.buyer
            self.ask("POST", "/v1/order", self.order(self.row, "BUY", ticks))
            self.token = self.seller
            self.ask("POST", "/v1/order", self.order(self.row, "SELL", -ticks))
        self._session("CONTINUOUS")

    def _session(self, session: str) -> None:
        self.token = self.admin
        path = f"/admin/symbols/{self.row['symbol']}/session"
        self.ask("POST", path, {"session": session}, name="/admin/symbols/{symbol}/session")

    def _admin_token(self) -> str:
        username, password = os.environ.get("ADMIN_USERNAME", "admin"), os.environ.get("ADMIN_PASSWORD", "")
        if not password:
            kept = Path(os.environ.get("OUTCRY_HOME", ".outcry")) / "secrets" / "secrets.json"
            password = json.loads(kept.read_text())["exchange_admin"] if kept.exists() else ""
        token: str = self.ask("POST", "/auth/login", {"username": username, "password": password}).get("token", "")
        if not token:
            raise StopUser("no administrator can log in: no auction")
        return token
