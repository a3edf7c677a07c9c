"""What a span costs jaegerlite: CPU per span taken in and stored, bytes on disk, and how long searches take meanwhile.

Workload: `benchmarks.jaegerlite_spans`, 20 spans per trace over nine services, six attributes per span, about 240 bytes
of OTLP each; requests of 500 spans, protobuf without compression, one after the other over one connection to a real
process.
CPU is the process's own (user and system, all threads), from the first request until the last span is stored; the
generator's is not in it. Run it with `python -m benchmarks.jaegerlite [--spans 1000000] [--rate 30000]`.
"""

import argparse
import http.client
import itertools
import json
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path
from statistics import quantiles

import duckdb
import psutil

from benchmarks.jaegerlite_spans import MARK, requests
from jaegerlite.housekeeping import disk_bytes_used
from jaegerlite.store import FILE_NAME

QUERY_PORT, OTLP_PORT = 26786, 24418
SPANS_PER_REQUEST = 500
BODIES = 400
START_SECONDS_MAX = 60
HEADERS = {"Content-Type": "application/x-protobuf"}


def start(folder: Path) -> psutil.Popen:
    """Run jaegerlite on a folder; returns once it is ready."""
    argv = [sys.executable, "-m", "jaegerlite", "--data", str(folder)]
    argv += ["--query-port", str(QUERY_PORT), "--otlp-http-port", str(OTLP_PORT), "--otlp-grpc-port", "0"]
    argv += ["--jaeger-compact-port", "0", "--jaeger-binary-port", "0", "--jaeger-http-port", "0", "--zipkin-port", "0"]
    process = psutil.Popen(argv, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            if get("/ready")[0] == 200:
                return process
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise TimeoutError("jaegerlite did not start")


def get(path: str) -> tuple[int, bytes]:
    """GET from the query port: status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", QUERY_PORT, timeout=30)
    connection.request("GET", path)
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def stored_spans() -> float:
    """How many spans the process has stored since its start."""
    lines = get("/metrics")[1].decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("jaegerlite_spans_stored_total ")))


def cpu_seconds(process: psutil.Popen) -> float:
    """CPU time of a process so far, in seconds."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _send(bodies: list[bytes], spans: int, rate: int, first_round: int) -> tuple[int, int]:
    """Send requests, at a rate in spans/s or (0) as fast as they are taken; return the spans sent and the pushbacks."""
    connection = http.client.HTTPConnection("127.0.0.1", OTLP_PORT, timeout=30)
    sent = pushed_back = 0
    began = time.perf_counter()
    for number, body in enumerate(itertools.cycle(bodies)):
        if sent >= spans:
            break
        if rate and (ahead_s := sent / rate - (time.perf_counter() - began)) > 0:
            time.sleep(ahead_s)
        fresh = body.replace(MARK, (number // len(bodies) + first_round).to_bytes(4))
        connection.request("POST", "/v1/traces", fresh, HEADERS)
        response = connection.getresponse()
        response.read()
        if response.status == 200:
            sent += SPANS_PER_REQUEST
        else:
            pushed_back += 1
            time.sleep(0.05)
    connection.close()
    return sent, pushed_back


def _search_ms() -> dict[str, float]:
    """The p95 of ten runs of each search, in milliseconds."""
    slow = urllib.parse.quote('{"user.id":"user-7","order.side":"BUY"}')
    searches = {
        "service": "service=wallet&limit=20",
        "operation and duration": "service=wallet&operation=operation%207&minDuration=3.9ms&limit=20",
        "frequent tags": f"service=gateway&tags={slow}&limit=20",
        "tag that nobody has": "service=gateway&tag=order.id:none&limit=20",
    }
    figures = {}
    for name, query in searches.items():
        took_ms = []
        for _ in range(10):
            began = time.perf_counter()
            status, _ = get(f"/api/traces?{query}")
            took_ms.append((time.perf_counter() - began) * 1000)
            if status != 200:
                raise RuntimeError(f"{query} was answered with {status}")
        figures[name] = round(quantiles(took_ms, n=20)[-1], 1)
    return figures


def measure(spans: int, rate: int) -> dict[str, object]:
    """One run on an empty store; the figures as a dictionary."""
    bodies = list(itertools.islice(requests(1, SPANS_PER_REQUEST, time.time_ns()), BODIES))
    with tempfile.TemporaryDirectory() as folder:
        process = start(Path(folder))
        try:
            _send(bodies, SPANS_PER_REQUEST * 20, 0, 1)  # imports, caches and the first tables are not what is measured
            while stored_spans() < SPANS_PER_REQUEST * 20:
                time.sleep(0.05)
            before_s, began = cpu_seconds(process), time.perf_counter()
            sent, pushed_back = _send(bodies, spans, rate, 2)
            while stored_spans() < sent + SPANS_PER_REQUEST * 20:
                time.sleep(0.02)
            wall_s, cpu_s = time.perf_counter() - began, cpu_seconds(process) - before_s
            figures: dict[str, object] = {
                "spans": sent,
                "bytes_per_span_sent": round(sum(map(len, bodies)) / BODIES / SPANS_PER_REQUEST),
                "spans_per_s": round(sent / wall_s),
                "cpu_us_per_span": round(cpu_s / sent * 1e6, 2),
                "spans_per_cpu_s": round(sent / cpu_s),
                "pushed_back": pushed_back,
                "resident_mb": round(process.memory_info().rss / 1e6),
                "search_p95_ms": _search_ms(),
            }
        finally:
            process.terminate()
            process.wait(10)
        # The file also holds blocks that the last checkpoint freed; the next spans go into them.
        stored = sent + SPANS_PER_REQUEST * 20
        figures["file_bytes_per_span"] = round((Path(folder) / FILE_NAME).stat().st_size / stored, 1)
        with duckdb.connect(str(Path(folder) / FILE_NAME), read_only=True) as connection:
            figures["live_bytes_per_span"] = round(disk_bytes_used(connection) / stored, 1)
        return figures


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description="What a span costs jaegerlite.")
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=0, help="spans/s; 0 sends as fast as they are taken")
    options = parser.parse_args()
    print(json.dumps(measure(options.spans, options.rate), indent=2))


if __name__ == "__main__":
    main()
