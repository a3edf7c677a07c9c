"""Traces made from a seed, shaped like an order's way through an exchange, and sent to a backend as OTLP in JSON.

`python -m tests.browser.sample_traces http://127.0.0.1:4318 --traces 300` fills a backend to look at.
"""

import argparse
import json
import random
import time
import urllib.request
from dataclasses import dataclass, field
from typing import Any, Final

NS_PER_US: Final = 1000
SPANS_PER_REQUEST: Final = 5_000
ERROR_SHARE: Final = 0.08
SPAN_KINDS: Final = {"internal": 1, "server": 2, "client": 3}


def _attributes(values: dict[str, object]) -> list[dict[str, Any]]:
    def value(one: object) -> dict[str, Any]:
        if isinstance(one, bool):
            return {"boolValue": one}
        return {"intValue": str(one)} if isinstance(one, int) else {"stringValue": str(one)}

    return [{"key": key, "value": value(one)} for key, one in values.items()]


@dataclass
class SampleTrace:
    """A trace under construction; times in µs since its start."""

    trace_id: str
    start_ns: int
    rng: random.Random
    spans: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def add(
        self, service: str, name: str, parent: str, start_us: int, duration_us: int, kind: str = "server", **more: Any
    ) -> str:
        """Add a span and return its id; `more` are `attributes`, `events`, `links` and `failed`."""
        span_id = f"{self.rng.getrandbits(63) | 1:016x}"
        begin = self.start_ns + start_us * NS_PER_US
        span = {
            "traceId": self.trace_id,
            "spanId": span_id,
            "name": name,
            "kind": SPAN_KINDS[kind],
            "startTimeUnixNano": str(begin),
            "endTimeUnixNano": str(begin + duration_us * NS_PER_US),
            "attributes": _attributes(more.get("attributes", {})),
            "events": [
                {"timeUnixNano": str(begin + at_us * NS_PER_US), "name": event, "attributes": _attributes(values)}
                for at_us, event, values in more.get("events", [])
            ],
            "links": [{"traceId": trace_id, "spanId": link} for trace_id, link in more.get("links", [])],
        }
        if parent:
            span["parentSpanId"] = parent
        if more.get("failed"):
            span["status"] = {"code": 2, "message": str(more["failed"])}
        self.spans.append((service, span))
        return span_id


