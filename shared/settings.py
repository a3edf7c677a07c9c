"""What a service is told from outside: typed, from environment variables, refused by name when wrong."""

import sys
from pathlib import Path
from typing import Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.contracts import operations
from shared.fault_file import FaultFileError, read_flags
from shared.shards import Shards

DEFAULT_PORTS = {
    operations.GATEWAY: 8347,
    operations.USERS: 8975,
    operations.WALLET: 8651,
    operations.RISK: 8539,
    operations.ORDERS: 8426,
    operations.ENGINE: 8792,
    operations.MARKET: 8864,
    operations.REPORTING: 9127,
    operations.NOTIFICATION: 9243,
}
"""Where each service listens unless told otherwise."""


def _url(service: str) -> str:
    return f"http://127.0.0.1:{DEFAULT_PORTS[service]}"


class ServiceSettings(BaseSettings):
    """Settings that every service has. Each is the environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65535, description="0: the service's own default port")
    database_url: SecretStr = SecretStr("")
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    service_secret: SecretStr = Field(SecretStr(""), description="this service's own credential")
    service_keys: dict[str, str] = Field({}, description="service name -> SHA-256 (hex) of its credential, as JSON")
    database_pool_max: int = Field(4, ge=1, le=100)
    faults_file: Path | None = Field(None, description="which faults are on (docs/lessons); none: there are no faults")

    user_service_url: str = _url(operations.USERS)
    wallet_service_url: str = _url(operations.WALLET)
    risk_manager_url: str = _url(operations.RISK)
    order_manager_url: str = _url(operations.ORDERS)
    matching_engine_url: str = _url(operations.ENGINE)
    market_data_url: str = _url(operations.MARKET)
    reporting_url: str = _url(operations.REPORTING)
    notification_url: str = _url(operations.NOTIFICATION)
    client_gateway_url: str = _url(operations.GATEWAY)

    matching_engine_shards: str = Field("*", description="symbols by engine, such as AAPL,MSFT;*; see ARCHITECTURE.md")

    @field_validator("faults_file")
    @classmethod
    def _known_faults(cls, path: Path | None) -> Path | None:
        if path is not None:
            try:
                read_flags(path)
            except FaultFileError as error:
                raise ValueError(str(error)) from error
        return path

    @field_validator("matching_engine_shards")
    @classmethod
    def _shards(cls, text: str) -> str:
        return Shards(text).text

    @model_validator(mode="after")
    def _each_shard_has_an_address(self) -> Self:
        addresses = self.matching_engine_url.count(";") + 1
        if addresses != self.shards.count:
            raise ValueError(
                f"MATCHING_ENGINE_URL: {addresses} addresses for {self.shards.count} shards; part them by semicolons"
            )
        return self

    @property
    def shards(self) -> Shards:
        """Which engine trades which symbol."""
        return Shards(self.matching_engine_shards)

    def url_of(self, service: str) -> str:
        """Base URL of a service by its name ("wallet-service"), without a trailing slash.

        With commas between those of processes of which one leads, with semicolons between those of shards.
        """
        url: str = getattr(self, service.replace("-", "_") + "_url")
        return url.rstrip("/")


S = TypeVar("S", bound=BaseSettings)


def load(kind: type[S]) -> S:
    """Settings from the environment. Ends the process with status 2, and names each variable that is wrong."""
    try:
        return kind()
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"][:1]).upper()
            print(f"{name}: {problem['msg']}" if name else problem["msg"], file=sys.stderr)
        sys.exit(2)
