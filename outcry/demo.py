"""The demo user: somebody with money and shares, so that the first command of a newcomer can be an order."""

import json
from collections.abc import Mapping
from typing import Any

from outcry import http

USERNAME = "demo_user"
PASSWORD = "demo123"  # noqa: S105 - shown on the first screen: it opens a play account on this machine
FUNDS: tuple[Mapping[str, Any], ...] = ({"amount": 100_000}, {"asset": "AAPL", "amount": 100})


class DemoError(Exception):
    """The exchange refused a step of the set-up. The text says which, with its own words."""


async def create(gateway_url: str) -> None:
    """Register, log in and fund the demo user through the public API.

    Each deposit carries an idempotency key, so that a set-up that was cut short can be run again without paying twice.
    Raises DemoError, or OSError when the gateway does not answer.
    """
    login = {"username": USERNAME, "password": PASSWORD}
    await _post(gateway_url, "/auth/register", login, allowed=(200, 201, 409))
    session = await _post(gateway_url, "/auth/login", login)
    token = session["token"]
    headers = {"Authorization": f"Bearer {token}"}
    await _post(gateway_url, "/wallet/create", {}, headers, allowed=(200, 201, 409))
    for number, deposit in enumerate(FUNDS):
        await _post(gateway_url, "/wallet/add-funds", deposit, headers | {"Idempotency-Key": f"demo-{number}"})


async def _post(
    gateway_url: str,
    path: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    allowed: tuple[int, ...] = (200, 201),
) -> dict[str, Any]:
    status, content = await http.request("POST", f"{gateway_url}{path}", body, headers)
    if status not in allowed:
        raise DemoError(f"POST {path} was answered {status}: {content.decode(errors='replace')[:300]}")
    answer: dict[str, Any] = json.loads(content or b"{}")
    return answer
