"""The command line from outside: a whole exchange of stand-in services on the real PostgreSQL and Valkey.

What the services themselves do is tested end to end elsewhere; here they only answer 200 and note what they were told.
"""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from typing import Any

import psutil
import pytest

import outcry
from outcry.catalogue import SERVICES, snake
from outcry.provision import run_sql
from shared.contracts.operations import AUDITOR
from tests.ports import free_port
from tests.servers import TestPostgres, TestValkey

TIMEOUT_S = 60.0
STAND_IN = """
import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

notes = Path(os.environ["NOTES"])
(notes / (os.environ["SERVICE_NAME"] + ".json")).write_text(json.dumps(dict(os.environ)))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.reply()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with (notes / "requests").open("a") as requests:
            requests.write(f"{self.path} {body}\\n")
        self.reply()

    def reply(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"token": "t"}')


ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


@dataclass(frozen=True)
class Project:
    """A project folder with stand-in services, and the command line run in it."""

    folder: Path
    env: dict[str, str]

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "outcry", *words]

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """One command to its end."""
        return subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.env | env,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def state(self) -> dict[str, Any]:
        """What the launcher last wrote."""
        path = self.folder / ".outcry" / "state.json"
        written: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return written

    def pids(self) -> dict[str, int]:
        return {entry["name"]: entry["pid"] for entry in self.state().get("processes", [])}

    def wait_for(self, phase: str) -> None:
        """Wait until the launcher is in that phase."""
        give_up_s = time.monotonic() + TIMEOUT_S
        while self.state().get("phase") != phase:
            assert time.monotonic() < give_up_s, f"never became {phase}: {self.state()}"
            time.sleep(0.05)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A fresh project on free ports; nothing of it runs on after the test."""
    (tmp_path / "outcry").symlink_to(Path(outcry.__file__).parent)
    for service in SERVICES:
        package = tmp_path / "services" / snake(service)
        package.mkdir(parents=True)
        (package / "__main__.py").write_text(STAND_IN)
    (tmp_path / "notes").mkdir()
    names = [f"{snake(service).upper()}_PORT" for service in SERVICES]
    ports = {name: str(free_port()) for name in [*names, "OUTCRY_POSTGRES_PORT", "OUTCRY_REDIS_PORT"]}
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    made = Project(
        tmp_path, kept | ports | {"NOTES": str(tmp_path / "notes"), "OTEL_TRACES_EXPORTER": "none", "OUTCRY_FIX": "0"}
    )
    yield made
    made.run("down")


def test_up_status_restart_down_reset(project: Project) -> None:
    """The life of an exchange: it starts, sets up the demo user once, heals, is looked at, stops and is deleted."""
    started = project.run("up", "--detach", "--bots", "0")
    assert started.returncode == 0, started.stdout + started.stderr
    assert "demo_user" in started.stdout
    requests = (project.folder / "notes" / "requests").read_text()
    assert [line.split()[0] for line in requests.splitlines()] == [
        "/auth/register",
        "/auth/login",
        "/wallet/create",
        "/wallet/add-funds",
        "/wallet/add-funds",
    ]
    assert project.run("status").returncode == 0
    again = project.run("up")
    assert again.returncode == 1
    assert "already running (pid " in again.stdout

    os.kill(project.pids()["wallet-service"], signal.SIGKILL)
    give_up_s = time.monotonic() + TIMEOUT_S
    while "wallet-service is back" not in project.run("logs", "outcry").stdout:
        assert time.monotonic() < give_up_s
        time.sleep(0.1)
    assert project.run("status").returncode == 0

    family = [psutil.Process(pid) for pid in project.pids().values()]
    assert project.run("down").returncode == 0
    assert [process for process in family if process.is_running()] == []
    assert project.run("status").returncode == 3
    assert project.run("up", "--detach", "--bots", "0").returncode == 0
    assert (project.folder / "notes" / "requests").read_text() == requests
    assert project.run("reset", "--yes").returncode == 0
    assert not (project.folder / ".outcry").exists()


