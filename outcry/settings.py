"""What the launcher is told from outside: typed environment variables, each refused by its name when it is wrong."""

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import (
    AnyUrl,
    BeforeValidator,
    Field,
    RedisDsn,
    UrlConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.shards import Shards

PostgresUrl = Annotated[AnyUrl, UrlConstraints(allowed_schemes=["postgres", "postgresql"])]
Port = Annotated[int, Field(ge=1, le=65535)]
Ports = Annotated[tuple[Port, ...], NoDecode, BeforeValidator(lambda text: str(text).split(",") if text else ())]
PortOrNone = Annotated[int, Field(ge=0, le=65535)]
BOTS_MAX = 50
ENGINE_PORT = 8792
SHARD_STEP = 10
"""How far apart the ports of shards are, unless told otherwise."""


class WrongSettingsError(Exception):
    """Some variables cannot be used. The text has one line for each, which opens with its name."""


class Settings(BaseSettings):
    """Where things listen, where they are kept, and which existing servers to use instead of the embedded ones.

    Each field is the environment variable of the same name in capitals. An address that is given here may hold a
    password, so no error ever repeats one.
    """

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    outcry_home: Path = Field(Path(".outcry"), description="folder of all data, logs and secrets")
    outcry_host: str = Field("127.0.0.1", description="where the gateway listens; all else stays on 127.0.0.1")
    outcry_start_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 90.0

    client_gateway_port: Port = 8347
    user_service_port: Port = 8975
    wallet_service_port: Port = 8651
    risk_manager_port: Port = 8539
    order_manager_port: Port = 8426
    matching_engine_shards: str = Field("*", description="symbols by engine, such as AAPL,MSFT;*")
    matching_engine_port: Ports = Field((), validate_default=True, description="one per shard, with commas between")
    matching_engine_standby_port: Ports | None = Field(None, description="given: second engines wait there")
    market_data_port: Port = 8864
    reporting_port: Port = 9127
    notification_port: Port = 9243
    outcry_fix: bool = Field(True, description="whether the FIX gateway runs where its engine is installed")
    fix_port: Port = Field(9878, description="FIX; the other one is for health and figures")
    fix_gateway_port: Port = 9879
    outcry_postgres_port: Port = 8543
    outcry_redis_port: Port = 8637
    jaegerlite_query_port: Port = 16686
    jaegerlite_otlp_http_port: Port = 4318
    jaegerlite_otlp_grpc_port: PortOrNone = 4317
    jaegerlite_jaeger_compact_port: PortOrNone = Field(6831, description="UDP")
    jaegerlite_jaeger_binary_port: PortOrNone = Field(6832, description="UDP")
    jaegerlite_jaeger_http_port: PortOrNone = 14268
    jaegerlite_zipkin_port: PortOrNone = 9411
    jaegerlite_sampling_port: PortOrNone = 5778

    database_url: PostgresUrl | None = Field(None, description="an administrator's address of an existing PostgreSQL")
    redis_url: RedisDsn | None = Field(None, description="an existing Valkey or Redis")
    jaeger_host: str | None = Field(None, description="an existing Jaeger; JAEGER_PORT tells the protocol")
    jaeger_port: Port | None = None
    otel_exporter_otlp_endpoint: str | None = None
    otel_exporter_otlp_traces_endpoint: str | None = None
    otel_traces_exporter: str | None = None
    otel_sdk_disabled: bool = False

    @field_validator("outcry_home")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().resolve()

    @field_validator("matching_engine_shards")
    @classmethod
    def _shards(cls, text: str) -> str:
        return Shards(text).text

    @field_validator("matching_engine_port", "matching_engine_standby_port")
    @classmethod
    def _one_for_each_shard(cls, ports: tuple[int, ...] | None, info: ValidationInfo) -> tuple[int, ...] | None:
        count = Shards(info.data.get("matching_engine_shards", "*")).count
        if ports == ():
            return tuple(ENGINE_PORT + SHARD_STEP * shard for shard in range(count))
        if ports is not None and len(ports) != count:
            raise ValueError(f"as many ports as MATCHING_ENGINE_SHARDS has shards ({count}), with commas between")
        return ports

    @property
    def shards(self) -> Shards:
        """Which engine trades which symbol."""
        return Shards(self.matching_engine_shards)

    @property
    def embedded_tracing(self) -> bool:
        """Whether jaegerlite is to run: nothing else was named to send the spans to."""
        elsewhere = (self.jaeger_host, self.otel_exporter_otlp_endpoint, self.otel_exporter_otlp_traces_endpoint)
        return not any(elsewhere) and not self.otel_sdk_disabled and self.otel_traces_exporter in (None, "otlp")

    @property
    def jaegerlite_ports(self) -> dict[str, int]:
        """The ports that jaegerlite listens on, by their variables; 0 for one that is switched off."""
        names = (name for name in type(self).model_fields if name.startswith("jaegerlite_") and name.endswith("_port"))
        return {name.upper(): getattr(self, name) for name in names}

    def ports_of(self, service: str) -> tuple[int, ...]:
        """The ports of a service by its name ("wallet-service"): one, or that of each shard."""
        ports: int | tuple[int, ...] = getattr(self, f"{service.replace('-', '_')}_port")
        return (ports,) if isinstance(ports, int) else ports

    def standby_ports_of(self, service: str) -> tuple[int, ...]:
        """The ports of second processes, which wait to take over; empty where there is to be none."""
        ports: tuple[int, ...] | None = getattr(self, f"{service.replace('-', '_')}_standby_port", None)
        return ports or ()


S = TypeVar("S", bound=BaseSettings)


def read(kind: type[S]) -> S:
    """Settings of this kind from the environment. Raises WrongSettingsError that names each variable in question."""
    try:
        return kind()
    except ValidationError as error:
        lines = [f"{'_'.join(map(str, problem['loc'][:1])).upper()}: {problem['msg']}" for problem in error.errors()]
        raise WrongSettingsError("\n".join(lines)) from None


def load() -> Settings:
    """The launcher's settings. Raises WrongSettingsError that names each variable in question."""
    settings = read(Settings)
    twice = _ports_given_twice(settings)
    if twice:
        raise WrongSettingsError("\n".join(twice))
    return settings


def _ports_given_twice(settings: Settings) -> list[str]:
    first: dict[int, str] = {}
    problems = []
    for name in Settings.model_fields:
        ports = getattr(settings, name)
        if not name.endswith("_port") or name == "jaeger_port" or not ports:  # none, or switched off
            continue
        for port in ports if isinstance(ports, tuple) else (ports,):
            if port in first:
                problems.append(f"{name.upper()}: {port} is also {first[port].upper()}; give one of them another port")
            first.setdefault(port, name)
    return problems
