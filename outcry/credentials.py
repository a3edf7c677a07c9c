"""The secrets of one exchange: made at its first start, kept in `.outcry/secrets/` for the owner alone."""

import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shared.contracts.operations import AUDITOR

SECRET_BYTES = 32

GUESTS = ("fix-gateway",)
"""Who has a Valkey user, and nothing else of a service."""

ADMIN_USERNAME = "admin"
"""The administrator who is made at the first start, unless the settings name another one."""


@dataclass(frozen=True, repr=False)
class Credentials:
    """All secrets. Dictionaries go from service name ("wallet-service") to the secret of that service.

    It has no `repr` that would show them by accident.
    """

    postgres_superuser: str
    postgres_roles: dict[str, str]
    valkey_admin: str
    exchange_admin: str
    auditor_secret: str
    auditor_role: str
    valkey_users: dict[str, str]
    services: dict[str, str]
    signing_key_file: Path
    public_key_file: Path

    @property
    def service_keys(self) -> str:
        """What every service may know of the others and of the auditor: the SHA-256 of each secret, as JSON."""
        callers = self.services | {AUDITOR: self.auditor_secret}
        return json.dumps({name: hashlib.sha256(secret.encode()).hexdigest() for name, secret in callers.items()})


def load_or_create(folder: Path, services: Iterable[str]) -> Credentials:
    """Read the secrets from `folder`, making those that are missing (all at the first start)."""
    path = folder / "secrets.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    names = list(services)
    for single in ("postgres_superuser", "valkey_admin", "exchange_admin", "auditor_secret", "auditor_role"):
        kept.setdefault(single, secrets.token_urlsafe(SECRET_BYTES))
    for group in ("postgres_roles", "valkey_users", "services"):
        members = kept.setdefault(group, {})
        for name in (*names, *GUESTS) if group == "valkey_users" else names:
            members.setdefault(name, secrets.token_urlsafe(SECRET_BYTES))
    write_private(path, json.dumps(kept, indent=1))
    signing_key_file, public_key_file = folder / "jwt_private_key.pem", folder / "jwt_public_key.pem"
    if not (signing_key_file.exists() and public_key_file.exists()):
        _make_signing_key(signing_key_file, public_key_file)
    return Credentials(signing_key_file=signing_key_file, public_key_file=public_key_file, **kept)


def _make_signing_key(signing_key_file: Path, public_key_file: Path) -> None:
    """In a process of its own: the launcher stays up for days and need not carry a cryptography library along."""
    command = [sys.executable, "-m", "outcry.signing_key"]
    private_pem, public_pem = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n\n")  # noqa: S603
    write_private(signing_key_file, private_pem)
    write_private(public_key_file, public_pem)


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step by one that only its owner can read, and that is so from its first byte."""
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text.strip() + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
