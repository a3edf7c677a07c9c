"""A deployed exchange without containers: Debian's PostgreSQL and Redis, the services as `deploy/compose.yaml` says.

Each process gets the command, the variables and the file of secrets that compose gives it, under an account that is not
root; only names of hosts become addresses of this machine.
"""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from outcry import catalogue, http, privileges
from outcry.process import ProcessSpec
from outcry.provision import run_sql
from shared.settings import ServiceSettings
from tests.ports import free_ports
from tests.servers import RunningProcess

PROJECT = Path(__file__).parent.parent
DEPLOY = PROJECT / "deploy"
DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
ADDRESS = re.compile(r"(?<=[/@])([a-z-]+):(\d+)(?=[/,]|$)")
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")

TRACING_VARIABLES = {
    *("JAEGER_HOST", "JAEGER_PORT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
    *("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "TRACING_RETROACTIVE"),
}
"""Those that `shared.tracing` reads, beside a service's settings."""

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def missing() -> str:
    """What of Debian's packages is not here; empty when all is."""
    packages = []
    if not any(DEBIAN_POSTGRES.glob("*/bin/postgres")):
        packages.append("postgresql")
    packages += [
        package
        for program, package in (("redis-server", "redis-server"), ("prometheus", "prometheus"))
        if shutil.which(program) is None
    ]
    return ", ".join(packages)


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """A value of the compose file with its variables replaced, or their defaults."""
    return VARIABLE.sub(lambda found: variables.get(found[1]) or found[2] or "", text).replace("$$", "$")


class Deployed:
    """The parts of a deployed exchange in one folder, started one by one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = privileges.system_user()
        self.addresses: dict[str, str] = {}
        """Host and port in compose -> on this machine."""
        self.running: dict[str, RunningProcess] = {}
        folder.chmod(0o755)

    def port(self, host: str, port: int) -> int:
        """The port on this machine of a compose service."""
        name = f"{host}:{port}"
        if name not in self.addresses:
            self.addresses[name] = f"127.0.0.1:{free_ports(1)[0]}"
        return int(self.addresses[name].partition(":")[2])

    def translated(self, text: str) -> str:
        """Every `host:port` of compose in a text, as it is here."""

        def here(found: re.Match[str]) -> str:
            return f"127.0.0.1:{self.port(found[1], int(found[2]))}" if found[1] in SERVICES else found[0]

        return ADDRESS.sub(here, text)

    def secrets(self) -> None:
        """`outcry secrets`, as an operator runs it."""
        self.command({}, "secrets", str(self.folder / "secrets"))

    def secret(self, name: str) -> dict[str, str]:
        """The variables of one of the files that `outcry secrets` wrote."""
        lines = (self.folder / "secrets" / f"{name}.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def environment(self, service: str, **more: str) -> dict[str, str]:
        """The variables of a service: what compose says, then its file of secrets, then ``more``."""
        told = SERVICES[service].get("environment", {})
        variables = {name: interpolated(str(value), {}) for name, value in told.items()}
        for file in SERVICES[service].get("env_file", []):
            variables |= self.secret(Path(file["path"]).stem)
        inherited = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "OTEL_SDK_DISABLED": "true"}
        return inherited | {name: self.translated(value) for name, value in variables.items()} | more

    def command(self, environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        """An `outcry` command to its end; AssertionError with what it said when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "outcry", *arguments],
            cwd=PROJECT,
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def create_database(self) -> None:
        """What the image of PostgreSQL does at its first start."""
        url = self.environment("init")["DATABASE_URL"]
        server, _, name = url.rpartition("/")
        run_sql(f"{server}/postgres", f'CREATE DATABASE "{name}";')

    def init(self) -> None:
        """Compose's `init`."""
        self.command(self.environment("init"), *SERVICES["init"]["command"][1:])

    def spec(self, service: str, name: str = "", **more: str) -> ProcessSpec:
        """A service as a process: compose's command and variables, its own port."""
        port = self.port(name or service, port_of(service))
        program, *arguments = SERVICES[service]["command"]
        module = ["-m", "outcry"] if program == "outcry" else []

        async def ready(_pid: int) -> bool:
            path = "/metrics" if service == "auditor" else "/ready"
            try:
                return (await http.request("GET", f"http://127.0.0.1:{port}{path}", timeout_s=5))[0] == 200
            except OSError:
                return False

        return ProcessSpec(
            name=name or service,
            argv=(sys.executable, *module, *arguments),
            env=self.environment(service, PORT=str(port), HOST="127.0.0.1", **more),
            ready=ready,
            port=port,
            stop_timeout_s=10,
            system_user=self.user,
            cwd=PROJECT,
        )

    def start(self, spec: ProcessSpec) -> RunningProcess:
        """Start a process and wait until it is ready."""
        self.running[spec.name] = RunningProcess(spec, self.folder / f"{spec.name}.log")
        return self.running[spec.name]

    def start_all(self, specs: list[ProcessSpec]) -> None:
        """Start several at once, then wait until all are ready."""
        started = [RunningProcess(spec, self.folder / f"{spec.name}.log", wait=False) for spec in specs]
        self.running |= {one.spec.name: one for one in started}
        for one in started:
            one.wait_ready()

    def stop(self) -> None:
        """Stop everything, the last that was started first."""
        for name in reversed(self.running):
            self.running[name].stop()

    def audit(self) -> dict[str, Any]:
        """`outcry audit` with the auditor's own role and credential."""
        environment = self.environment("auditor")
        done = subprocess.run(
            [sys.executable, "-m", "outcry", "audit", "--deployed", "--json", "--wait", "60"],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    # The servers, as Debian has them

    def postgres(self) -> ProcessSpec:
        """Debian's PostgreSQL with the superuser's password of the secrets."""
        programs = sorted(DEBIAN_POSTGRES.glob("*/bin"))[-1]
        variables = self.secret("postgres")
        data, port = self.folder / "postgres", self.port("postgres", 5432)
        data.mkdir()
        password_file = self.folder / "password"
        password_file.write_text(variables["POSTGRES_PASSWORD"])
        if self.user:
            shutil.chown(data, self.user)
            shutil.chown(password_file, self.user)
        initdb = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", f"--pwfile={password_file}", "-N"]
        subprocess.run([*initdb, "--auth=scram-sha-256", "-E", "UTF8"], check=True, capture_output=True, user=self.user)
        settings = {"port": str(port), "unix_socket_directories": "", "fsync": "off", "max_connections": "200"}

        async def ready(_pid: int) -> bool:
            return (data / "postmaster.pid").exists() and "ready" in (data / "postmaster.pid").read_text()

        return ProcessSpec(
            name="postgres",
            argv=(str(programs / "postgres"), "-D", str(data), *(f"--{k}={v}" for k, v in settings.items())),
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            ready=ready,
            port=port,
            stop_timeout_s=15,
            system_user=self.user,
            cwd=data,
        )

    def redis(self) -> ProcessSpec:
        """Debian's Redis with the users that compose gives to Valkey."""
        variables = self.secret("valkey")
        port = self.port("valkey", 6379)
        (self.folder / "users.acl").write_text(variables["VALKEY_USERS"].replace(";", "\n") + "\n")
        options = {"aclfile": self.folder / "users.acl", "port": port, "bind": "127.0.0.1", "appendonly": "no"}

        async def ready(_pid: int) -> bool:
            try:
                await http.request("GET", f"http://127.0.0.1:{port}/", timeout_s=2)
            except ConnectionRefusedError:
                return False
            except OSError:  # it hangs up on HTTP, and so is there
                return True
            return True

        return ProcessSpec(
            name="valkey",
            argv=("redis-server", *(text for k, v in options.items() for text in (f"--{k}", str(v))), "--save", ""),
            env={"PATH": os.environ["PATH"]},
            ready=ready,
            port=port,
            cwd=self.folder,
        )


def port_of(service: str) -> int:
    """The port on which a compose service listens, as its own health check says."""
    url = SERVICES[service]["healthcheck"]["test"][-1]
    return int(re.findall(r":(\d+)/", url)[0])


def settings_of(service: str) -> type[ServiceSettings]:
    """The settings class that a service's ``__main__`` loads."""
    package = f"services.{catalogue.snake(service)}"
    source = (Path(importlib.import_module(package).__path__[0]) / "__main__.py").read_text()
    found = re.search(r"load\((\w+)\)", source)
    assert found is not None
    module = importlib.import_module("shared.settings" if found[1] == "ServiceSettings" else f"{package}.settings")
    kind: type[ServiceSettings] = getattr(module, found[1])
    return kind
