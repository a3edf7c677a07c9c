"""``scripts/add_tracing.py``: what it does to differently shaped apps, and that these then run and are traced."""

import asyncio
import shutil
import socket
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from opentelemetry.trace import SpanKind

from scripts import codemod
from scripts.add_tracing import service_of
from tests.services import recorded_spans

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "add_tracing.py"

APPS = {
    "plain": "from fastapi import FastAPI\n\napp = FastAPI()\n",
    "commented": '"""A service."""\n\n# Why we have it\nfrom fastapi import FastAPI\n\n\n# The app\napp = FastAPI()  # here\n',
    "future": "from __future__ import annotations\n\nimport fastapi\n\napp = fastapi.FastAPI(title='A')\n",
    "alias": "import fastapi as f\n\napp = f.FastAPI(\n    title='A',  # its name\n)\n",
    "renamed": "from fastapi import FastAPI as Api\napp: Api = Api()\n",
    "factory": "from fastapi import FastAPI\n\n\ndef make() -> FastAPI:\n    # made here\n    app = FastAPI()\n    return app\n\n\napp = make()\n",
    "returned": "from fastapi import FastAPI\n\n\ndef make():\n    return FastAPI(\n        title='A',\n    )  # at once\n\n\napp = make()\n",
    "attribute": "from fastapi import FastAPI\n\n\nclass Site:\n    def __init__(self):\n        self.app = FastAPI()\n\n\napp = Site().app\n",
    "tabs": "from fastapi import FastAPI\n\nif True:\n\tapp = FastAPI()\n",
    "windows": "from fastapi import FastAPI\r\n\r\napp = FastAPI()\r\n",
    "branches": "import os\nfrom fastapi import FastAPI\n\nif os.name == 'posix':\n    app = FastAPI(title='A')\nelse:\n    app = FastAPI(title='B')\n",
    "one_line": "from fastapi import FastAPI\n\napp = FastAPI(); app.title = 'A'\n",
    "package": "from fastapi import FastAPI\n\napp = FastAPI()\n\nfrom fastapi import routing  # at the end\n",
    "subclass": "from fastapi import applications\n\n\nclass Service(applications.FastAPI):\n    pass\n\n\napp = Service()\n",
    "choice": "from fastapi import FastAPI\n\napp = FastAPI(title='A') if True else FastAPI(title='B')\n",
    "key": "from fastapi import FastAPI\n\napps = {}\napps['a'] = FastAPI()\napp = apps['a']\n",
    "several": "from fastapi import FastAPI\n\nother = FastAPI(); app = FastAPI()\n# One more\nthird = FastAPI()\napp.mount('/third', third)\n",
    "lifespan": "import contextlib\nfrom fastapi import FastAPI\n\n\n@contextlib.asynccontextmanager\nasync def lifespan(app):\n    yield\n\n\napp = FastAPI(lifespan=lifespan)\n",
    "chained": "from fastapi import FastAPI\n\napp = other = FastAPI()\n\n\n@app.get('/own')\ndef own() -> int:\n    return 1\n",
}

UNPLACED = {
    "argument": "from fastapi import FastAPI\n\nserved = [FastAPI()]\n",
    "suite": "from fastapi import FastAPI\n\nif True: app = FastAPI()\n",
    "lambda": "from fastapi import FastAPI\n\nmake = lambda: FastAPI()\n",
    "official": "from fastapi import FastAPI\nfrom opentelemetry.instrumentation.fastapi import FastAPIInstrumentor\napp = FastAPI()\nFastAPIInstrumentor.instrument_app(app)\n",
}


@pytest.mark.parametrize("name", APPS)
def test_what_was_added_comes_out_again_to_the_byte(name: str) -> None:
    """Adding twice is adding once, every line of the source is kept, and removing gives the source back."""
    source = APPS[name]
    added = codemod.add(source, "a-service")
    assert added.placed >= 1
    assert not added.missed
    assert codemod.add(added.source, "a-service").source == added.source
    assert codemod.remove(added.source).source == source
    kept = [line for line in added.source.splitlines(keepends=True) if codemod.MARK not in line]
    assert len(kept) == len(source.splitlines())


@pytest.mark.parametrize("name", UNPLACED)
def test_an_app_without_a_place_is_told(name: str) -> None:
    """Where no line can be added the source stays as it is, and its line is named."""
    change = codemod.add(UNPLACED[name], "a-service")
    assert change.source == UNPLACED[name]
    assert [missed.line for missed in change.missed] == [3]


