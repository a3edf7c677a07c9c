"""Bearer tokens: JSON Web Tokens (RFC 7519) signed with Ed25519 (RFC 8037), and which of them are still good.

A signature takes some 100 µs to check, so a token that was found good is remembered by its hash until it expires.
Whether it was revoked is asked each time.
"""

import hashlib
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.contracts.operations import Refused
from shared.contracts.users import Identity, Session

ALGORITHM = "EdDSA"
ISSUER = AUDIENCE = "outcry"
REMEMBERED_MAX = 10_000
"""Tokens found good that are remembered, a few hundred bytes each. The one that was not used for longest goes first."""

CLAIMS = ["sub", "username", "roles", "iat", "exp", "jti", "iss", "aud"]


@dataclass(frozen=True, slots=True)
class Verified:
    """A token whose signature and claims are right, and its own id."""

    jti: uuid.UUID
    identity: Identity
    generation: int


class Tokens:
    """Makes and judges tokens. Knows the revoked ones that it was told of. ``clock`` gives Unix time."""

    def __init__(self, key: Ed25519PrivateKey, lifetime_s: int, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._public_key = key.public_key()
        self.lifetime_s = lifetime_s
        self._clock = clock
        self._remembered: OrderedDict[bytes, Verified] = OrderedDict()
        self._revoked: dict[uuid.UUID, int] = {}
        self._generations: dict[int, int] = {}

    def issue(self, user_id: int, username: str, roles: tuple[str, ...], generation: int = 0) -> Session:
        """A fresh token for a user, good from now on for the lifetime."""
        issued_at_s = int(self._clock())
        expires_at_s = issued_at_s + self.lifetime_s
        claims = {
            "sub": str(user_id),
            "username": username,
            "roles": list(roles),
            "gen": generation,
            "iat": issued_at_s,
            "exp": expires_at_s,
            "jti": str(uuid.uuid4()),
            "iss": ISSUER,
            "aud": AUDIENCE,
        }
        token = jwt.encode(claims, self._key, ALGORITHM)
        return Session(user_id=user_id, username=username, roles=roles, token=token, expires_at_s=expires_at_s)

    def verify(self, token: str) -> Identity | Refused:
        """Whom a token stands for. Refuses with ``invalid_token``, ``token_expired`` or ``token_revoked``."""
        found = self.inspect(token)
        if isinstance(found, Refused):
            return found
        if found.jti in self._revoked or found.generation < self._generations.get(found.identity.user_id, 0):
            return Refused(code="token_revoked", detail="This token was revoked. Log in again to get a new one.")
        return found.identity

    def inspect(self, token: str) -> Verified | Refused:
        """What a token says, revoked or not. Refuses with ``invalid_token`` or ``token_expired``."""
        key = hashlib.blake2b(token.encode(), digest_size=32).digest()
        found = self._remembered.get(key)
        if found is None:
            checked = self._check(token)
            if isinstance(checked, Refused):
                return checked
            self._remember(key, checked)
            return checked
        if found.identity.expires_at_s <= self._clock():
            del self._remembered[key]
            return _expired()
        self._remembered.move_to_end(key)
        return found

    def revoke(self, revoked: Iterable[tuple[uuid.UUID, int]]) -> None:
        """These tokens (id, expiry in Unix time) open nothing from now on. Forgets those that have expired."""
        self._revoked.update(revoked)
        now = self._clock()
        for jti in [jti for jti, expires_at_s in self._revoked.items() if expires_at_s <= now]:
            del self._revoked[jti]

    def outdate(self, generations: Mapping[int, int]) -> None:
        """Tokens of these users (user id -> generation) that are of an earlier generation open nothing from now on."""
        for user_id, generation in generations.items():
            self._generations[user_id] = max(generation, self._generations.get(user_id, 0))

    def _check(self, token: str) -> Verified | Refused:
        try:
            claims = jwt.decode(
                token,
                self._public_key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={"require": CLAIMS},
            )
            identity = Identity(
                user_id=int(claims["sub"]),
                username=claims["username"],
                roles=tuple(claims["roles"]),
                expires_at_s=claims["exp"],
            )
            return Verified(uuid.UUID(claims["jti"]), identity, int(claims.get("gen", 0)))
        except jwt.ExpiredSignatureError:
            return _expired()
        except (jwt.InvalidTokenError, ValueError):
            return Refused(code="invalid_token", detail="This is no token of ours. Log in to get one.")

    def _remember(self, key: bytes, verified: Verified) -> None:
        self._remembered[key] = verified
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)


def _expired() -> Refused:
    return Refused(code="token_expired", detail="This token has expired. Log in again to get a new one.")
