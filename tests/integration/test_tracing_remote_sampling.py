"""Jaeger's remote sampling against a real HTTP server: asked, followed, and done without when it is away."""

import http.server
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.trace import SpanKind

from shared.tracing.remote_sampling import RemoteSampler
from shared.tracing.settings import sampler
from tests.integration.test_tracing_export import wait_until
from tests.tracing_kit import ended_spans, make_provider


class Strategies:
    """Serves one strategy as a Jaeger does on port 5778, and keeps the requests."""

    def __init__(self) -> None:
        self.body: bytes = b"{}"
        self.paths: list[str] = []
        strategies = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                strategies.paths.append(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(strategies.body)

            def log_message(self, *arguments: object) -> None:
                """Keep the test's output clean."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def say(self, **strategy: Any) -> None:
        """What is answered from now on."""
        self.body = json.dumps(strategy).encode()


@pytest.fixture
def strategies() -> Iterator[Strategies]:
    """A running server of strategies."""
    running = Strategies()
    yield running
    running.server.shutdown()
    running.server.server_close()


def remote(endpoint: str, **more: str) -> RemoteSampler:
    """The sampler as the environment makes it, already asking every 20 ms."""
    argument = ",".join(
        f"{key}={value}" for key, value in {"endpoint": endpoint, "pollingIntervalMs": "20", **more}.items()
    )
    chosen = sampler(
        {"OTEL_TRACES_SAMPLER": "parentbased_jaeger_remote", "OTEL_TRACES_SAMPLER_ARG": argument}, "my service"
    )
    assert isinstance(chosen, RemoteSampler)
    chosen.start()
    return chosen


def test_the_backend_decides_and_may_change_its_mind(strategies: Strategies) -> None:
    """The service is named in the question; each new answer holds from the next trace on."""
    strategies.say(strategyType="PROBABILISTIC", probabilisticSampling={"samplingRate": 1.0})
    provider = make_provider(sampler=remote(strategies.url))
    tracer = provider.get_tracer("library")
    wait_until(lambda: tracer.start_span("a").is_recording())
    assert strategies.paths[0] == "/sampling?service=my%20service"
    strategies.say(
        strategyType="PROBABILISTIC",
        operationSampling={
            "defaultSamplingProbability": 0.0,
            "defaultLowerBoundTracesPerSecond": 0.0,
            "perOperationStrategies": [{"operation": "POST /v1/order", "probabilisticSampling": {"samplingRate": 1.0}}],
        },
    )
    wait_until(lambda: not tracer.start_span("a").is_recording())
    provider.buffer.ended.clear()
    tracer.start_span("POST", kind=SpanKind.SERVER, attributes={"url.path": "/v1/order"}).end()
    assert {"sampler.type": "probabilistic", "sampler.param": 1.0}.items() <= ended_spans(provider)[
        0
    ].attributes.items()


def test_without_an_answer_the_initial_ratio_holds(caplog: pytest.LogCaptureFixture) -> None:
    """A backend that is not there is reported once, and tracing goes on."""
    with caplog.at_level(logging.WARNING):
        chosen = remote("http://127.0.0.1:9/sampling", initialSamplingRate="1")
        wait_until(lambda: caplog.text)
    assert make_provider(sampler=chosen).get_tracer("library").start_span("a").is_recording()


@pytest.mark.parametrize("body", [b"nonsense", b"[]", b'{"operationSampling": {"perOperationStrategies": [1]}}'])
def test_a_malformed_answer_changes_nothing(strategies: Strategies, body: bytes) -> None:
    """What is no strategy is not followed."""
    strategies.body = body
    chosen = remote(strategies.url, initialSamplingRate="1")
    wait_until(lambda: len(strategies.paths) > 2)
    assert chosen.strategy.default.keeps_all
