"""A jaegerlite as a process, for tests: started on free ports, with its data in a folder of the test."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.ports import free_ports

PROTOBUF: Final = "application/x-protobuf"
START_SECONDS_MAX: Final = 60.0
PORTS: Final = (
    "QUERY",
    "OTLP_GRPC",
    "OTLP_HTTP",
    "JAEGER_COMPACT",
    "JAEGER_BINARY",
    "JAEGER_HTTP",
    "ZIPKIN",
    "SAMPLING",
)


@dataclass(slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(url: str, body: bytes | None = None, headers: dict[str, str] | None = None, method: str = "") -> Answer:
    """GET, or POST a body; errors of HTTP are answers too."""
    wanted = urllib.request.Request(url, body, headers or {}, method=method or None)
    try:
        with urllib.request.urlopen(wanted, timeout=10) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def within(seconds: float, holds: Callable[[], bool]) -> None:
    """Wait until something holds; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not come true within {seconds} s"
        time.sleep(0.02)


def otlp_spans(service: str, *trace_ids: int, span_id: int = 1) -> bytes:
    """An OTLP request with a span of 1.5 ms for each trace id, starting now."""
    export = ExportTraceServiceRequest()
    resource = export.resource_spans.add()
    resource.resource.attributes.add(key="service.name", value=AnyValue(string_value=service))
    now = time.time_ns()
    resource.scope_spans.add().spans.extend(
        Span(
            trace_id=trace_id.to_bytes(16),
            span_id=span_id.to_bytes(8),
            name="by hand",
            start_time_unix_nano=now,
            end_time_unix_nano=now + 1_500_000,
        )
        for trace_id in trace_ids
    )
    return bytes(export.SerializeToString())


class Jaegerlite:
    """A running `python -m jaegerlite`; every listener is on a free port, `ports` has them by their names."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.query_port, self.otlp_port = self.ports["QUERY"], self.ports["OTLP_HTTP"]
        self.environment = (
            os.environ
            | {f"JAEGERLITE_{name}_PORT": str(port) for name, port in self.ports.items()}
            | {"JAEGERLITE_DATA_DIR": str(folder / "data"), **variables}
        )
        self.start()

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self.process = subprocess.Popen([sys.executable, "-m", "jaegerlite"], env=self.environment)
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            assert self.process.poll() is None, "jaegerlite ended at its start"
            assert time.monotonic() < deadline, "jaegerlite did not start in time"
            try:
                if self.get("/ready").status == 200:
                    return
            except urllib.error.URLError:
                time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the process by a signal; return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(10)

    def url(self, path: str) -> str:
        """An address on the query port."""
        return f"http://127.0.0.1:{self.query_port}{path}"

    def get(self, path: str, **headers: str) -> Answer:
        """GET from the query port."""
        return request(self.url(path), headers={name.replace("_", "-"): value for name, value in headers.items()})

    def find(self, **query: str) -> list[Any]:
        """The traces of a search."""
        answer = self.get("/api/traces?" + urllib.parse.urlencode(query))
        assert answer.status == 200, answer.body
        found: list[Any] = answer.json["data"]
        return found

    def post(self, body: bytes, **headers: str) -> Answer:
        """POST spans to the OTLP port."""
        given = {"Content-Type": PROTOBUF} | {name.replace("_", "-"): value for name, value in headers.items()}
        return request(f"http://127.0.0.1:{self.otlp_port}/v1/traces", body, given)

    def metric(self, name: str, *labels: str) -> float:
        """The sum of a metric's samples, of those with all these labels (`result="ok"`)."""
        lines = self.get("/metrics").body.decode().splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in lines
            if line.startswith((name + "{", name + " ")) and all(label in line for label in labels)
        )

    def wait_stored(self, spans: int) -> None:
        """Wait until this many spans are on disk."""
        within(5.0, lambda: self.metric("jaegerlite_spans_stored_total") >= spans)
