"""A deployed exchange without containers: Debian's PostgreSQL and Redis, the services as `deploy/compose.yaml` says.

Each process gets the command, the variables and the file of secrets that compose gives it, under an account that is not
root; only names of hosts become addresses of this machine.
"""

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
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


def postgres_program(name: str) -> str:
    """Debian's newest PostgreSQL's program of that name."""
    return str(sorted(DEBIAN_POSTGRES.glob(f"*/bin/{name}"))[-1])


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
        chosen = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaegerlite:4318"}  # JAEGER_PORT's number would name a protocol
        variables = {name: interpolated(str(value), chosen) for name, value in told.items()}
        for file in SERVICES[service].get("env_file", []):
            variables |= self.secret(Path(file["path"]).stem)
        inherited = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "LEDGER_CHECKED_EVERY_S": "1"}
        here = {name: self.translated(value) for name, value in variables.items()}
        if "ORDER_MANAGER_URL" in here:  # room for a second one, while one takes over from the other
            here["ORDER_MANAGER_URL"] += f",http://127.0.0.1:{self.port('order-manager-2', 8426)}"
        return inherited | here | more

    def command(
        self, environment: Mapping[str, str], *arguments: str, project: Path = PROJECT
    ) -> subprocess.CompletedProcess[str]:
        """An `outcry` command to its end; AssertionError with what it said when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "outcry", *arguments],
            cwd=project,
            env={"PATH": os.environ["PATH"], **environment, "PYTHONPATH": str(project)},
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

    def init(self, project: Path = PROJECT) -> None:
        """Compose's `init`."""
        self.command(self.environment("init"), *SERVICES["init"]["command"][1:], project=project)

    def jaegerlite(self) -> ProcessSpec:
        """Compose's jaegerlite, with only the ports that are asked of it."""
        data = self.folder / "traces"
        data.mkdir()
        if self.user:
            shutil.chown(data, self.user)
        wanted = {"JAEGERLITE_QUERY_PORT": 16686, "JAEGERLITE_OTLP_HTTP_PORT": 4318}
        ports = {name: str(self.port("jaegerlite", port)) for name, port in wanted.items()}
        unused = ("OTLP_GRPC", "JAEGER_COMPACT", "JAEGER_BINARY", "JAEGER_HTTP", "ZIPKIN", "SAMPLING")
        ports |= {f"JAEGERLITE_{name}_PORT": "0" for name in unused}
        return self.spec("jaegerlite", "", PROJECT, JAEGERLITE_DATA_DIR=str(data), **ports)

    def fix_gateway(self) -> ProcessSpec:
        """Compose's FIX gateway, its sessions in a folder of its own."""
        store = self.folder / "fix"
        store.mkdir()
        if self.user:
            shutil.chown(store, self.user)
        return self.spec(catalogue.FIX, FIX_STORE=str(store), FIX_PORT=str(self.port(catalogue.FIX, 9878)))

    def spec(self, service: str, name: str = "", project: Path = PROJECT, **more: str) -> ProcessSpec:
        """A service as a process: compose's command and variables, its own port, the code of ``project``."""
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
            env=self.environment(service, PORT=str(port), HOST="127.0.0.1", PYTHONPATH=str(project), **more),
            ready=ready,
            port=port,
            stop_timeout_s=10,
            system_user=self.user,
            cwd=project,
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
        """Stop everything: all that have a server, together, then the servers."""
        servers = [name for name in self.running if name not in SERVICES or name in ("postgres", "valkey")]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: self.running[name].stop(), set(self.running) - set(servers)))
            list(pool.map(lambda name: self.running[name].stop(), servers))

    def audit(self, **more: str) -> dict[str, Any]:
        """`outcry audit` with the auditor's own role and credential."""
        wait_s = more.pop("wait_s", "60")
        environment = self.environment("auditor", **more)
        done = subprocess.run(
            [sys.executable, "-m", "outcry", "audit", "--deployed", "--json", "--wait", wait_s],
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

    def new_postgres(self) -> ProcessSpec:
        """Debian's PostgreSQL with the superuser's password of the secrets, in a new folder."""
        data = self.folder / "postgres"
        data.mkdir()
        password_file = self.folder / "password"
        password_file.write_text(self.secret("postgres")["POSTGRES_PASSWORD"])
        if self.user:
            shutil.chown(data, self.user)
            shutil.chown(password_file, self.user)
        initdb = [postgres_program("initdb"), "-D", str(data), "-U", "postgres", f"--pwfile={password_file}", "-N"]
        subprocess.run([*initdb, "--auth=scram-sha-256", "-E", "UTF8"], check=True, capture_output=True, user=self.user)
        return self.postgres(data, self.port("postgres", 5432))

    def postgres(self, data: Path, port: int) -> ProcessSpec:
        """Debian's PostgreSQL on a folder that is there."""
        settings = {"port": str(port), "unix_socket_directories": "", "fsync": "off", "max_connections": "200"}

        async def ready(_pid: int) -> bool:
            lines = data / "postmaster.pid"
            return lines.exists() and "ready" in lines.read_text()

        return ProcessSpec(
            name=data.name,
            argv=(postgres_program("postgres"), "-D", str(data), *(f"--{k}={v}" for k, v in settings.items())),
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            ready=ready,
            port=port,
            stop_timeout_s=15,
            stop_signal=signal.SIGINT,
            system_user=self.user,
            cwd=data,
        )

    def redis(self) -> ProcessSpec:
        """Debian's Redis with the users that compose gives to Valkey."""
        port = self.port("valkey", 6379)
        (self.folder / "users.acl").write_text(self.secret("valkey")["VALKEY_USERS"].replace(";", "\n") + "\n")
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


def prometheus(exchange: Deployed) -> ProcessSpec:
    """Debian's Prometheus with `deploy/prometheus`, asking every other second, of what runs here."""
    folder, port = exchange.folder / "prometheus", exchange.port("prometheus", 9090)
    shutil.copytree(DEPLOY / "prometheus", folder)
    settings = yaml.safe_load((folder / "prometheus.yml").read_text())
    settings["global"] = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), "2s")
    jobs = {job["job_name"]: job for job in settings["scrape_configs"]}
    for scraped in jobs["outcry"]["static_configs"]:
        scraped["targets"] = [exchange.translated(f"//{target}").removeprefix("//") for target in scraped["targets"]]
    for job in ("jaegerlite", "fix-gateway"):
        found = jobs[job].pop("dns_sd_configs")[0]
        here = [exchange.addresses[f"{name}:{found['port']}"] for name in found["names"] if name in exchange.running]
        jobs[job]["static_configs"] = [{"targets": here}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))

    async def ready(_pid: int) -> bool:
        try:
            return (await http.request("GET", f"http://127.0.0.1:{port}/-/ready", timeout_s=5))[0] == 200
        except OSError:
            return False

    options = [
        *(f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={exchange.folder / 'tsdb'}"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage"),
    ]
    environment = {"PATH": os.environ["PATH"]}
    return ProcessSpec(name="prometheus", argv=("prometheus", *options), env=environment, ready=ready, port=port)


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