@pytest.mark.parametrize("source", ["print('nothing here')\n", "class FastAPI: ...\n\n\napp = FastAPI()\n", ""])
def test_what_is_no_app_is_left_alone(source: str) -> None:
    """A source without a FastAPI app, or with something else of that name, does not change."""
    assert codemod.add(source, "a-service") == (source, 0, [])


async def test_the_apps_start_and_are_traced() -> None:
    """Each shape, served for real after the change, makes a server span per request."""
    for name, source in APPS.items():
        with recorded_spans() as spans:
            namespace: dict[str, Any] = {"__name__": name}
            exec(compile(codemod.add(source, name).source, name, "exec"), namespace)
            headers = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
            status = await first_answer(namespace["app"], headers)
            assert status == 200, name
            (span,) = spans.of_trace(headers["traceparent"])
            assert (span.kind, (span.attributes or {})["url.path"]) == (SpanKind.SERVER, "/openapi.json"), name


async def first_answer(app: Any, headers: dict[str, str]) -> int:
    """The status of one request to an app on a port of its own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                url = f"http://127.0.0.1:{listener.getsockname()[1]}/openapi.json"
                return (await client.get(url, headers=headers)).status_code
        finally:
            server.should_exit = True
            await serving


@pytest.mark.parametrize(
    ("file", "service"),
    [
        ("user_service/app.py", "user-service"),
        ("quotes.py", "quotes"),
        ("billing/src/app/main.py", "billing"),
        ("billing/__init__.py", "billing"),
    ],
)
def test_a_service_is_called_what_its_files_are_called(file: str, service: str) -> None:
    """A name that every service has, such as `app`, is passed over for the next folder's."""
    assert service_of(Path("/work") / file) == service


def test_it_runs_by_any_python_once_everything_is_installed(tmp_path: Path) -> None:
    """A Python without LibCST hands over to the one of the installation; without that it says what to install."""
    bare = tmp_path / "python"
    venv.create(bare, with_pip=False)
    (tmp_path / "plain.py").write_text(APPS["plain"])
    project = tmp_path / "project"
    shutil.copytree(SCRIPT.parent, project / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    command = [str(bare / "bin" / "python"), str(project / "scripts" / "add_tracing.py"), str(tmp_path / "plain.py")]
    alone = subprocess.run([*command, "--write"], capture_output=True, text=True, timeout=60, check=False)
    assert (alone.returncode, "pip install libcst" in alone.stderr) == (1, True)
    (project / ".venv" / "bin").mkdir(parents=True)
    (project / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (project / ".venv" / "pyvenv.cfg").write_text((Path(sys.prefix) / "pyvenv.cfg").read_text())
    (project / ".venv" / "lib").symlink_to(Path(sys.prefix) / "lib")
    found = subprocess.run([*command, "--write"], capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    assert codemod.MARK in (tmp_path / "plain.py").read_text()


def script(*arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    """The script as a user runs it."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], input=said, capture_output=True, text=True, timeout=60, check=False
    )


def test_nothing_is_written_before_the_user_says_so(tmp_path: Path) -> None:
    """The change is shown first; no, and no answer at all, leave the file alone; yes writes it; --remove undoes it."""
    file = tmp_path / "user_service" / "app.py"
    file.parent.mkdir()
    file.write_text(APPS["commented"])
    shown = script(str(tmp_path))
    assert shown.returncode == 1
    assert '+setup_tracing("user-service")' in shown.stdout
    assert script(str(tmp_path), said="n\n").returncode == 1
    assert file.read_text() == APPS["commented"]
    assert script(str(tmp_path), said="y\n").returncode == 0
    assert "instrument_fastapi(app)" in file.read_text()
    assert script(str(tmp_path), "--write").stdout == "Nothing to change.\n"
    assert script(str(tmp_path), "--remove", "--write").returncode == 0
    assert file.read_text() == APPS["commented"]


def test_what_cannot_be_done_has_an_exit_status(tmp_path: Path) -> None:
    """An app without a place is 1, a file that is no Python 2, a folder that is not there 2."""
    (tmp_path / "served.py").write_text(UNPLACED["argument"])
    told = script(str(tmp_path), "--write")
    assert (told.returncode, "served.py:3: not traced" in told.stderr) == (1, True)
    (tmp_path / "broken.py").write_text("def (:\n")
    assert script(str(tmp_path), "--write").returncode == 2
    assert script(str(tmp_path / "nowhere")).returncode == 2