def order_trace(rng: random.Random, start_ns: int, *, failed: bool, south_us: int = 0) -> SampleTrace:
    """The way of one order: five calls, two statements, and what its events set off after the answer.

    Accounts lie in the north or in the south, where reading one takes `south_us` longer.
    """
    trace = SampleTrace(f"{rng.getrandbits(127) | 1:032x}", start_ns, rng)
    slow = rng.lognormvariate(0, 0.5)
    symbol, quantity = rng.choice(["AAPL", "MSFT", "GOOG", "TSLA"]), rng.randrange(1, 500)

    def us(base: int) -> int:
        return max(int(base * slow * rng.uniform(0.7, 1.4)), 1)

    shard = rng.choice(["north", "south"])
    verify, hold, limits, create, match = us(180), us(900), us(600), us(1400), us(800)
    read = hold // 3 + (south_us if shard == "south" else 0)
    hold += read
    at_create = 90 + verify + max(hold, limits) + 60
    total = at_create + create + (0 if failed else match) + 150
    status = 422 if failed else 201
    root = trace.add(
        "client-gateway", "POST /v1/order", "", 0, total, failed="insufficient funds" if failed else "",
        attributes={"http.request.method": "POST", "http.route": "/v1/order", "http.response.status_code": status,
                    "order.symbol": symbol, "order.side": rng.choice(["BUY", "SELL"]), "order.quantity": quantity},
    )  # fmt: skip
    trace.add("user-service", "verify_token", root, 60, verify, attributes={"user.id": rng.randrange(1000, 1100)})
    held = trace.add(
        "wallet-service", "check_balance", root, 90 + verify, hold,
        failed="insufficient funds" if failed else "",
        events=[(hold // 2, "exception", {"exception.type": "InsufficientFunds", "exception.message": "12.00 short"})]
        if failed else [(hold // 2, "hold placed", {"amount": f"{quantity}.00"})],
    )  # fmt: skip
    trace.add("wallet-service", "SELECT account", held, 100 + verify, read, "client",
              attributes={"db.system.name": "postgresql", "db.query.text": "SELECT * FROM accounts",
                          "shard": shard})  # fmt: skip
    trace.add("risk-manager", "validate_order", root, 90 + verify, limits)
    if failed:
        return trace
    created = trace.add("order-manager", "create_order", root, at_create, create)
    trace.add("order-manager", "INSERT order", created, at_create + 40, create // 2, "client",
              attributes={"db.system.name": "postgresql", "db.operation.batch.size": rng.randrange(1, 30)})  # fmt: skip
    trace.add("order-manager", "publish_event", created, at_create + 60 + create // 2, create // 4, "client",
              attributes={"db.system.name": "redis", "peer.service": "redis"})  # fmt: skip
    matched = trace.add("matching-engine", "match_order", root, at_create + create + 40, match,
                        attributes={"match.trades": rng.randrange(0, 4)})  # fmt: skip
    for service, name in (
        ("wallet-service", "settle_trade"), ("order-manager", "apply_execution"), ("risk-manager", "update_position"),
        ("market-data", "update_book"), ("reporting", "record_trade"), ("notification", "notify_user"),
    ):  # fmt: skip
        trace.add(service, name, matched, total + us(2500), us(1200), "internal")
    return trace


def wide_trace(rng: random.Random, start_ns: int, spans: int, *, name: str = "nightly batch") -> SampleTrace:
    """A trace of many spans: a hundred children per parent, over six services."""
    trace = SampleTrace(f"{rng.getrandbits(127) | 1:032x}", start_ns, rng)
    root = trace.add("batch-runner", name, "", 0, spans * 40 + 100, "internal")
    parent, parent_start = root, 0
    for i in range(spans - 1):
        service = f"worker-{i % 5 + 1}"
        if i % 100 == 0:
            parent_start = i * 40 + 20
            parent = trace.add("batch-runner", f"slice {i // 100 % 8}", root, parent_start, 4000, "internal")
        else:
            trace.add(service, f"step {i % 7}", parent, parent_start + i % 100 * 40, 38, attributes={"item": i})
    return trace


def send(otlp_url: str, trace: SampleTrace) -> None:
    """Send a trace to `/v1/traces` and wait for the answer."""
    for at in range(0, len(trace.spans), SPANS_PER_REQUEST):
        by_service: dict[str, list[dict[str, Any]]] = {}
        for service, span in trace.spans[at : at + SPANS_PER_REQUEST]:
            by_service.setdefault(service, []).append(span)
        body = {
            "resourceSpans": [
                {
                    "resource": {"attributes": _attributes({"service.name": service, "service.version": "1.0.0"})},
                    "scopeSpans": [{"scope": {"name": "sample"}, "spans": spans}],
                }
                for service, spans in by_service.items()
            ]
        }
        request = urllib.request.Request(
            f"{otlp_url}/v1/traces", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            response.read()


def sample_orders(seed: int, count: int, within_s: tuple[float, float], south_us: int = 0) -> list[SampleTrace]:
    """Orders of between so many seconds ago, oldest first."""
    rng = random.Random(seed)
    now_ns = time.time_ns()
    starts = sorted(now_ns - int(rng.uniform(*within_s) * 1e9) for _ in range(count))
    return [order_trace(rng, start_ns, failed=rng.random() < ERROR_SHARE, south_us=south_us) for start_ns in starts]


def main() -> None:
    """Fill a backend from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("otlp_url")
    parser.add_argument("--traces", type=int, default=300)
    parser.add_argument("--wide", type=int, nargs="*", default=[], help="sizes of traces of many spans")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    usual = sample_orders(options.seed, options.traces, (900, 1800))
    slow = sample_orders(options.seed + 1, options.traces, (1, 900), 150_000)
    for trace in [*usual, *slow]:
        send(options.otlp_url, trace)
    for size in options.wide:
        trace = wide_trace(random.Random(size), time.time_ns() - 60_000_000_000, size)
        send(options.otlp_url, trace)
        print(f"{size} spans: {trace.trace_id}")


if __name__ == "__main__":
    main()
