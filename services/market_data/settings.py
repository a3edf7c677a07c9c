"""What market-data alone is told from outside."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of market-data. Each is the environment variable of the same name in capitals."""

    event_days_kept: int = Field(3, ge=1, le=3650, description="days whose events can be downloaded, today included")
    trade_days_kept: int = Field(90, ge=1, le=3650, description="days whose trades can be listed; candles are kept")
    exports_max: int = Field(2, ge=1, le=100, description="files of a day's events that may be made or read at once")
