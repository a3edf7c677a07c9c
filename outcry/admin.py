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


class RefusedError(Exception):
    """The exchange said no, or there is none. The text is for people."""


def run(settings: Settings, method: str, path: str, body: Mapping[str, Any] | None = None) -> int:
    """Does one thing as the administrator and prints the answer. 0 when it is done, 1 when it was refused."""
    gateway = catalogue.service_url(settings, catalogue.GATEWAY)
    try:
        headers = {"Authorization": f"Bearer {token(settings)}"}
        answer = _answer(*asyncio.run(http.request(method, f"{gateway}{path}", body, headers)))
    except RefusedError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"The gateway at {gateway} does not answer: {error}", file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=1))
    return 0


def token(settings: Settings) -> str:
    """A fresh token of the administrator. Raises RefusedError, and OSError when the gateway does not answer."""
    home = Home(settings.outcry_home)
    if not (home.secrets / "secrets.json").exists():
        raise RefusedError(f"There is no exchange in {home.folder}. Start one with: make up")
    made = credentials.load_or_create(home.secrets, catalogue.SERVICES)
    login = {
        "username": os.environ.get("ADMIN_USERNAME") or ADMIN_USERNAME,
        "password": os.environ.get("ADMIN_PASSWORD") or made.exchange_admin,
    }
    gateway = catalogue.service_url(settings, catalogue.GATEWAY)
    shown: str = _answer(*asyncio.run(http.request("POST", f"{gateway}/auth/login", login)))["token"]
    return shown


def _answer(status: int, content: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(content)
    if status not in (200, 201):
        raise RefusedError(f"{answer['code']}: {answer['detail']}")
    return answer
