"""What the processes of a deployed exchange are told in secret: one file of variables for each of them.

A line is `NAME=value`, without quotes, so that the same files serve compose (`env_file`), Kubernetes (`kubectl create
secret generic --from-env-file`) and a shell.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from outcry import catalogue, credentials
from outcry.credentials import ADMIN_USERNAME, Credentials, write_private
from outcry.postgres import DATABASE, SUPERUSER
from outcry.provision import role_url
from outcry.settings import Settings
from outcry.valkey import user_lines
from shared.contracts.operations import AUDITOR, FIX, USERS

POSTGRES_HOST = "postgres:5432"
VALKEY_HOST = "valkey:6379"
"""Where they are found by who brings no others: the names of the containers."""


def write_secrets(settings: Settings, folder: Path) -> list[str]:
    """Make the secrets that are missing in `folder`, and write a file for each process. Answers the files' names.

    May be run again at any time; what was made stays. DATABASE_URL and REDIS_URL name managed servers, as an
    administrator; without them the files are for those of compose.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    made = credentials.load_or_create(folder, catalogue.SERVICES)
    files = environments(settings, made)
    for name, variables in files.items():
        write_private(folder / f"{name}.env", "\n".join(f"{key}={value}" for key, value in variables.items()))
    return sorted(files)


def environments(settings: Settings, made: Credentials) -> dict[str, Mapping[str, str]]:
    """The secret variables of each process, by its name."""
    password = quote(made.postgres_superuser, safe="")
    database_url = str(settings.database_url or f"postgresql://{SUPERUSER}:{password}@{POSTGRES_HOST}/{DATABASE}")
    roles = {**made.postgres_roles, AUDITOR: made.auditor_role}
    files: dict[str, Mapping[str, str]] = {
        "init": {"DATABASE_URL": database_url, "DATABASE_ROLES": json.dumps(roles)},
        AUDITOR: {
            "DATABASE_URL": role_url(database_url, AUDITOR, made.auditor_role),
            "SERVICE_SECRET": made.auditor_secret,
        },
        FIX: {"REDIS_URL": _redis_url(settings, made, FIX)},
    }
    for service in catalogue.SERVICES:
        files[service] = {
            "DATABASE_URL": role_url(database_url, catalogue.snake(service), made.postgres_roles[service]),
            "REDIS_URL": _redis_url(settings, made, service),
            "SERVICE_SECRET": made.services[service],
            "SERVICE_KEYS": made.service_keys,
        }
    key = made.signing_key_file.read_text().strip().replace("\n", "\\n")
    files[USERS] = files[USERS] | {  # type: ignore[operator]
        "JWT_PRIVATE_KEY": key,
        "ADMIN_USERNAME": ADMIN_USERNAME,
        "ADMIN_PASSWORD": made.exchange_admin,
    }
    if settings.database_url is None:
        files["postgres"] = {"POSTGRES_PASSWORD": made.postgres_superuser, "POSTGRES_DB": DATABASE}
    if settings.redis_url is None:
        files["valkey"] = {"VALKEY_USERS": ";".join(user_lines(made.valkey_admin, made.valkey_users))}
    return files


def _redis_url(settings: Settings, made: Credentials, service: str) -> str:
    if settings.redis_url is not None:
        return str(settings.redis_url)
    return f"redis://{service}:{quote(made.valkey_users[service], safe='')}@{VALKEY_HOST}/0"
