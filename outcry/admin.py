"""`outcry admin ...`: what administrators do, over the public API like any other client.

The administrator is the one of ADMIN_USERNAME and ADMIN_PASSWORD, else the one whom the launcher made at first start.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from outcry import catalogue, credentials, http
from outcry.credentials import ADMIN_USERNAME
from outcry.home import Home
from outcry.settings import Settings


def run(settings: Settings, method: str, path: str, body: Mapping[str, Any] | None = None) -> int:
    """Does one thing as the administrator and prints the answer. 0 when it is done, 1 when it was refused."""
    home = Home(settings.outcry_home)
    if not (home.secrets / "secrets.json").exists():
        print(f"There is no exchange in {home.folder}. Start one with: make up", file=sys.stderr)
        return 1
    gateway = catalogue.service_url(settings, catalogue.GATEWAY)
    made = credentials.load_or_create(home.secrets, catalogue.SERVICES)
    login = {
        "username": os.environ.get("ADMIN_USERNAME") or ADMIN_USERNAME,
        "password": os.environ.get("ADMIN_PASSWORD") or made.exchange_admin,
    }
    try:
        return asyncio.run(_do(gateway, login, method, path, body))
    except OSError as error:
        print(f"The gateway at {gateway} does not answer: {error}", file=sys.stderr)
        return 1


async def _do(gateway: str, login: Mapping[str, str], method: str, path: str, body: Mapping[str, Any] | None) -> int:
    status, content = await http.request("POST", f"{gateway}/auth/login", login)
    if status == 200:
        token = json.loads(content)["token"]
        status, content = await http.request(method, f"{gateway}{path}", body, {"Authorization": f"Bearer {token}"})
    answer = json.loads(content)
    if status in (200, 201):
        print(json.dumps(answer, indent=1))
        return 0
    print(f"{answer['code']}: {answer['detail']}", file=sys.stderr)
    return 1
