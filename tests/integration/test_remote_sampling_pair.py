"""Remote sampling between a traced service and a jaegerlite, both as processes: told by a file, and adaptively."""

import json
import os
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.jaegerlite_process import Jaegerlite, within
from tests.ports import free_ports

ROOT = Path(__file__).parents[2]
WAIT_S = 30.0
BOOKS, SHELVES = "GET /books/{title}", "GET /shelves/{number}"

SERVICE = """
    import sys

    import uvicorn
    from fastapi import FastAPI
    from shared.tracing import instrument_fastapi, setup_tracing

    setup_tracing(sys.argv[2])
    app = FastAPI()
    instrument_fastapi(app)

    @app.get("/books/{title}")
    @app.get("/shelves/{number}")
    async def anything() -> str:
        return "here"

    uvicorn.run(app, port=int(sys.argv[1]), log_level="critical")
"""


class Library:
    """The running service. Each answer tells in its `traceresponse` whether its trace is kept."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, path: str) -> bool:
        """Whether the trace of a request is kept."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return str(answer.headers["traceresponse"])[-1] in "13579bdf"

    def kept(self, path: str, requests: int) -> int:
        """How many of so many requests are."""
        return sum(self.ask(f"{path}{number}") for number in range(requests))


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaegerlite]:
    """A jaegerlite with a file that names one service; it has remembered to keep all of the other, with a target."""
    folder = tmp_path_factory.mktemp("jaegerlite")
    operations = [{"operation": BOOKS, "type": "probabilistic", "param": 1}]
    told = {"service": "named", "type": "probabilistic", "param": 0, "operation_strategies": operations}
    (folder / "strategies.json").write_text(json.dumps({"service_strategies": [told]}))
    (folder / "data").mkdir()
    (folder / "data" / "sampling.json").write_text(json.dumps([["other", BOOKS, 1.0]]))
    running = Jaegerlite(
        folder,
        JAEGERLITE_FLUSH_INTERVAL_MS="100",
        JAEGERLITE_SAMPLING_FILE=str(folder / "strategies.json"),
        JAEGERLITE_SAMPLING_TARGET_PER_S="0.5",
        JAEGERLITE_SAMPLING_INTERVAL_S="0.5",
    )
    yield running
    assert running.stop() == 0


@contextmanager
def library(backend: Jaegerlite, name: str) -> Iterator[Library]:
    """The service, sampled as the backend says, which it asks five times a second."""
    (port,) = free_ports(1)
    asked = f"endpoint=http://127.0.0.1:{backend.ports['SAMPLING']}/sampling,pollingIntervalMs=200"
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{backend.otlp_port}",
        "OTEL_TRACES_SAMPLER": "parentbased_jaeger_remote",
        "OTEL_TRACES_SAMPLER_ARG": f"{asked},initialSamplingRate=0",
    }
    command = [sys.executable, "-c", textwrap.dedent(SERVICE), str(port), name]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment)
    running = Library(port)
    try:
        within(WAIT_S, lambda: answers(running))
        yield running
    finally:
        process.terminate()
        process.wait(20)


def answers(service: Library) -> bool:
    """Whether the service is there."""
    try:
        service.ask("/nowhere")
    except urllib.error.HTTPError:
        return True
    except OSError:
        time.sleep(0.05)
        return False
    return True


def test_a_file_says_how_much_of_each_operation_is_kept(backend: Jaegerlite) -> None:
    """All of one operation, named by its route, is in the backend; of the others the least that is guaranteed."""
    with library(backend, "named") as service:
        within(WAIT_S, lambda: service.ask("/books/first"))
        assert service.kept("/books/", 50) == 50
        # One a minute is guaranteed, whatever is asked.
        assert service.kept("/shelves/", 50) <= 3
    within(WAIT_S, lambda: len(backend.find(service="named", operation=BOOKS, limit="100")) == 51)
    assert len(backend.find(service="named", operation=SHELVES, limit="100")) <= 3


def test_a_backend_that_gets_too_much_has_less_sent(backend: Jaegerlite) -> None:
    """With a target of traces per second, an operation that is kept whole is soon kept in part, and says so."""
    with library(backend, "other") as service:
        within(WAIT_S, lambda: service.ask("/books/first"))
        within(WAIT_S, lambda: service.kept("/books/", 50) < 25)

        def ratios() -> set[float]:
            """What the traces in the backend were sampled with."""
            service.kept("/books/", 50)
            traces = backend.find(service="other", operation=BOOKS, limit="1000")
            return {t["value"] for trace in traces for t in trace["spans"][0]["tags"] if t["key"] == "sampler.param"}

        within(WAIT_S, lambda: len(ratios()) > 1)
        assert max(ratios()) == 1.0
        assert 0.0 < min(ratios()) < 1.0
