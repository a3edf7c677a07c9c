"""A store of ten million spans of the exchange: how quickly it answers while more come in, and what it takes.

    python -m benchmarks.jaegerlite_large load --folder F [--spans 10000000]    # several minutes: run it with nice
    python -m benchmarks.jaegerlite_large measure --folder F                    # about a minute, on a quiet machine
    python -m benchmarks.jaegerlite_large search --folder F                     # each kind of jaegerlite's own search

Method. The spans are those of `benchmarks.exchange_spans`, one trace each 6 ms of their own time, so that ten million
lie in about an hour before the load began; twenty traces of 10,000 spans and forty of 100, of no user, lie among them.
They are sent as OTLP over one connection to `python -m jaegerlite` with its default settings, as fast as it takes them.
Then the process is started anew on that store, a process of its own sends 10,000 spans/s more, and each question is
asked forty times, one after the other, over a new connection each: percentiles are of these, from the request to the
last byte.
"""

import argparse
import http.client
import json
import multiprocessing
import random
import shutil
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psutil

from benchmarks.exchange_spans import ExchangeSpans
from benchmarks.jaegerlite import HEADERS, OTLP_PORT, cpu_seconds, disk_figures, get, start, stored_spans

TRACES_PER_S = 160.0
LARGE_TRACES, LARGE_SPANS = 20, 10_000
MIDDLE_TRACES, MIDDLE_SPANS = 40, 100
EXAMPLES_EVERY = 200
MEANWHILE_PER_S = 10_000
REPEATS = 40
NOTES = "benchmark.json"
HOUR_NS = 3_600_000_000_000


def _send(connection: http.client.HTTPConnection, body: bytes) -> None:
    """Send a request until it is taken."""
    while True:
        connection.request("POST", "/v1/traces", body, HEADERS)
        response = connection.getresponse()
        response.read()
        if response.status == 200:
            return
        if response.status != 429:
            raise RuntimeError(f"spans were answered with {response.status}")
        time.sleep(0.02)


