"""The FIX gateway's own settings."""

from pathlib import Path

from pydantic import Field

from shared.settings import ServiceSettings


class FixSettings(ServiceSettings):
    """Each is the environment variable of the same name in capitals."""

    port: int = Field(9879, ge=1, le=65535, description="health and figures, over HTTP")
    fix_port: int = Field(9878, ge=1, le=65535, description="where FIX clients connect")
    fix_store: Path = Field(Path(".outcry/fix"), description="folder of sequence numbers, sent messages and orders")
    fix_cancel_on_disconnect: bool = Field(
        False, description="a lost connection ends the orders that were placed over it"
    )
    fix_logon_timeout_s: float = Field(10, gt=0, description="a connection that says nothing for so long is closed")
    fix_message_bytes_max: int = Field(64 * 1024, ge=1024, description="a longer message is taken for garbled")
    fix_waiting_bytes_max: int = Field(
        8 * 1024 * 1024, ge=64 * 1024, description="what may wait for a client before it is dropped as too slow"
    )
