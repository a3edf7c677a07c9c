"""The engine's own settings."""

from typing import Self

from pydantic import Field, model_validator

from shared.settings import ServiceSettings


class EngineSettings(ServiceSettings):
    """How often the engine writes its whole state down, so that a start need not replay everything; what it trades."""

    shard: int = Field(0, ge=0, description="its number among MATCHING_ENGINE_SHARDS, from 0")
    snapshot_every: int = Field(50_000, ge=100, description="journalled commands between two snapshots")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.shard >= self.shards.count:
            raise ValueError(f"SHARD: {self.shard} is none of the {self.shards.count} of MATCHING_ENGINE_SHARDS")
        return self
