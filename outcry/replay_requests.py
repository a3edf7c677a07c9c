"""`outcry replay`: recorded requests sent again, by users who are made for it, to an exchange that is fresh at best.

Users are known by the seed: u1 of the recording is `replay_SEED_1`. One who had a wallet before the recording began
gets one that is well filled. Ids that the exchange gave then are replaced by those that it gives now.
"""

import asyncio
import hashlib
import random
import re
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from shared.recording import Recorded, ids_in, outcome_of

CASH_USD = 10_000_000
SHARES = 100_000
DIFFERENCES_SHOWN = 10
NUMBER = re.compile(r"(?<=/)\d+(?=[/?]|$)|(?<=cursor=)\d+|(?<=_id=)\d+")


class ReplayError(Exception):
    """The recording can't be read, or the exchange does not take its users. The text is for people."""


def run(file: Path, gateway: str, seed: int, speed: float, jitter_ms: int, *, serial: bool) -> int:
    """Replays a recording, says what was answered otherwise. 1 when it can't, or when it is serial and differs."""
    try:
        kept = read(file)
        replay = asyncio.run(_replay(kept, gateway, seed, speed, jitter_ms, serial=serial))
    except (ReplayError, aiohttp.ClientError, TimeoutError) as error:
        print(f"The replay ends: {error}", file=sys.stderr)
        return 1
    users, others = len(replay.names), len(replay.others)
    print(f"{len(kept)} requests of {users} users: {replay.same} answered as before, {others} not.")
    for text in replay.others[:DIFFERENCES_SHOWN]:
        print(f"  {text}")
    return 1 if serial and replay.others else 0


def read(file: Path) -> list[Recorded]:
    """The requests of a recording. Raises ReplayError."""
    try:
        lines = [line for line in file.read_bytes().splitlines() if not line.startswith(b'{"lost"')]
        return [msgspec.json.decode(line, type=Recorded) for line in lines]
    except (OSError, msgspec.DecodeError) as error:
        raise ReplayError(f"{file}: {error}") from error


async def _replay(
    kept: Sequence[Recorded], gateway: str, seed: int, speed: float, jitter_ms: int, *, serial: bool
) -> "Replay":
    async with aiohttp.ClientSession(gateway, timeout=aiohttp.ClientTimeout(total=30)) as session:
        replay = Replay(session, seed, kept)
        await replay.prepare()
        if serial:
            for one in kept:
                await replay.send(one)
            return replay
        began_s = time.monotonic()
        users = sorted({one.user for one in kept})
        shares = [[one for one in kept if one.user == user] for user in users]
        dice = random.Random(seed)  # noqa: S311
        async with asyncio.TaskGroup() as group:
            for share in shares:
                shift_s = dice.uniform(0, jitter_ms / 1000)
                group.create_task(_timed(replay, share, began_s + shift_s, speed))
    return replay


async def _timed(replay: "Replay", share: Iterable[Recorded], began_s: float, speed: float) -> None:
    """One user's requests, each at its time or as soon as the one before it is answered."""
    for one in share:
        await asyncio.sleep(began_s + one.at_ms / 1000 / speed - time.monotonic())
        await replay.send(one)


class Replay:
    """What is known while requests are sent: the users' names and tokens, the new ids, what was answered otherwise."""

    def __init__(self, session: aiohttp.ClientSession, seed: int, kept: Sequence[Recorded]) -> None:
        self._session = session
        self._seed = seed
        self._tokens: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        receivers = [one.body["to"] for one in kept if isinstance(one.body, dict) and "to" in one.body]
        users = dict.fromkeys([one.user for one in kept if one.user] + receivers)
        self.names = {user: f"replay_{seed}_{user.removeprefix('u')}" for user in users}
        self._fresh = {one.user for one in kept if (one.path, one.status) == ("/wallet/create", 201)}
        self.same = 0
        self.others: list[str] = []

    async def prepare(self) -> None:
        """Makes the users. Raises ReplayError."""
        listed = (await self._ask("GET", "/marketdata/symbols"))["symbols"]
        for user, name in self.names.items():
            password = hashlib.sha256(f"{self._seed}:{user}".encode()).hexdigest()
            login = {"username": name, "password": password}
            made = await self._ask("POST", "/auth/register", login, allowed=(201, 409))
            if "token" not in made:
                made = await self._ask("POST", "/auth/login", login)
            self._tokens[user] = made["token"]
            if user in self._fresh:
                continue
            await self._ask("POST", "/wallet/create", {}, user, allowed=(200, 201, 409))
            for funds in [{"amount": CASH_USD}, *({"asset": row["symbol"], "amount": SHARES} for row in listed)]:
                await self._ask("POST", "/wallet/add-funds", funds, user)

    async def send(self, one: Recorded) -> None:
        """Sends a request again, learns the new ids, and compares the answer."""
        path = NUMBER.sub(lambda found: self._ids.get(found[0], found[0]), one.path)
        status, answer = await self._request(one.method, path, self._renewed(one.body), one.user, one.idempotency_key)
        # An answer of another shape has other ids: what is not sure to be the same thing is not taken for it.
        if len(found := list(ids_in(answer))) == len(one.ids):
            self._ids.update(zip(one.ids, found, strict=True))
        outcome = outcome_of(answer) if one.method != "GET" else one.outcome
        if (status, outcome) == (one.status, one.outcome):
            self.same += 1
        else:
            was = f"{one.status} {msgspec.json.encode(one.outcome).decode()}"
            is_now = f"{status} {msgspec.json.encode(outcome).decode()}"
            self.others.append(f"{one.at_ms} ms {one.user} {one.method} {one.path}: {was}, now {is_now}")

    def _renewed(self, body: Any) -> Any:
        """A body with the ids and names of now."""
        if not isinstance(body, dict):
            return body
        return {
            key: self.names.get(value, value)
            if key == "to"
            else self._ids.get(value, value)
            if key.endswith("_id") and isinstance(value, str)
            else value
            for key, value in body.items()
        }

    async def _ask(
        self, method: str, path: str, body: Any = None, user: str = "", allowed: Sequence[int] = (200, 201)
    ) -> dict[str, Any]:
        status, answer = await self._request(method, path, body, user)
        if status not in allowed:
            raise ReplayError(f"{method} {path} was answered {status}: {answer.get('detail', '')}")
        return dict(answer)

    async def _request(self, method: str, path: str, body: Any, user: str, key: str = "") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self._tokens[user]}"} if user else {}
        if key:
            headers["Idempotency-Key"] = key
        async with self._session.request(method, path, json=body, headers=headers) as response:
            text = await response.read()
            return response.status, msgspec.json.decode(text) if response.content_type.endswith("json") else None
