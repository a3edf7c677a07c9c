"""What the user-service alone is told from outside."""

from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import Field, FilePath, SecretStr, field_validator, model_validator

from services.user_service.users import password_fault, username_fault
from shared.settings import ServiceSettings


def read_signing_key(pem: str) -> Ed25519PrivateKey:
    """The Ed25519 private key in PEM. Raises ValueError for anything else, without quoting it."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError("must be PEM with an unencrypted private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("must hold an Ed25519 key, as `openssl genpkey -algorithm ed25519` makes")
    return key


class Settings(ServiceSettings):
    """Settings of the user-service. Each is the environment variable of the same name in capitals."""

    jwt_private_key_file: FilePath | None = Field(None, description="PEM file of the Ed25519 key that signs tokens")
    jwt_private_key: SecretStr = Field(SecretStr(""), description="or its text; a line's end may be written as \\n")
    token_lifetime_s: int = Field(86_400, ge=60, le=30 * 86_400, description="how long a token opens doors")
    admin_username: str = Field("", description="with ADMIN_PASSWORD: the administrator, made at start if missing")
    admin_password: SecretStr = SecretStr("")

    def signing_key(self) -> Ed25519PrivateKey:
        """The key that signs tokens."""
        if self.jwt_private_key_file is not None:
            return read_signing_key(self.jwt_private_key_file.read_text())
        return read_signing_key(self.jwt_private_key.get_secret_value().replace("\\n", "\n"))

    @field_validator("jwt_private_key_file")
    @classmethod
    def _file_can_sign(cls, path: FilePath | None) -> FilePath | None:
        if path is not None:
            read_signing_key(path.read_text())
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
    def _can_sign(self) -> Self:
        if (self.jwt_private_key_file is None) == (not self.jwt_private_key.get_secret_value()):
            raise ValueError("set JWT_PRIVATE_KEY_FILE or JWT_PRIVATE_KEY, one of them")
        self.signing_key()
        return self

    @model_validator(mode="after")
    def _admin_is_whole(self) -> Self:
        if bool(self.admin_username) != bool(self.admin_password.get_secret_value()):
            raise ValueError("ADMIN_USERNAME and ADMIN_PASSWORD belong together: set both or none")
        return self