def load(folder: Path, spans: int) -> dict[str, Any]:
    """Fill an empty store; the notes that `measure` needs stay beside it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began_ns = time.time_ns()
    maker = ExchangeSpans(7, began_ns - HOUR_NS, TRACES_PER_S)
    examples: list[str] = []
    large: list[str] = []
    middle: list[str] = []
    process = start(folder)
    connection = http.client.HTTPConnection("127.0.0.1", OTLP_PORT, timeout=60)
    sent, batches, peak, began_s = 0, 0, 0, time.perf_counter()
    while sent < spans:
        requests = maker.batch()
        if batches % EXAMPLES_EVERY == 0:
            examples += [row.tobytes().hex() for row in maker.recent[:2]]
        for ids, count, wanted in ((large, LARGE_TRACES, LARGE_SPANS), (middle, MIDDLE_TRACES, MIDDLE_SPANS)):
            if len(ids) < count and sent >= len(ids) * spans // count:
                trace_id, more = maker.large_trace(wanted, maker.reached_ns)
                ids.append(trace_id.hex())
                requests += more
        for body, count in requests:
            _send(connection, body)
            sent += count
        batches += 1
        peak = max(peak, process.memory_info().rss)
    while stored_spans() < sent:
        time.sleep(0.05)
    wall_s, used_s = time.perf_counter() - began_s, cpu_seconds(process)
    process.terminate()
    process.wait(60)
    notes = {"spans": sent, "examples": examples, "large": large, "middle": middle, "end_ns": maker.reached_ns}
    (folder / NOTES).write_text(json.dumps(notes))
    return {
        "spans": sent,
        "wall_s": round(wall_s, 1),
        "spans_per_s": round(sent / wall_s),
        "cpu_us_per_span": round(used_s / sent * 1e6, 2),
        "resident_mb_max": round(peak / 1e6),
        **disk_figures(folder, sent),
    }


def _send_meanwhile(seed: int, start_ns: int, stop: Any) -> None:
    """Send spans at a steady rate until told to stop; what the process of its own does."""
    maker = ExchangeSpans(seed, start_ns, MEANWHILE_PER_S / 17.5, traces_at_once=100)
    connection = http.client.HTTPConnection("127.0.0.1", OTLP_PORT, timeout=60)
    sent, began = 0, time.perf_counter()
    while not stop.is_set():
        for body, count in maker.batch():
            _send(connection, body)
            sent += count
        time.sleep(max(0.0, sent / MEANWHILE_PER_S - (time.perf_counter() - began)))


def _questions(notes: dict[str, Any]) -> Iterator[tuple[str, float, Callable[[], str]]]:
    """What is asked: a name, the target for its p95 in milliseconds, and the path of each repetition."""
    dice = random.Random(3)
    end_us = notes["end_ns"] // 1000
    end_ms = end_us // 1000

    def search(**query: Any) -> Callable[[], str]:
        def path() -> str:
            until = end_us - dice.randrange(50 * 60) * 1_000_000
            return "/api/traces?" + urllib.parse.urlencode({"limit": 20, "end": until, **query})

        return path

    def trace(ids: list[str]) -> Callable[[], str]:
        return lambda: f"/api/traces/{dice.choice(ids)}"

    gateway = {"service": "client-gateway"}
    yield "search: service", 100, search(**gateway)
    yield "search: operation", 100, search(**gateway, operation="POST /v1/order")
    yield "search: slow", 100, search(service="wallet-service", operation="INSERT hold", minDuration="4ms")
    yield "search: frequent tags", 100, search(**gateway, tags='{"order.symbol":"AAPL","order.side":"BUY"}')
    yield "search: user", 100, lambda: search(**gateway, tag=f"user.id:{dice.randrange(1000, 9999)}")()
    yield "search: tag that nobody has", 100, search(**gateway, tag="order.id:none")
    yield "trace of about 20 spans", 30, trace(notes["examples"])
    yield "trace of 100 spans", 30, trace(notes["middle"])
    yield "trace of 10,000 spans", 500, trace(notes["large"])
    hour = f"endTs={end_ms}&lookback=3600000"
    yield "RED: all operations, one hour", 300, lambda: f"/api/red?{hour}&step=60000"
    yield (
        "RED: Jaeger's latencies, one hour",
        300,
        lambda: (
            f"/api/metrics/latencies?service=client-gateway&groupByOperation=true&quantile=0.95&{hour}"
            "&step=60000&ratePer=600000"
        ),
    )
    yield "service graph, one hour", 300, lambda: f"/api/service-graph?{hour}"


def measure(folder: Path) -> dict[str, Any]:
    """Ask a loaded store, with more spans coming in."""
    notes = json.loads((folder / NOTES).read_text())
    began = time.perf_counter()
    process: psutil.Popen = start(folder)
    start_s = time.perf_counter() - began
    stop = multiprocessing.Event()
    sender = multiprocessing.Process(target=_send_meanwhile, args=(time.time_ns() % 1000, time.time_ns(), stop))
    sender.start()
    time.sleep(3)
    before, before_s, peak = stored_spans(), time.perf_counter(), 0
    figures: dict[str, Any] = {}
    for name, target_ms, path_of in _questions(notes):
        took_ms, size = [], 0
        for _ in range(REPEATS):
            path = path_of()
            began = time.perf_counter()
            status, body = get(path)
            took_ms.append((time.perf_counter() - began) * 1000)
            size = len(body)
            if status != 200:
                raise RuntimeError(f"{path} was answered with {status}: {body[:200]!r}")
            peak = max(peak, process.memory_info().rss)
        p95 = quantiles(took_ms, n=20)[-1]
        figures[name] = {
            **{"p50_ms": round(median(took_ms), 1), "p95_ms": round(p95, 1), "max_ms": round(max(took_ms), 1)},
            **{"answer_bytes": size, "target_p95_ms": target_ms, "reached": p95 < target_ms},
        }
    meanwhile = (stored_spans() - before) / (time.perf_counter() - before_s)
    stop.set()
    sender.join()
    process.terminate()
    process.wait(60)
    return {
        "spans_stored_before": notes["spans"],
        "start_s": round(start_s, 2),
        "spans_per_s_meanwhile": round(meanwhile),
        "resident_mb_max": round(peak / 1e6),
        "questions": figures,
    }


SEARCHES = (
    '"no such text"',
    "rejected",
    "order.symbol = AAPL OR user.id = 5555",
    "NOT url.path ~ order",
    "http.response.status_code >= 400 OR order.side = SELL",
    "trace.duration > 50ms status = error",
)


def search(folder: Path) -> dict[str, Any]:
    """Ask each search that has to look at every span of a loaded store once, with no more coming in."""
    process: psutil.Popen = start(folder)
    figures: dict[str, Any] = {}
    try:
        for text in SEARCHES:
            began, began_cpu = time.perf_counter(), cpu_seconds(process)
            status, body = get("/api/search?" + urllib.parse.urlencode({"q": text, "start": 0, "limit": 20}))
            took_s, cpu_s = time.perf_counter() - began, cpu_seconds(process) - began_cpu
            found = json.loads(body).get("total") if status == 200 else f"answered with {status}"
            figures[text] = {"seconds": round(took_s, 2), "cpu_seconds": round(cpu_s, 2), "traces": found}
        figures["resident_mb"] = round(process.memory_info().rss / 1e6)
    finally:
        process.terminate()
        process.wait(60)
    return figures


def main() -> None:
    """Load or measure, and print JSON."""
    parser = argparse.ArgumentParser(description="A store of ten million spans.")
    parser.add_argument("step", choices=("load", "measure", "search"))
    parser.add_argument("--folder", type=Path, required=True, help="where the store lies; `load` empties it")
    parser.add_argument("--spans", type=int, default=10_000_000)
    options = parser.parse_args()
    steps = {"measure": measure, "search": search}
    figures = load(options.folder, options.spans) if options.step == "load" else steps[options.step](options.folder)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
