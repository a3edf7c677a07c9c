"""Who is asking, what they may do, and whose spans they see.

Without an access file everybody may do everything: fit for 127.0.0.1. With one, a request shows a bearer token, a name
and password (basic authentication), or comes from a proxy that has authenticated its user (OpenID Connect, as
oauth2-proxy and its like pass it on in headers). Tenants are told apart by a header, as in Jaeger.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from jaegerlite.passwords import is_password
from jaegerlite.settings import Settings
from jaegerlite.tenant import Tenant

EVERYBODY: Final = ""
VERIFIED_SECONDS: Final = 300.0
VERIFIED_MAX: Final = 1000


class AccessFileError(Exception):
    """The access file cannot be used; the text says where and why."""


class Role(StrEnum):
    """What somebody may do: see spans, send them, everything."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(slots=True)
class DeniedError(Exception):
    """Not let in: the HTTP status (401 or 403), a word for the metrics, a sentence, and headers for the answer."""

    status: int
    reason: str
    text: str
    headers: dict[str, str] = field(default_factory=dict)


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody; `tenants` are those they may choose, all if none is named."""

    name: str
    roles: tuple[Role, ...]
    tenants: tuple[str, ...] = ()

    def may(self, role: Role) -> bool:
        """Whether they may do what needs this role."""
        return role in self.roles or Role.ADMIN in self.roles


class Token(Identity, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A bearer token, of which only the SHA-256 is kept, in hex."""

    sha256: str


class User(Identity, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A login; the password as `python -m jaegerlite password` writes it."""

    password: str


class Proxy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A proxy that authenticates: where it calls from, what it tells, and what its users' groups may do."""

    addresses: tuple[str, ...]
    user_header: str = "x-forwarded-user"
    groups_header: str = "x-forwarded-groups"
    roles: tuple[Role, ...] = ()
    groups: dict[str, tuple[Role, ...]] = {}


class AccessFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file, TOML."""

    tokens: tuple[Token, ...] = ()
    users: tuple[User, ...] = ()
    proxy: Proxy | None = None


ANYBODY: Final = Identity(name="anybody", roles=(Role.ADMIN,))


def read_access_file(path: Path) -> AccessFile:
    """The access file. Raises AccessFileError."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=AccessFile)
    except (OSError, msgspec.DecodeError) as error:
        raise AccessFileError(f"{path}: {error}") from error


def _hash(file: Path | None, token: Token) -> bytes:
    try:
        found = bytes.fromhex(token.sha256)
    except ValueError:
        found = b""
    if len(found) != hashlib.sha256().digest_size:
        raise AccessFileError(f"{file}: the sha256 of token {token.name!r} is not 64 hex digits")
    return found


class Access:
    """Decides about each request."""

    def __init__(self, settings: Settings, tenants: Mapping[str, Tenant]) -> None:
        """Read the access file, if the settings name one. Raises AccessFileError."""
        self._settings = settings
        self._tenants = tenants
        file = settings.access_file
        self._file = read_access_file(file) if file is not None else None
        given = self._file or AccessFile()
        self._tokens = {_hash(file, token): token for token in given.tokens}
        self._users = {user.name: user for user in given.users}
        self._proxy = given.proxy
        try:
            self._networks = [ipaddress.ip_network(text) for text in (given.proxy.addresses if given.proxy else ())]
        except ValueError as error:
            raise AccessFileError(f"{file}: proxy: {error}") from error
        self._verified: dict[bytes, float] = {}
        self._key = os.urandom(32)
        self._verifying = asyncio.Lock()

    async def tenant(self, headers: Mapping[str, str], client: tuple[str, int] | None, role: Role) -> Tenant:
        """The tenant whose spans a request is about, by its lower-case headers and the address that it comes from.

        Raises:
            DeniedError: nobody known, not allowed, or no such tenant.
        """
        identity = await self.check(headers, client, role)
        if not self._settings.tenant_names:
            return self._tenants[EVERYBODY]
        name = headers.get(self._settings.tenant_header.lower(), "")
        if not name:
            raise DeniedError(401, "no_tenant", "missing tenant header")
        if name not in self._tenants or (identity.tenants and name not in identity.tenants):
            raise DeniedError(401, "no_tenant", "unknown tenant")
        return self._tenants[name]

    async def check(self, headers: Mapping[str, str], client: tuple[str, int] | None, role: Role) -> Identity:
        """Who is asking, if they may; for what belongs to no tenant.

        Raises:
            DeniedError: nobody known, or not allowed.
        """
        identity = await self._identity(headers, client)
        if not identity.may(role):
            raise DeniedError(403, "forbidden", f"{identity.name} lacks the role '{role}'")
        return identity

    async def _identity(self, headers: Mapping[str, str], client: tuple[str, int] | None) -> Identity:
        if self._file is None:
            return ANYBODY
        passed_on = self._passed_on(headers, client)
        if passed_on is not None:
            return passed_on
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            token = self._tokens.get(hashlib.sha256(credentials.strip().encode("utf-8", "replace")).digest())
            if token is not None:
                return token
        elif scheme.lower() == "basic":
            user = await self._login(credentials.strip())
            if user is not None:
                return user
        raise self._unknown()

    def _unknown(self) -> DeniedError:
        # A browser asks for name and password when it is told that they would help.
        challenge = 'Basic realm="jaegerlite", charset="UTF-8"' if self._users else 'Bearer realm="jaegerlite"'
        text = "show a bearer token" + (", or a name and password" if self._users else "")
        return DeniedError(401, "unauthenticated", text, {"www-authenticate": challenge})

    def _is_proxy(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def _passed_on(self, headers: Mapping[str, str], client: tuple[str, int] | None) -> Identity | None:
        """The user whom a trusted proxy names; None if the request does not come from one, or names nobody."""
        proxy = self._proxy
        if proxy is None or client is None or not self._is_proxy(client[0]):
            return None
        user = headers.get(proxy.user_header.lower(), "")
        if not user:
            return None
        groups = [group.strip() for group in headers.get(proxy.groups_header.lower(), "").split(",")]
        roles = {*proxy.roles, *(role for group in groups for role in proxy.groups.get(group, ()))}
        return Identity(name=user, roles=tuple(sorted(roles)))

    async def _login(self, credentials: str) -> User | None:
        try:
            name, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        user = self._users.get(name)
        if user is None:
            return None
        mark = hmac.digest(self._key, credentials.encode(), "sha256")
        if self._verified.get(mark, 0.0) > time.monotonic():
            return user
        # Checking a password costs 16 MB and some 50 ms on purpose: one at a time, and not on the event loop.
        async with self._verifying:
            if not await asyncio.to_thread(is_password, password, user.password):
                return None
        if len(self._verified) >= VERIFIED_MAX:
            self._verified.clear()
        self._verified[mark] = time.monotonic() + VERIFIED_SECONDS
        return user
