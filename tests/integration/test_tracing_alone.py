"""`shared.tracing` in a service that has nothing to do with the exchange, in a process of its own."""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from tests.asking import ASK
from tests.tracing_kit import OtlpReceiver

ROOT = Path(__file__).parents[2]

SERVICE = """
    import asyncio, logging, sys

    import asyncpg, httpx, redis, requests, sqlalchemy
    from fastapi import FastAPI

    from shared.tracing import instrument_fastapi, setup_tracing

    database_url, redis_url, web_url = sys.argv[1:]
    setup_tracing("library")
    logging.basicConfig(format="%(message)s trace=%(otelTraceID)s", level=logging.WARNING, stream=sys.stdout)
    app = FastAPI()
    instrument_fastapi(app)


    @app.get("/books/{title}")
    async def book(title: str) -> str:
        connection = await asyncpg.connect(database_url)
        await connection.fetchval("SELECT 1 + 1")
        await connection.close()
        with redis.Redis.from_url(redis_url) as client:
            client.ping()
        async with httpx.AsyncClient() as client:
            await client.post(web_url, content=b"")
        await asyncio.to_thread(requests.post, web_url, data=b"", timeout=10)
        with sqlalchemy.create_engine("sqlite://").connect() as connection:
            connection.execute(sqlalchemy.text("SELECT 2 + 2"))
        logging.warning("lent %s", title)
        return title


    assert ask(app, "/books/emma") == '"emma"'
"""

BARE = """
    import sys

    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name.startswith(("opentelemetry.instrumentation", "opentelemetry.sdk", "grpc")):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Missing())

    from fastapi import FastAPI
    from shared.tracing import instrument_fastapi, setup_tracing

    setup_tracing("library")
    app = FastAPI()
    instrument_fastapi(app)

    @app.get("/books")
    async def books() -> list[str]:
        return ["emma"]

    assert ask(app, "/books") == '["emma"]'
"""


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """A running OTLP receiver, which answers other requests, too."""
    running = OtlpReceiver()
    yield running
    running.stop()


def run(script: str, receiver: OtlpReceiver, *arguments: str, **environment: str) -> str:
    """What a script prints that traces to the receiver, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", ASK + textwrap.dedent(script), *arguments],
        cwd=ROOT,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def names_by_scope(spans: list[SpanMessage], receiver: OtlpReceiver) -> dict[str, list[str]]:
    """The names of the received spans by the last word of the library that made them."""
    found: dict[str, list[str]] = {}
    for request in receiver.requests:
        for block in request.resource_spans:
            for scope in block.scope_spans:
                found.setdefault(scope.scope.name.rpartition(".")[2], []).extend(span.name for span in scope.spans)
    assert sum(map(len, found.values())) == len(spans)
    return found


def test_what_is_installed_is_turned_on(
    receiver: OtlpReceiver, database_url: Callable[[str], str], redis_url: str
) -> None:
    """A request is one trace with the calls of five libraries below its one server span; its log line names it."""
    said = run(SERVICE, receiver, database_url("wallet-service"), redis_url, receiver.endpoint)
    spans = receiver.wait_for(1)
    names = names_by_scope(spans, receiver)
    assert names.keys() == {"asgi", "asyncpg", "redis", "httpx", "requests", "sqlalchemy"}
    assert names["asgi"] == ["GET /books/{title}"]
    server = next(span for span in spans if span.name == "GET /books/{title}")
    assert {span.trace_id for span in spans} == {server.trace_id}
    assert not server.parent_span_id
    assert re.findall(r"lent emma trace=(\w+)", said) == [server.trace_id.hex()]


def test_what_is_switched_off_stays_off(
    receiver: OtlpReceiver, database_url: Callable[[str], str], redis_url: str
) -> None:
    """The standard variable keeps instrumentations off by their names."""
    off = "asyncpg, redis,requests"
    run(
        SERVICE,
        receiver,
        *(database_url("wallet-service"), redis_url, receiver.endpoint),
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=off,
    )
    names = names_by_scope(receiver.wait_for(1), receiver)
    assert names.keys() == {"asgi", "httpx", "sqlalchemy"}


def test_without_any_of_them_nothing_breaks(receiver: OtlpReceiver) -> None:
    """With neither instrumentations nor the reference SDK nor gRPC at hand, an application is traced all the same."""
    run(BARE, receiver)
    assert [span.name for span in receiver.wait_for(1)] == ["GET /books"]


def test_one_that_cannot_be_turned_on_is_reported(tmp_path: Path, receiver: OtlpReceiver) -> None:
    """A broken instrumentation costs its own spans and a line in the log, nothing else."""
    (tmp_path / "broken.py").write_text(
        "class Broken:\n    def __init__(self):\n        raise RuntimeError('worn out')\n"
    )
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[opentelemetry_instrumentor]\nbroken = broken:Broken\n")
    said = run(
        f"""
        import logging, sys
        sys.path.insert(0, {str(tmp_path)!r})
        logging.basicConfig(stream=sys.stdout)
        from shared.tracing import setup_tracing
        setup_tracing("library").start_span("goes on").end()
        """,
        receiver,
    )
    assert "The instrumentation of broken could not be turned on" in said
    assert "worn out" in said
    assert [span.name for span in receiver.wait_for(1)] == ["goes on"]
