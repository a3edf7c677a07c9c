"""Passwords as Argon2id keeps them (RFC 9106), hashed beside the event loop so that nobody else waits.

A name that nobody has costs the same time as a wrong password, so that the time tells nothing about who is a user.
"""

import asyncio
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

THREADS = 2
"""Hashes at once. Each takes one core for some 20 ms and 19 MiB meanwhile; the library lets go of the GIL."""

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
"""The first choice of OWASP's Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane."""


class Passwords:
    """Hashes and verifies. Raises argon2's InvalidHashError for what it did not make itself."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "argon2")
        self._nobody = HASHER.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """The text to keep of a password: parameters, salt and hash."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, HASHER.hash, _normal(password))

    async def matches(self, kept: str | None, password: str) -> bool:
        """Whether this is the password. ``kept`` None (no such user) takes as long and is False."""
        compared = kept if kept is not None else self._nobody
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(self._threads, _verify, compared, _normal(password))
        return right and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether it was made with other parameters than are in use now, and should be made anew."""
        return HASHER.check_needs_rehash(kept)


def _verify(kept: str, password: str) -> bool:
    try:
        return HASHER.verify(kept, password)
    except VerifyMismatchError:
        return False


def _normal(password: str) -> str:
    """The same bytes for the same characters, on whatever keyboard they were typed (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
