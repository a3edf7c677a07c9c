"""The exchange on real infrastructure: Debian's PostgreSQL, Redis and Prometheus, and no launcher."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from outcry.catalogue import SERVICES
from shared.contracts.operations import AUDITOR
from tests import deployed
from tests.deployed import Deployed

pytestmark = pytest.mark.skipif(bool(deployed.missing()), reason=f"not here: Debian's {deployed.missing()}")


@pytest.fixture(scope="module")
def exchange() -> Iterator[Deployed]:
    """All services, the auditor, PostgreSQL and Redis, each with its own role and password."""
    folder = Path(tempfile.mkdtemp(prefix="outcry-deployed-"))
    made = Deployed(folder)
    try:
        made.secrets()
        made.start_all([made.postgres(), made.redis()])
        made.create_database()
        made.init()
        made.start_all([made.spec(name) for name in (*SERVICES, "matching-engine-standby", AUDITOR)])
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


def test_an_order_goes_through_and_the_audit_holds(exchange: Deployed) -> None:
    """A buyer's order is filled by a seller's on servers with a role and a password for each service."""
    with httpx.Client(base_url=f"http://127.0.0.1:{exchange.port('client-gateway', 8347)}", timeout=30) as client:

        def user(name: str, **funds: int) -> dict[str, str]:
            made = client.post("/auth/register", json={"username": name, "password": "correct horse"}).json()
            headers = {"Authorization": f"Bearer {made['token']}"}
            assert client.post("/wallet/create", headers=headers).status_code == 201
            for asset, amount in funds.items():
                paid = client.post("/wallet/add-funds", json={"asset": asset, "amount": amount}, headers=headers)
                assert paid.status_code == 200
            return headers

        seller, buyer = user("seller", AAPL=10), user("buyer", USD=10_000)
        order = {"symbol": "AAPL", "order_type": "LIMIT", "quantity": 10, "price": 150}
        assert client.post("/v1/order", json=order | {"side": "SELL"}, headers=seller).status_code == 201
        bought = client.post("/v1/order", json=order | {"side": "BUY"}, headers=buyer)
        assert bought.json()["status"] == "FILLED", bought.text
    assert exchange.audit()["status"] == "right"