def test_each_service_is_told_its_own_secrets_only(project: Project) -> None:
    """A service gets its own role, Valkey user and credential, hashes of the others, and only user-service the key."""
    assert project.run("up", "--detach", "--bots", "0", DATABASE_URL="").returncode == 0
    notes = {name: json.loads((project.folder / "notes" / f"{name}.json").read_text()) for name in SERVICES}
    for name, told in notes.items():
        assert told["DATABASE_URL"].startswith(f"postgresql://{snake(name)}:")
        assert told["REDIS_URL"].startswith(f"redis://{name}:")
        assert set(json.loads(told["SERVICE_KEYS"])) == {*SERVICES, AUDITOR}
        assert told["WALLET_SERVICE_URL"] == f"http://127.0.0.1:{project.env['WALLET_SERVICE_PORT']}"
        others = [other["SERVICE_SECRET"] for other_name, other in notes.items() if other_name != name]
        assert not any(secret in value for secret in others for value in told.values())
    for secret in ("JWT_PRIVATE_KEY_FILE", "ADMIN_PASSWORD"):
        assert [name for name, told in notes.items() if secret in told] == ["user-service"]
    written = "".join(path.read_text() for path in (project.folder / ".outcry" / "logs").iterdir())
    secrets = json.loads((project.folder / ".outcry" / "secrets" / "secrets.json").read_text())
    every = [secrets["postgres_superuser"], secrets["valkey_admin"], *secrets["postgres_roles"].values()]
    assert not any(secret in written for secret in every)


def test_existing_servers_are_used(project: Project, postgres_server: TestPostgres, valkey_server: TestValkey) -> None:
    """With DATABASE_URL and REDIS_URL set no server of our own starts; each service has its room there."""
    owner_url = postgres_server.database("somebody-else")
    admin_url = postgres_server.server.admin_url(owner_url.rsplit("/", 1)[1])
    redis_url = valkey_server.server.url()
    started = project.run("up", "--detach", "--bots", "0", DATABASE_URL=admin_url, REDIS_URL=redis_url)
    assert started.returncode == 0, started.stdout + started.stderr
    assert set(project.pids()) == set(SERVICES)
    told = json.loads((project.folder / "notes" / "reporting.json").read_text())
    assert told["REDIS_URL"] == redis_url
    assert run_sql(told["DATABASE_URL"], "SELECT current_schema();").strip() == "reporting"
    assert project.run("down").returncode == 0
    postgres_server.drop(owner_url)


def test_a_taken_port_stops_the_start_before_it_begins(project: Project) -> None:
    """With one port in use nothing is started at all, and the line names port, holder and variable."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", int(project.env["REPORTING_PORT"])))
        held.listen()
        refused = project.run("up")
    assert refused.returncode == 1
    assert f"port {project.env['REPORTING_PORT']} (reporting) is in use by pid {os.getpid()}" in refused.stdout
    assert "REPORTING_PORT=" in refused.stdout
    assert project.state() == {}


def test_a_wrong_setting_is_refused_with_status_2(project: Project) -> None:
    """A variable that cannot be used ends the command with status 2 and one line that opens with its name."""
    refused = project.run("up", MARKET_DATA_PORT="tomorrow")
    assert refused.returncode == 2
    assert refused.stderr.startswith("MARKET_DATA_PORT: ")
    assert len(refused.stderr.splitlines()) == 1


def test_ctrl_c_stops_everything(project: Project) -> None:
    """One Ctrl-C ends all children in order, with status 0."""
    with subprocess.Popen(
        project.command("up", "--bots", "0"), cwd=project.folder, env=project.env, stdout=subprocess.PIPE, text=True
    ) as launcher:
        project.wait_for("running")
        family = [psutil.Process(pid) for pid in project.pids().values()]
        launcher.send_signal(signal.SIGINT)
        output, _ = launcher.communicate(timeout=TIMEOUT_S)
    assert launcher.returncode == 0
    assert output.rstrip().endswith("Stopped.")
    assert [process for process in family if process.is_running()] == []


def test_a_closed_terminal_stops_everything(project: Project) -> None:
    """When the terminal dies under it the launcher still stops all children in order."""
    outside, inside = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        ioctl(inside, termios.TIOCSCTTY, 0)

    launcher = subprocess.Popen(
        project.command("up", "--bots", "0"),
        cwd=project.folder,
        env=project.env | {"TERM": "xterm"},
        stdin=inside,
        stdout=inside,
        stderr=inside,
        preexec_fn=take_terminal,
    )
    os.close(inside)
    os.set_blocking(outside, False)
    while project.state().get("phase") != "running":
        with suppress(BlockingIOError):
            os.read(outside, 65536)
        assert launcher.poll() is None
        time.sleep(0.05)
    family = [psutil.Process(pid) for pid in project.pids().values()]
    os.close(outside)
    assert launcher.wait(TIMEOUT_S) == 0
    assert [process for process in family if process.is_running()] == []
    assert project.state()["phase"] == "stopped"
