"""What the user-service alone is told from outside."""

from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import Field, FilePath, SecretStr, field_validator, model_validator

from services.user_service.users import password_fault, username_fault
from shared.settings import ServiceSettings


def load_signing_key(path: FilePath) -> Ed25519PrivateKey:
    """The Ed25519 private key in a PEM file. Raises ValueError for anything else, without quoting the file."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError("must be a PEM file with an unencrypted private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("must hold an Ed25519 key, as `openssl genpkey -algorithm ed25519` makes")
    return key


class Settings(ServiceSettings):
    """Settings of the user-service. Each is the environment variable of the same name in capitals."""

    jwt_private_key_file: FilePath = Field(description="PEM file of the Ed25519 key that signs tokens")
    token_lifetime_s: int = Field(86_400, ge=60, le=30 * 86_400, description="how long a token opens doors")
    admin_username: str = Field("", description="with ADMIN_PASSWORD: the administrator, made at start if missing")
    admin_password: SecretStr = SecretStr("")

    @field_validator("jwt_private_key_file")
    @classmethod
    def _can_sign(cls, path: FilePath) -> FilePath:
        load_signing_key(path)
        return path

    @field_validator("admin_username")
    @classmethod
    def _can_be_a_username(cls, username: str) -> str:
        fault = username_fault(username) if username else None
        if fault is not None:
            raise ValueError(fault.detail)
        return username

    @field_validator("admin_password")
    @classmethod
    def _can_be_a_password(cls, password: SecretStr) -> SecretStr:
        fault = password_fault(password.get_secret_value()) if password.get_secret_value() else None
        if fault is not None:
            raise ValueError(fault.detail)
        return password

    @model_validator(mode="after")
    def _admin_is_whole(self) -> Self:
        if bool(self.admin_username) != bool(self.admin_password.get_secret_value()):
            raise ValueError("ADMIN_USERNAME and ADMIN_PASSWORD belong together: set both or none")
        return self
