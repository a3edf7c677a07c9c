"""What notification alone is told from outside."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of notification. Each is the environment variable of the same name in capitals."""

    notifications_kept_s: int = Field(86_400, ge=1, description="how long a client may be away and still catch up")
    notifications_kept_max: int = Field(1_000_000, ge=1, description="engine events whose messages are kept at most")
