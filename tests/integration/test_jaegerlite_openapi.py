"""jaegerlite's OpenAPI: complete, and true as far as a tool that tries everything can tell."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from starlette.routing import Route

from jaegerlite.api import all_routes
from jaegerlite.api.openapi import TAKEN_BY, description
from jaegerlite.backend import Backend
from jaegerlite.settings import Settings
from tests.jaegerlite_process import Jaegerlite, otlp_spans

# Streams never end, and copies fill the disk.
LEFT_OUT = ("/api/live", "/api/backup")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaegerlite]:
    """A jaegerlite with some traces."""
    running = Jaegerlite(tmp_path_factory.mktemp("jaegerlite"))
    running.post(otlp_spans("shop", *range(1, 50)))
    running.wait_stored(49)
    yield running
    assert running.stop() == 0


def test_every_route_is_described(shared: Jaegerlite) -> None:
    """Each route of the API is in its description, with what it is for."""
    paths = shared.get("/openapi.json").json["paths"]
    assert {"/api/traces", "/api/v3/traces/{id}", "/api/search", "/api/live", "/api/red", "/metrics"} <= set(paths)
    for path, operations in paths.items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path} says nothing"


def test_no_route_is_left_out(tmp_path: Path) -> None:
    """Each route below /api and /metrics is described with all its methods; no parameter is of a path that is not."""
    backend = Backend(Settings(data_dir=tmp_path))
    given = all_routes(backend)
    described = description(given)["paths"]
    routes = [route for route in given if isinstance(route, Route)]
    api = [route for route in routes if route.path.startswith(("/api", "/metrics"))]
    assert len(api) > 20
    for route in api:
        methods = {method.lower() for method in (route.methods or set()) - {"HEAD"}}
        assert methods <= set(described[route.path.replace(":path}", "}")])
    assert set(TAKEN_BY) <= set(described)
    backend.tenant().close()


def test_nothing_that_is_asked_ends_in_a_failure(shared: Jaegerlite, tmp_path: Path) -> None:
    """Whatever schemathesis makes of the description, in examples, at the borders and at random, no answer is a 5xx."""
    command = Path(sys.executable).with_name("schemathesis")
    assert command.is_file() or which("schemathesis")
    left_out = [option for path in LEFT_OUT for option in ("--exclude-path", path)]
    ended = subprocess.run(
        [str(command), "run", shared.url("/openapi.json"), *left_out, "--checks", "not_a_server_error",
         "--max-examples", "4", "--phases", "examples,coverage,fuzzing", "--workers", "2", "--seed", "1",
         "--continue-on-failure"],
        capture_output=True, text=True, timeout=400, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
    assert shared.get("/ready").status == 200
