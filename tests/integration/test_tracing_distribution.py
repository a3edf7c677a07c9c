"""`outcry-tracing` (deploy/tracing): built, and installed where there is nothing else of ours."""

import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.asking import ASK
from tests.jaegerlite_process import Jaegerlite, within
from tests.tracing_kit import OtlpReceiver, attributes_of

ROOT = Path(__file__).parents[2]

SHOP = """
    import importlib.util

    from fastapi import FastAPI

    from shared.tracing import instrument_fastapi, setup_tracing

    assert not any(map(importlib.util.find_spec, ("services", "outcry", "shared.postgres")))
    setup_tracing("shop")
    app = FastAPI()
    instrument_fastapi(app)


    @app.get("/goods/{name}")
    async def goods(name: str) -> str:
        return name


    assert ask(app, "/goods/tea") == '"tea"'
"""

JOBS = """
    import multiprocessing, threading

    from opentelemetry import trace

    tracer = trace.get_tracer("jobs")


    def job(name):
        tracer.start_span(name).end()


    if __name__ == "__main__":
        job("main")
        thread = threading.Thread(target=job, args=("thread",))
        thread.start()
        thread.join()
        for method in ("fork", "spawn"):
            process = multiprocessing.get_context(method).Process(target=job, args=(method,))
            process.start()
            process.join()
            assert process.exitcode == 0
"""
"""Plain OpenTelemetry, in threads and processes."""

INSTRUMENT = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
"""What the command `opentelemetry-instrument` does."""

CALLER = """
    import sys, urllib.request

    import requests

    assert requests.post(sys.argv[1], data=b"", timeout=10).status_code == 200
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("distribution")
    for part in ("deploy/tracing", "shared/tracing"):
        ignored = shutil.ignore_patterns("shared", "build", "*.egg-info", "*.c", "*.so")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", str(folder)]
    run_checked([*pip, *build, str(folder / "deploy" / "tracing")], {**os.environ, "OUTCRY_PURE": "1"})
    (wheel,) = folder.glob("outcry_tracing-*.whl")
    venv.create(folder / "venv", with_pip=False)
    made = folder / "venv" / "bin" / "python"
    run_checked([*pip, "--python", str(made), "install", "--no-index", "--no-deps", str(wheel)], {**os.environ})
    return made


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all libraries of this environment, and none of the project's own packages."""
    folder = tmp_path_factory.mktemp("libraries")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(("outcry", "__editable__", "__pycache__")):
            (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """A running OTLP receiver."""
    running = OtlpReceiver()
    yield running
    running.stop()


def run_checked(command: list[str], environment: dict[str, str]) -> str:
    """What a command prints, which must succeed; it is far from the project's folder."""
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(libraries: Path, endpoint: str, **variables: str) -> dict[str, str]:
    """What a script needs to find its libraries and the place for its spans."""
    return {"PYTHONPATH": str(libraries), "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **variables}


def test_a_service_that_knows_no_exchange_is_in_jaegerlite(python: Path, libraries: Path, tmp_path: Path) -> None:
    """With the wheel alone an application is traced, and its trace can be searched in the backend."""
    backend = Jaegerlite(tmp_path)
    try:
        where = environment(libraries, f"http://127.0.0.1:{backend.otlp_port}")
        run_checked([str(python), "-c", ASK + textwrap.dedent(SHOP)], where)
        within(30, lambda: bool(backend.find(service="shop")))
        (found,) = backend.find(service="shop")
    finally:
        backend.stop()
    assert [span["operationName"] for span in found["spans"]] == ["GET /goods/{name}"]


def test_a_variable_is_enough(python: Path, libraries: Path, tmp_path: Path, receiver: OtlpReceiver) -> None:
    """A script of plain OpenTelemetry, its threads and its processes, forked and spawned, are traced by a variable."""
    script = tmp_path / "jobs.py"
    script.write_text(textwrap.dedent(JOBS))
    chosen = {"OTEL_PYTHON_TRACER_PROVIDER": "outcry", "OTEL_SERVICE_NAME": "jobs"}
    run_checked([str(python), str(script)], environment(libraries, receiver.endpoint, **chosen))
    assert sorted(span.name for span in receiver.spans()) == ["fork", "main", "spawn", "thread"]
    resources = [attributes_of(part.resource) for request in receiver.requests for part in request.resource_spans]
    assert {resource["service.name"] for resource in resources} == {"jobs"}
    assert len({resource["process.pid"] for resource in resources}) == 3


def test_the_folder_can_be_copied_into_a_package_of_that_name(
    libraries: Path, tmp_path: Path, receiver: OtlpReceiver
) -> None:
    """Beside somebody's own `shared`, a copy of the folder does the same as the wheel."""
    shutil.copytree(ROOT / "shared" / "tracing", tmp_path / "shared" / "tracing", ignore=shutil.ignore_patterns("*.so"))
    (tmp_path / "shared" / "__init__.py").write_text("TEAM = 'ours'\n")
    (tmp_path / "shop.py").write_text("from shared import TEAM\n" + ASK + textwrap.dedent(SHOP))
    where = environment(libraries, receiver.endpoint)
    run_checked([sys.executable, "-S", str(tmp_path / "shop.py")], where)
    assert [span.name for span in receiver.spans()] == ["GET /goods/{name}"]


def test_opentelemetry_instrument_runs_on_it(
    python: Path, libraries: Path, tmp_path: Path, receiver: OtlpReceiver
) -> None:
    """The official command takes our recorder, and its instrumentations make their spans on it."""
    script = tmp_path / "caller.py"
    script.write_text(textwrap.dedent(CALLER))
    command = [str(python), "-c", INSTRUMENT, str(python), str(script), receiver.endpoint]
    run_checked(command, environment(libraries, receiver.endpoint, PATH=os.environ["PATH"]))
    (span,) = receiver.spans()
    traced = [headers["traceparent"] for headers in receiver.headers if "traceparent" in headers]
    assert traced == [f"00-{span.trace_id.hex()}-{span.span_id.hex()}-03"]
    (resource,) = [attributes_of(part.resource) for request in receiver.requests for part in request.resource_spans]
    assert resource["service.name"].startswith("unknown_service:python")
    assert resource["telemetry.sdk.name"] == "outcry"
