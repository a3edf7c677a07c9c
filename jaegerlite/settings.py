"""Where jaegerlite listens and keeps its data: options over `JAEGERLITE_*` variables over defaults."""

import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=0, le=65535)]
TENANTS_FOLDER: Final = "tenants"
TENANT_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Settings(BaseSettings):
    """All settings; each can be given as the variable `JAEGERLITE_` plus its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="JAEGERLITE_", extra="ignore")

    host: str = Field("127.0.0.1", description="address to listen on")
    query_port: int = Field(16686, ge=1, le=65535, description="port of the pages and the query API")
    otlp_grpc_port: Port = Field(4317, description="port for OTLP over gRPC; 0 for none, as with the ports below")
    otlp_http_port: Port = Field(4318, description="port for OTLP over HTTP")
    jaeger_compact_port: Port = Field(6831, description="UDP port for Jaeger's compact Thrift")
    jaeger_binary_port: Port = Field(6832, description="UDP port for Jaeger's binary Thrift")
    jaeger_http_port: Port = Field(14268, description="port for Jaeger's Thrift over HTTP")
    zipkin_port: Port = Field(9411, description="port for Zipkin's JSON")
    sampling_port: Port = Field(5778, description="port where senders ask how much to sample")
    udp_host: str = Field("127.0.0.1", description="address of the UDP ports, which know neither TLS nor access")

    tls_cert_file: Path | None = Field(None, description="certificate of all TCP ports, PEM; without it, no TLS")
    tls_key_file: Path | None = Field(None, description="private key of the certificate, PEM")
    access_file: Path | None = Field(None, description="tokens, users and roles, TOML; without it, everybody is admin")
    tenants: str = Field("", description="names of tenants, with commas; spans and requests then name theirs")
    tenant_header: str = Field("x-tenant", description="HTTP header or gRPC metadata that names the tenant")

    sampling_file: Path | None = Field(None, description="sampling strategies, as Jaeger's strategies.json")
    sampling_target_per_s: float = Field(
        0.0, ge=0, description="adaptive sampling: traces wanted per second of each operation; 0 for none"
    )
    sampling_interval_s: float = Field(60.0, gt=0, description="how often adaptive sampling judges")

    data_dir: Path = Field(Path(".jaegerlite"), description="folder of the data, made if missing")
    backup_dir: Path | None = Field(None, description="folder of copies of the store; by default, in that of the data")
    ui_dir: Path | None = Field(None, description="folder of the built explorer; without it, a plain page")
    retention_hours: float = Field(168.0, gt=0, description="age at which spans are deleted")
    disk_bytes_max: int = Field(20_000_000_000, ge=50_000_000, description="size at which the oldest spans are deleted")
    memory_limit: str = Field("96MB", pattern=r"^\d+[KMG]B$", description="DuckDB's own share of memory")
    waiting_bytes_max: int = Field(
        32_000_000, ge=1_000_000, description="spans in memory before senders are told to wait"
    )
    body_bytes_max: int = Field(16_000_000, ge=1_000, description="largest request, unpacked")
    query_seconds_max: float = Field(15.0, gt=0, description="longest time of one query")
    query_spans_max: int = Field(150_000, ge=1_000, description="most spans that one query may read in full")
    answer_bytes_max: int = Field(200_000_000, ge=1_000_000, description="largest answer of a query")
    flush_interval_ms: int = Field(700, ge=20, le=5000, description="longest time that a span waits for the disk")
    alert_rules: Path | None = Field(None, description="file of alert rules; without it, the default rules")
    public_url: str = Field("", description="address of the explorer in notices; without it, host and query port")

    @property
    def tenant_names(self) -> tuple[str, ...]:
        """The names of the tenants; none where everybody shares one store."""
        return tuple(name.strip() for name in self.tenants.split(",") if name.strip())

    @property
    def folder_of_backups(self) -> Path:
        """Where copies of the store go."""
        return self.backup_dir or self.data_dir / "backups"

    def folder_of(self, tenant: str) -> Path:
        """Where the store of a tenant is; of everybody, if the name is empty."""
        return self.data_dir / TENANTS_FOLDER / tenant if tenant else self.data_dir

    @field_validator("tenants")
    @classmethod
    def _names(cls, text: str) -> str:
        for name in (part.strip() for part in text.split(",")):
            if name and not TENANT_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name: letters, digits, - and _, at most 64")
        return text

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "Settings":
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("JAEGERLITE_TLS_CERT_FILE and JAEGERLITE_TLS_KEY_FILE go together")
        return self
