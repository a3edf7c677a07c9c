"""One bot's way to the exchange: its token, and what the answers mean for it."""

from typing import Any

import aiohttp

TIMEOUT_S = 10.0


class Away(Exception):
    """The exchange does not answer, or asks to be left alone for ``retry_after_s``. Nothing is known of the request."""

    def __init__(self, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Refused(Exception):
    """The exchange said no: ``code`` says why."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code


class Client:
    """The public API as one user sees it. A token that has expired is replaced by logging in again."""

    def __init__(self, session: aiohttp.ClientSession, url: str, username: str, password: str) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._login = {"username": username, "password": password}
        self._token = ""
        self._registered = False
        self.username = username

    async def look(self, path: str) -> dict[str, Any]:
        """What everybody may see: no login needed. Raises Refused, Away."""
        return await self._request("GET", path, {}, None)

    async def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Raises Refused, Away."""
        return await self._as_user("GET", path, query, None)

    async def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Raises Refused, Away."""
        return await self._as_user("POST", path, {}, body)

    async def delete(self, path: str) -> dict[str, Any]:
        """Raises Refused, Away."""
        return await self._as_user("DELETE", path, {}, None)

    async def register(self) -> None:
        """Makes the user, once; one that exists already is fine. Raises Refused, Away."""
        if self._registered:
            return
        try:
            self._token = (await self._request("POST", "/auth/register", {}, self._login))["token"]
        except Refused as refused:
            if refused.code != "username_taken":
                raise
        self._registered = True

    async def _as_user(
        self, method: str, path: str, query: dict[str, Any], body: dict[str, Any] | None
    ) -> dict[str, Any]:
        if self._token:
            try:
                return await self._request(method, path, query, body)
            except Refused as refused:
                if refused.status != 401:
                    raise
        answer = await self._request("POST", "/auth/login", {}, self._login)
        self._token = answer["token"]
        return await self._request(method, path, query, body)

    async def _request(
        self, method: str, path: str, query: dict[str, Any], body: dict[str, Any] | None
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token and not path.startswith("/auth/") else {}
        try:
            async with self._session.request(
                method, self._url + path, params=query, json=body, headers=headers
            ) as response:
                if response.status == 429 or response.status >= 500:
                    raise Away(f"{response.status} to {method} {path}", _retry_after_s(response))
                content: dict[str, Any] = await response.json(content_type=None)
                if response.status >= 400:
                    raise Refused(response.status, str(content.get("code")), str(content.get("detail")))
                return content
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Away(f"{type(error).__name__} at {method} {path}") from error


def session() -> aiohttp.ClientSession:
    """The one session that all bots of a process share."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))


def _retry_after_s(response: aiohttp.ClientResponse) -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0
