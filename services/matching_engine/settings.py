"""The engine's own settings."""

from pydantic import Field

from shared.settings import ServiceSettings


class EngineSettings(ServiceSettings):
    """How often the engine writes its whole state down, so that a start need not replay everything."""

    snapshot_every: int = Field(50_000, ge=100, description="journalled commands between two snapshots")
