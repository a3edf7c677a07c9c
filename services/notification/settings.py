"""What notification alone is told from outside."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from services.notification.targets import Reach
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of notification. Each is the environment variable of the same name in capitals."""

    notifications_kept_s: int = Field(86_400, ge=1, description="how long a client may be away and still catch up")
    notifications_kept_max: int = Field(1_000_000, ge=1, description="engine events whose messages are kept at most")

    webhook_targets: Reach = Field("public", description="public, loopback (and public), or any address")
    webhooks_per_user_max: int = Field(5, ge=1)
    delivery_retry_s: float = Field(14_400, gt=0, description="how long a delivery is tried before it is a dead letter")
    delivery_backoff_s: float = Field(1, gt=0, description="the first wait after a failure; it doubles up to 5 minutes")
    dead_letters_kept_s: int = Field(7 * 86_400, ge=1)

    smtp_host: str = Field("", description="the mail server; without one there is no e-mail")
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_from: str = Field("Outcry <outcry@localhost>", description="the sender of every mail")
    email_every_s: float = Field(60, ge=0, description="a user gets at most one mail in this time, with all there is")

    @model_validator(mode="after")
    def _password_is_not_sent_in_clear(self) -> Self:
        if self.smtp_username and self.smtp_security == "none":
            raise ValueError("SMTP_USERNAME needs SMTP_SECURITY starttls or tls: the password would travel in clear")
        return self
