"""`outcry init`: the database made ready for the services, as one step before they start or are upgraded.

Rooms first (roles, schemas, the auditor who may read them all), then each service's migrations in its own name. May be
run at any time, also under load and beside running services: what is there already stays, and of two that migrate a
schema at once one waits for the other.
"""

import asyncio
from pathlib import Path
from typing import Self

from pydantic import SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from outcry import catalogue, provision
from outcry.settings import PostgresUrl
from shared.contracts.operations import AUDITOR
from shared.postgres import Database, migrate


class InitSettings(BaseSettings):
    """What the step is told: DATABASE_URL of an administrator, and the roles' passwords as JSON in DATABASE_ROLES."""

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    database_url: PostgresUrl
    database_roles: dict[str, SecretStr]

    @model_validator(mode="after")
    def _knows_all(self) -> Self:
        missing = {*catalogue.SERVICES, AUDITOR} - self.database_roles.keys()
        if missing:
            raise ValueError(f"DATABASE_ROLES has no password for {', '.join(sorted(missing))}")
        return self


def run(settings: InitSettings) -> None:
    """Make rooms and run what migrations have not run yet. Raises RuntimeError or OSError where PostgreSQL refuses."""
    url = str(settings.database_url)
    passwords = {name: secret.get_secret_value() for name, secret in settings.database_roles.items()}
    rooms = {catalogue.snake(service): passwords[service] for service in catalogue.SERVICES}
    provision.create_rooms(url, rooms)
    for service in catalogue.SERVICES:
        folder = migrations_of(service)
        if folder.is_dir():
            asyncio.run(_migrate(provision.role_url(url, catalogue.snake(service), passwords[service]), service))
    provision.create_reader(url, AUDITOR, passwords[AUDITOR], list(rooms))


def migrations_of(service: str) -> Path:
    """The folder of a service's migrations; the gateway has none."""
    return catalogue.PROJECT / "services" / catalogue.snake(service) / "migrations"


async def _migrate(url: str, service: str) -> None:
    database = Database(url, catalogue.snake(service), 1)
    await database.connect()
    try:
        await migrate(database, migrations_of(service))
    finally:
        await database.close()
