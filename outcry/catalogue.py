"""What the exchange consists of: its nine services, and what each of them is told about the others."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from outcry import http
from outcry.credentials import ADMIN_USERNAME as ADMIN
from outcry.credentials import Credentials
from outcry.home import Home
from outcry.postgres import EmbeddedPostgres
from outcry.process import ProcessSpec
from outcry.provision import role_url
from outcry.settings import Settings
from outcry.valkey import EmbeddedValkey

GATEWAY = "client-gateway"
SERVICES = (
    GATEWAY,
    "user-service",
    "wallet-service",
    "risk-manager",
    "order-manager",
    "matching-engine",
    "market-data",
    "reporting",
    "notification",
)
FIX = "fix-gateway"
# The order of the end: who makes work goes first, who takes the last spans comes after all who make them.
STOP_ORDER = (("bots",), (FIX,), (GATEWAY,), SERVICES[1:], ("jaegerlite",), ("valkey",), ("postgres",))
STANDBY = "-standby"
WITHOUT_HTTP = ("bots", "valkey", "postgres")
PROJECT = Path(__file__).absolute().parent.parent
# Secrets of the launcher's own environment that no child needs to see.
NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "SERVICE_SECRET", "SERVICE_KEYS", "ADMIN_PASSWORD", "SMTP_PASSWORD")


def snake(service: str) -> str:
    """The service's name as Python and SQL write it: "wallet-service" is wallet_service."""
    return service.replace("-", "_")


def service_url(settings: Settings, service: str) -> str:
    """Where the service answers.

    With a comma between the addresses where one of two processes leads, with semicolons between those of shards.
    """
    ports, standby = settings.ports_of(service), settings.standby_ports_of(service)
    pairs = zip(ports, standby, strict=True) if standby else [(port,) for port in ports]
    return ";".join(",".join(map(_local_url, pair)) for pair in pairs)


def embedded_postgres(settings: Settings, home: Home, credentials: Credentials) -> EmbeddedPostgres | None:
    """Our own PostgreSQL, unless the settings name an existing one."""
    if settings.database_url is not None:
        return None
    return EmbeddedPostgres(home.folder / "postgres", settings.outcry_postgres_port, credentials.postgres_superuser)


def embedded_valkey(settings: Settings, home: Home, credentials: Credentials) -> EmbeddedValkey | None:
    """Our own Valkey, unless the settings name an existing one."""
    if settings.redis_url is not None:
        return None
    return EmbeddedValkey(
        home.folder / "valkey", settings.outcry_redis_port, credentials.valkey_admin, credentials.valkey_users
    )


def jaegerlite(settings: Settings, home: Home) -> ProcessSpec:
    """The embedded trace backend."""
    query_url = f"http://127.0.0.1:{settings.jaegerlite_query_port}"
    environment = {
        "JAEGERLITE_HOST": "127.0.0.1",
        **{variable: str(port) for variable, port in settings.jaegerlite_ports.items()},
        "JAEGERLITE_DATA_DIR": str(home.folder / "jaegerlite"),
        "JAEGERLITE_UI_DIR": str(PROJECT / "web" / "dist"),
    }
    return _python(
        "jaegerlite", "jaegerlite", inherited() | environment, port=settings.jaegerlite_query_port, url=query_url
    )


def services(
    settings: Settings, credentials: Credentials, database_url: str, redis_urls: Mapping[str, str]
) -> list[ProcessSpec]:
    """The nine services, all their processes. `database_url` is an administrator's: each gets that of its own role."""
    return [
        _python(
            part.process,
            f"services.{snake(part.service)}",
            _environment(settings, credentials, part.service)
            | {
                "PORT": str(part.port),
                "SHARD": str(part.shard),
                "DATABASE_URL": role_url(database_url, snake(part.service), credentials.postgres_roles[part.service]),
                "REDIS_URL": redis_urls[part.service],
            },
            port=part.port,
            url=_local_url(part.port),
        )
        for part in parts(settings)
    ]


def has_fix(settings: Settings) -> bool:
    """Whether the FIX gateway runs: its engine is installed, and nobody turned it off."""
    return settings.outcry_fix and find_spec("quickfix") is not None


