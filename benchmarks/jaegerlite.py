"""What a span costs jaegerlite: CPU per span taken in, stored and searchable, memory, bytes on disk.

Workload: the exchange's own spans, `benchmarks.exchange_spans`, about 500 bytes of OTLP each; requests of some hundreds
of one service, protobuf without compression, one after the other over one connection to a real process, made before
the measurement. CPU is the process's own (user and system, all threads), from the first request until the last span is
stored; the generator's is not in it. Run it with `python -m benchmarks.jaegerlite [--spans 500000] [--rate 37500]`.
With `--core 0` jaegerlite has that core for itself and the generator the others: what one core takes in, by the clock.
What a store of ten million spans answers meanwhile: `benchmarks.jaegerlite_large`.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import psutil

from benchmarks.exchange_spans import ExchangeSpans
from jaegerlite.housekeeping import disk_bytes_used
from jaegerlite.store import FILE_NAME

QUERY_PORT, OTLP_PORT = 26786, 24418
WARM_SPANS = 20_000
SPANS_PER_S, SPANS_PER_TRACE = 30_000, 17.5
START_SECONDS_MAX = 60
HEADERS = {"Content-Type": "application/x-protobuf"}


def start(folder: Path, core: int | None = None) -> psutil.Popen:
    """Run jaegerlite on a folder, with all of its threads on one core if that is given; returns once it is ready."""
    argv = [] if core is None else ["taskset", "--cpu-list", str(core)]
    argv += [sys.executable, "-m", "jaegerlite", "--data", str(folder)]
    argv += ["--query-port", str(QUERY_PORT), "--otlp-http-port", str(OTLP_PORT), "--otlp-grpc-port", "0"]
    argv += ["--jaeger-compact-port", "0", "--jaeger-binary-port", "0", "--jaeger-http-port", "0", "--zipkin-port", "0"]
    argv += ["--sampling-port", "0"]
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


def _send(requests: list[tuple[bytes, int]], rate: int) -> tuple[int, int]:
    """Send requests, at a rate in spans/s or (0) as fast as they are taken; return the spans sent and the pushbacks."""
    connection = http.client.HTTPConnection("127.0.0.1", OTLP_PORT, timeout=30)
    sent = pushed_back = 0
    began = time.perf_counter()
    for body, spans in requests:
        if rate and (ahead_s := sent / rate - (time.perf_counter() - began)) > 0:
            time.sleep(ahead_s)
        while True:
            connection.request("POST", "/v1/traces", body, HEADERS)
            response = connection.getresponse()
            response.read()
            if response.status == 200:
                break
            pushed_back += 1
            time.sleep(0.02)
        sent += spans
    connection.close()
    return sent, pushed_back


def _requests(maker: ExchangeSpans, spans: int) -> list[tuple[bytes, int]]:
    made: list[tuple[bytes, int]] = []
    while sum(count for _, count in made) < spans:
        made += maker.batch()
    return made


def measure(spans: int, rate: int, core: int | None) -> dict[str, object]:
    """One run on an empty store; the figures as a dictionary."""
    if core is not None:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {core})
    maker = ExchangeSpans(1, time.time_ns(), SPANS_PER_S / SPANS_PER_TRACE)
    warm, requests = _requests(maker, WARM_SPANS), _requests(maker, spans)
    with tempfile.TemporaryDirectory() as folder:
        process = start(Path(folder), core)
        try:
            before, _ = _send(warm, 0)  # imports, caches and the first tables are not what is measured
            while stored_spans() < before:
                time.sleep(0.05)
            before_s, began = cpu_seconds(process), time.perf_counter()
            sent, pushed_back = _send(requests, rate)
            while stored_spans() < sent + before:
                time.sleep(0.02)
            wall_s, cpu_s = time.perf_counter() - began, cpu_seconds(process) - before_s
            figures: dict[str, object] = {
                "spans": sent,
                "bytes_per_span_sent": round(sum(len(body) for body, _ in requests) / sent),
                "spans_per_request": round(sent / len(requests)),
                "spans_per_s": round(sent / wall_s),
                "cpu_us_per_span": round(cpu_s / sent * 1e6, 2),
                "spans_per_cpu_s": round(sent / cpu_s),
                "pushed_back": pushed_back,
                "resident_mb": round(process.memory_info().rss / 1e6),
            }
        finally:
            process.terminate()
            process.wait(10)
        return figures | disk_figures(Path(folder), sent + before)


def disk_figures(folder: Path, spans: int) -> dict[str, float]:
    """Bytes on disk per span; the file also holds blocks that the last checkpoint freed, for the next spans."""
    path = folder / FILE_NAME
    with duckdb.connect(str(path), read_only=True) as connection:
        live = disk_bytes_used(connection)
    return {
        "file_bytes_per_span": round(path.stat().st_size / spans, 1),
        "live_bytes_per_span": round(live / spans, 1),
    }


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description="What a span costs jaegerlite.")
    parser.add_argument("--spans", type=int, default=500_000)
    parser.add_argument("--rate", type=int, default=0, help="spans/s; 0 sends as fast as they are taken")
    parser.add_argument("--core", type=int, help="the core that jaegerlite runs on, and the generator does not")
    options = parser.parse_args()
    print(json.dumps(measure(options.spans, options.rate, options.core), indent=2))


if __name__ == "__main__":
    main()
