"""Sends to webhooks: signed, without redirects, and only to addresses that may be reached.

The guard sits where a connection is made, on the address that is really connected to: a name that is looked up anew, or
an odd way to write an address, does not get around it.
"""

import asyncio
import socket
import time
from typing import Any

import aiohttp

from services.notification.targets import Reach, Target, may_reach, signature

TIMEOUT_S = 10.0
LOOKUP_S = 3.0
ANSWER_BYTES_MAX = 64 * 1024


class UndeliveredError(Exception):
    """It did not arrive. The text is for the user who registered the target, and names no address."""


class TargetRefusedError(OSError):
    """The connection would lead to an address that webhooks may not reach."""


class Webhooks:
    """The HTTP client of all webhooks. ``open`` before use, ``close`` at the end."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._http: aiohttp.ClientSession | None = None

    def open(self) -> None:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=50, ttl_dns_cache=10, socket_factory=self._socket),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "outcry"},
        )

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    async def reachable(self, host: str, port: int) -> bool:
        """Whether a name leads only to addresses that may be reached. Raises OSError where it leads nowhere."""
        found = await asyncio.wait_for(
            asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM), LOOKUP_S
        )
        return all(may_reach(str(address[0]), self._reach) for *_, address in found)

    async def send(self, target: Target, message_id: str, body: bytes, traceparent: str) -> int:
        """Posts a body and answers the status, which was 2xx. Raises UndeliveredError."""
        assert self._http is not None, "open comes first"
        timestamp_s = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": signature(target.secret, message_id, timestamp_s, body),
        }
        if traceparent:
            headers["traceparent"] = traceparent
        try:
            async with self._http.post(target.address, data=body, headers=headers, allow_redirects=False) as response:
                # What is left unread would keep the connection from being used again; a flood closes it.
                await response.content.read(ANSWER_BYTES_MAX)
                status = response.status
        except TimeoutError as error:
            raise UndeliveredError(f"no answer within {TIMEOUT_S:.0f} s") from error
        except aiohttp.ClientConnectorError as error:
            refused = isinstance(error.os_error, TargetRefusedError)
            raise UndeliveredError("its address is not a public one" if refused else "no connection") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UndeliveredError(type(error).__name__) from error
        if not 200 <= status < 300:
            raise UndeliveredError(f"answered {status}")
        return status

    def _socket(self, address: Any) -> socket.socket:
        family, kind, protocol, _, where = address
        if not may_reach(str(where[0]), self._reach):
            raise TargetRefusedError("not an address that webhooks may reach")
        return socket.socket(family, kind, protocol)
