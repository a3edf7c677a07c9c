"""The commands beside running: `backup`, `restore`, `rules`, `token`, `password`."""

import argparse
import getpass
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from jaegerlite.alerts.command import rules_command
from jaegerlite.backup import BackupError, copy_closed_store, new_name, restore
from jaegerlite.passwords import new_token, password_hash
from jaegerlite.settings import Settings

TIMEOUT_S: Final = 3600
TOKEN_VARIABLE: Final = "JAEGERLITE_TOKEN"  # noqa: S105 - the name of a variable


def backup_command(arguments: list[str]) -> int:
    """Have the running jaegerlite copy its store; copy it here if none is running."""
    parser = argparse.ArgumentParser(
        prog="jaegerlite backup",
        description=f"Copy the store while it runs. An administrator's token is taken from {TOKEN_VARIABLE}.",
    )
    parser.add_argument("--url", help="address of the query port; by default that of the settings")
    parser.add_argument("--tenant", default="", help="whose spans, where there are tenants")
    given = parser.parse_args(arguments)
    settings = Settings()
    scheme = "https" if settings.tls_cert_file else "http"
    url = (given.url or f"{scheme}://{settings.host}:{settings.query_port}").rstrip("/")
    headers = {settings.tenant_header: given.tenant} if given.tenant else {}
    if token := os.environ.get(TOKEN_VARIABLE):
        headers["Authorization"] = f"Bearer {token}"
    try:
        print(_asked(f"{url}/api/backup", headers)["folder"])
    except urllib.error.HTTPError as error:
        print(f"jaegerlite: {url} answered {error.code}: {error.read().decode('utf-8', 'replace')}", file=sys.stderr)
        return 1
    except urllib.error.URLError as error:
        if given.url or not isinstance(error.reason, ConnectionRefusedError):
            print(f"jaegerlite: {url}: {error.reason}", file=sys.stderr)
            return 1
        return _copied_here(settings, given.tenant)
    return 0


def _asked(url: str, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(url, b"", headers)  # noqa: S310 - the user's own address
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
        return json.load(response)


def _copied_here(settings: Settings, tenant: str) -> int:
    target = settings.folder_of_backups / tenant / new_name()
    try:
        copy_closed_store(settings.folder_of(tenant), target)
    except BackupError as error:
        print(f"jaegerlite: {error}", file=sys.stderr)
        return 1
    print(target.resolve())
    return 0


def restore_command(arguments: list[str]) -> int:
    """Put a copy in the place of the store, which is kept aside."""
    parser = argparse.ArgumentParser(prog="jaegerlite restore", description="Put a copy in the place of the store.")
    parser.add_argument("folder", type=Path, help="the folder that `backup` named")
    parser.add_argument("--tenant", default="", help="whose store, where there are tenants")
    given = parser.parse_args(arguments)
    try:
        replaced = restore(given.folder, Settings().folder_of(given.tenant))
    except BackupError as error:
        print(f"jaegerlite: {error}", file=sys.stderr)
        return 1
    if replaced is not None:
        print(f"what was there is in {replaced}")
    return 0


def token_command(arguments: list[str]) -> int:
    """A new bearer token, and the lines for the access file."""
    argparse.ArgumentParser(prog="jaegerlite token", description=token_command.__doc__).parse_args(arguments)
    token, sha256 = new_token()
    print(f'{token}\n\n[[tokens]]\nname = "..."\nroles = ["write"]\nsha256 = "{sha256}"')
    return 0


def password_command(arguments: list[str]) -> int:
    """The lines for the access file of a password, which is asked for."""
    argparse.ArgumentParser(prog="jaegerlite password", description=password_command.__doc__).parse_args(arguments)
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    print(f'[[users]]\nname = "..."\nroles = ["read"]\npassword = "{password_hash(password)}"')
    return 0


COMMANDS: Final = {
    "backup": backup_command,
    "restore": restore_command,
    "rules": rules_command,
    "token": token_command,
    "password": password_command,
}
