"""Passwords as Argon2id keeps them (RFC 9106), hashed beside the event loop so that nobody else waits.

Hashing is slow on purpose. So that a flood of logins never slows orders down, the threads that hash yield to everybody
else (on Linux, where a thread has a priority of its own), and only so many passwords may wait for them.

A name that nobody has costs the same time as a wrong password, so that the time tells nothing about who is a user.
"""

import asyncio
import os
import secrets
import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

from shared.contracts.operations import USERS
from shared.errors import Unavailable

T = TypeVar("T")

THREADS = 2
"""Hashes at once. Each takes one core for some 20 ms and 19 MiB meanwhile; the library lets go of the GIL."""

NICENESS = 5

WAITING_MAX = 256
"""Passwords under way at once: at some 10 ms each the last is done before its caller gives up."""

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
"""The first choice of OWASP's Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane."""


class Passwords:
    """Hashes and verifies, and raises Unavailable when too many passwords wait already."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "argon2", _yield_to_others)
        self._nobody = HASHER.hash(secrets.token_urlsafe())
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The text to keep of a password: parameters, salt and hash."""
        return await self._beside(partial(HASHER.hash, _normal(password)))

    async def matches(self, kept: str | None, password: str) -> bool:
        """Whether this is the password. ``kept`` None (no such user) takes as long and is False."""
        compared = kept if kept is not None else self._nobody
        right = await self._beside(partial(_verify, compared, _normal(password)))
        return right and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether it was made with other parameters than are in use now, and should be made anew."""
        return HASHER.check_needs_rehash(kept)

    async def _beside(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise Unavailable(USERS, "too many passwords are waiting to be checked")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _yield_to_others() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _verify(kept: str, password: str) -> bool:
    try:
        return HASHER.verify(kept, password)
    except VerifyMismatchError:
        return False


def _normal(password: str) -> str:
    """The same bytes for the same characters, on whatever keyboard they were typed (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
