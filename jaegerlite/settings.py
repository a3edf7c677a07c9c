"""Where jaegerlite listens and keeps its data: options over `JAEGERLITE_*` variables over defaults."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All settings; each can be given as the variable `JAEGERLITE_` plus its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="JAEGERLITE_", extra="ignore")

    host: str = Field("127.0.0.1", description="address to listen on")
    query_port: int = Field(16686, ge=1, le=65535, description="port of the pages and the query API")
    otlp_http_port: int = Field(4318, ge=0, le=65535, description="port for OTLP over HTTP; 0 for none")
    data_dir: Path = Field(Path(".jaegerlite"), description="folder of the data, made if missing")
    ui_dir: Path | None = Field(None, description="folder of the built explorer; without it, a plain page")
    retention_hours: float = Field(168.0, gt=0, description="age at which spans are deleted")
    disk_bytes_max: int = Field(20_000_000_000, ge=50_000_000, description="size at which the oldest spans are deleted")
    memory_limit: str = Field("96MB", pattern=r"^\d+[KMG]B$", description="DuckDB's own share of memory")
    waiting_bytes_max: int = Field(
        32_000_000, ge=1_000_000, description="spans in memory before senders are told to wait"
    )
    body_bytes_max: int = Field(16_000_000, ge=1_000, description="largest request, unpacked")
    flush_interval_ms: int = Field(400, ge=20, le=5000, description="longest time that a span waits for the disk")
    alert_rules: Path | None = Field(None, description="file of alert rules; without it, the default rules")
    public_url: str = Field("", description="address of the explorer in notices; without it, host and query port")