def fix_gateway(settings: Settings, home: Home, redis_url: str) -> ProcessSpec:
    """The FIX gateway: a client of the gateway, with no credential of a service and no room in the database."""
    environment = inherited() | _tracing(settings)
    environment |= {
        "SERVICE_NAME": FIX,
        "HOST": "127.0.0.1",
        "PORT": str(settings.fix_gateway_port),
        "FIX_PORT": str(settings.fix_port),
        "FIX_STORE": str(home.folder / "fix"),
        "CLIENT_GATEWAY_URL": service_url(settings, GATEWAY),
        "MATCHING_ENGINE_SHARDS": "*",  # it calls no engine, however many there are
        "REDIS_URL": redis_url,
    }
    url = _local_url(settings.fix_gateway_port)
    return _python(FIX, "services.fix_gateway", environment, port=settings.fix_gateway_port, url=url)


@dataclass(frozen=True)
class Part:
    """A process of a service."""

    process: str
    service: str
    port: int
    shard: int

    @property
    def is_standby(self) -> bool:
        return self.process.endswith(STANDBY)


def parts(settings: Settings) -> list[Part]:
    """What runs of the services. Each shard is a process, and each standby is one more."""
    return [
        Part(service + (f"-{shard}" if shard else "") + suffix, service, port, shard)
        for suffix, ports_of in (("", settings.ports_of), (STANDBY, settings.standby_ports_of))
        for service in SERVICES
        for shard, port in enumerate(ports_of(service))
    ]


def bots(settings: Settings, count: int) -> ProcessSpec:
    """The market makers and takers: a client like any other, it knows the public address and nothing else."""
    environment = inherited() | {"CLIENT_GATEWAY_URL": service_url(settings, GATEWAY)}

    async def at_once(_pid: int) -> bool:
        return True

    return ProcessSpec(
        name="bots",
        argv=(sys.executable, "-m", "outcry", "bots", "--count", str(count)),
        env=environment | {"OUTCRY_HOME": str(settings.outcry_home)},
        ready=at_once,
        cwd=PROJECT,
    )


def _environment(settings: Settings, credentials: Credentials, service: str) -> dict[str, str]:
    environment = inherited() | {
        "SERVICE_NAME": service,
        "SERVICE_SECRET": credentials.services[service],
        "SERVICE_KEYS": credentials.service_keys,
        "MATCHING_ENGINE_SHARDS": settings.matching_engine_shards,
        "HOST": settings.outcry_host if service == GATEWAY else "127.0.0.1",
        "JWT_PUBLIC_KEY_FILE": str(credentials.public_key_file),
        "FAULTS_FILE": str(Home(settings.outcry_home).faults_file),
    }
    environment |= {f"{snake(other).upper()}_URL": service_url(settings, other) for other in SERVICES}
    if service == "user-service":
        environment["JWT_PRIVATE_KEY_FILE"] = str(credentials.signing_key_file)
        environment |= _administrator(credentials)
    if service == "notification":
        environment = _deliveries(settings) | environment
    if service == GATEWAY and settings.embedded_tracing:
        port = settings.jaegerlite_query_port
        backend = {"TRACE_BACKEND_URL": f"http://127.0.0.1:{port}", "TRACE_EXPLORER_URL": f"http://localhost:{port}"}
        environment = backend | environment
    return environment | _tracing(settings)


def _tracing(settings: Settings) -> dict[str, str]:
    """Where spans go to."""
    if not settings.embedded_tracing:
        return {}
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{settings.jaegerlite_otlp_http_port}"}


def _deliveries(settings: Settings) -> dict[str, str]:
    """Where notification may send to. Who can reach the gateway only from this machine may try webhooks on it, too."""
    local = settings.outcry_host in ("127.0.0.1", "::1", "localhost")
    return {
        "WEBHOOK_TARGETS": "loopback" if local else "public",
        "SMTP_PASSWORD": os.environ.get("SMTP_PASSWORD", ""),
    }


def _administrator(credentials: Credentials) -> dict[str, str]:
    """Who is made administrator: whom the launcher's environment names, else one with a password of our own."""
    named = {name: os.environ.get(name, "") for name in ("ADMIN_USERNAME", "ADMIN_PASSWORD")}
    return named if any(named.values()) else {"ADMIN_USERNAME": ADMIN, "ADMIN_PASSWORD": credentials.exchange_admin}


def _local_url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def inherited() -> dict[str, str]:
    """The user's own environment, so that every variable of a service can be set on the command line."""
    kept = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    # A few threads each would otherwise claim an arena of their own: memory that is never given back.
    return {"MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"} | kept


def _python(name: str, module: str, environment: dict[str, str], port: int, url: str) -> ProcessSpec:
    async def ready(_pid: int) -> bool:
        return await http.is_ready(url)

    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-m", module),
        env=environment,
        ready=ready,
        port=port,
        stop_timeout_s=8.0,
        cwd=PROJECT,
    )
