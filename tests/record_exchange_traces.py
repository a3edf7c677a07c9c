"""Record what a running exchange sends to its trace backend, as data for tests and benchmarks.

`python -m tests.record_exchange_traces` starts an exchange, has users do one of each thing that the API offers, stops
it, and writes the whole traces as one OTLP `ExportTraceServiceRequest` to `tests/data/exchange_traces.otlp.zst`.
"""

import tempfile
import time
from pathlib import Path

import zstandard

from jaegerlite.otlp_spans import otlp_from_spans
from jaegerlite.partition import I64_MAX
from jaegerlite.search import TraceQuery, find_traces
from jaegerlite.store import Store
from jaegerlite.traces import load_traces
from tests.e2e.exchange import Exchange, eventually, running_exchange

RECORDING = Path(__file__).parent / "data" / "exchange_traces.otlp.zst"
ROUNDS = 4


def trade(exchange: Exchange) -> None:
    """One of each thing that users do, several times, with time for the followers to settle."""
    seller, buyer = exchange.user(AAPL=500, NVDA=500, TSLA=500), exchange.user(cash=1_000_000)
    for round_ in range(ROUNDS):
        credentials = {"username": buyer.name, "password": "correct horse"}
        assert exchange.http.post("/auth/login", json=credentials).status_code == 200
        seller.placed(side="SELL", quantity=10, price=150)
        buyer.placed(quantity=10, price=150)
        seller.placed(symbol="NVDA", side="SELL", quantity=5, price=120)
        seller.placed(symbol="NVDA", side="SELL", quantity=5, price=121)
        buyer.placed(symbol="NVDA", quantity=10, order_type="MARKET", price=None)
        seller.placed(symbol="TSLA", side="SELL", order_type="STOP", quantity=2, price=None, stop_price=190)
        resting = buyer.placed(symbol="TSLA", quantity=3, price=205 + round_)
        amended = buyer.http.patch(f"/v1/order/{resting['order_id']}", json={"quantity": 2})
        assert amended.status_code == 200, amended.text
        assert buyer.http.delete(f"/v1/order/{resting['order_id']}").status_code == 200
        orders = [
            {"symbol": "AAPL", "side": "BUY", "order_type": "LIMIT", "quantity": 1, "price": 140 + n} for n in range(5)
        ]
        assert buyer.http.post("/v1/orders", json={"orders": orders}).status_code in (200, 201)
        assert buyer.http.delete("/v1/orders").status_code == 200
        for path in ("/wallet/balance", "/v1/orders", "/reports/trades", "/reports/positions", "/market/book/AAPL"):
            buyer.http.get(path)
        seller.http.delete("/v1/orders")
        time.sleep(0.3)
    eventually(lambda: buyer.get("/reports/trades")["trades"], lambda found: len(found) >= 2 * ROUNDS)


def whole_store(store: Store) -> bytes:
    """All that a store holds as one `ExportTraceServiceRequest`, a resource and scope each once."""
    with store.snapshot(store.cursor()) as snapshot:
        keys = find_traces(store, snapshot, TraceQuery(0, I64_MAX, limit=1_000_000))
        traces = load_traces(store, snapshot, keys)
    spans = [span for inside in traces.values() for span in inside]
    return otlp_from_spans(sorted(spans, key=lambda span: span.start_ns))


def main() -> None:
    """Record, and tell how much."""
    with tempfile.TemporaryDirectory(prefix="outcry-record-") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        with running_exchange(home, USER_REQUESTS_PER_S="1000", USER_REQUESTS_BURST="3000") as exchange:
            trade(exchange)
            time.sleep(2)
        data = next(home.rglob("spans.duckdb")).parent
        store = Store(data)
        request = whole_store(store)
        store.close()
    RECORDING.parent.mkdir(exist_ok=True)
    RECORDING.write_bytes(zstandard.compress(request, 19))
    print(f"{len(request)} bytes, {RECORDING.stat().st_size} packed")


if __name__ == "__main__":
    main()
