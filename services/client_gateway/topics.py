"""A topic of market data at the gateway: its readers, and what a new one needs.

Messages come ready encoded from Valkey and are one frame for all readers. The gateway keeps the last snapshot and the
messages since, so whoever subscribes costs market-data nothing, or one question for all who come at the same time. It
sees a gap before its readers do, asks for the topic as it is, and gives them that: a snapshot may come at any time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec
import structlog

from services.client_gateway.connection import Connection
from services.client_gateway.frames import text_frame
from shared.contracts.market import Kind, Snapshot, TopicKey
from shared.errors import Unavailable

log = structlog.get_logger()

CHUNK = 64
"""Readers that are written to before the gateway does something else: a message to many delays no order for long."""

SINCE_MAX = 256
"""Messages that are kept after a snapshot. Beyond that the next reader's snapshot is a fresh one."""

RETRY_S = 0.3

Ask = Callable[[TopicKey], Awaitable[Snapshot]]
"""Asks market-data for a topic as it is. Raises Unavailable."""


class Heard(NamedTuple):
    """A message from Valkey."""

    kind: Kind
    sequence: int
    frame: bytes


class Joining(NamedTuple):
    """A reader that waits for its snapshot, which ``greeting`` comes before."""

    reader: Connection
    greeting: bytes
    done: asyncio.Future[None]


class Topic:
    """Hears one Valkey channel and tells its readers.

    One task at a time does the work. What is heard meanwhile waits, and leaves as one write to each reader.
    """

    def __init__(self, key: TopicKey, ask: Ask) -> None:
        self.key = key
        self.heard_at_s = time.monotonic()
        self.readers: dict[Connection, None] = {}
        self.claims = 0
        """Subscriptions that are under way."""
        self._ask = ask
        self._sequence = 0
        """Of the last message that the readers were given."""
        self._known = False
        """Whether that leads on to what is heard. Otherwise they need a snapshot."""
        self._cut = False
        """Valkey is lost: there is nothing to lead on from."""
        self._told_of_interruption = False
        self._snapshot = b""
        self._snapshot_sequence = 0
        self._since: list[bytes] = []
        """All after the snapshot that the readers were given."""
        self._coming: list[Heard] = []
        self._joining: list[Joining] = []
        self._work: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Nobody reads or is about to."""
        return not self.readers and not self.claims

    @property
    def _wanted(self) -> bool:
        return bool(self.readers or self._joining)

    def hear(self, data: bytes) -> None:
        head, _, body = data.partition(b"\n")
        kind, _, sequence = head.partition(b" ")
        self.heard_at_s = time.monotonic()
        self._coming.append(Heard(Kind(kind.decode()), int(sequence), text_frame(body)))
        self._go_on()

    def interrupted(self) -> None:
        """Messages are missed from now on. Readers are told, and keep their places."""
        self._cut, self._known, self._snapshot = True, False, b""
        self._coming.clear()
        self._tell_of_interruption()

    def resumed(self) -> None:
        self._cut = False
        self._go_on()

    def refresh(self) -> None:
        """Nothing was heard for longer than there can be silence."""
        self.heard_at_s = time.monotonic()
        self._known, self._snapshot = False, b""
        self._go_on()

    async def join(self, reader: Connection, greeting: bytes) -> None:
        """Adds a reader, or gives it a fresh start: the greeting, the topic as it is, and from there every message.

        The channel must be followed already. Raises Unavailable where the topic can't be had now.
        """
        joining = Joining(reader, greeting, asyncio.get_running_loop().create_future())
        self._joining.append(joining)
        self._go_on()
        await joining.done

    def _go_on(self) -> None:
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._do())

    async def _do(self) -> None:
        try:
            await self._work_off()
        except Exception as error:  # a bug: those who wait must hear of it, the others get a fresh start
            log.exception("a topic is in trouble", topic=self.key.valkey_channel)
            self._refuse(Unavailable("market-data", type(error).__name__))
            self._known, self._snapshot = False, b""

    async def _work_off(self) -> None:
        while not self._cut and self._wanted and (self._coming or self._joining or not self._known):
            if (not self._known or (self._joining and not self._snapshot)) and not await self._fetch():
                continue
            await self._spread(self._take())
            self._admit()
        if not self._wanted:
            self._coming.clear()
            self._known, self._snapshot = False, b""

    async def _fetch(self) -> bool:
        """Gets a snapshot. What was heard before it was asked for is in it; what comes meanwhile waits."""
        try:
            found = await self._ask(self.key)
        except Unavailable as error:
            self._refuse(error)
            if self.readers:
                self._tell_of_interruption()
                await asyncio.sleep(RETRY_S)
            return False
        if self._cut:
            return False
        self._keep(text_frame(bytes(found.message)), found.sequence)
        if not self._known or found.sequence < self._sequence:
            await self._start_over()
        return True

    def _take(self) -> list[bytes]:
        """What of the messages that came leads on for the readers. Stops where there is a gap."""
        coming, self._coming = self._coming, []
        frames: list[bytes] = []
        for number, heard in enumerate(coming):
            if heard.sequence > self._sequence + (heard.kind is Kind.UPDATE) and heard.kind is not Kind.SNAPSHOT:
                log.warning("market data is missing", topic=self.key.valkey_channel, after=self._sequence)
                self._known, self._snapshot = False, b""
                self._coming = coming[number:] + self._coming
                break
            if heard.kind is Kind.HEARTBEAT:
                if heard.sequence == self._sequence:
                    frames.append(heard.frame)
            elif heard.sequence > self._sequence:
                self._sequence = heard.sequence
                frames.append(heard.frame)
                if heard.kind is Kind.SNAPSHOT:
                    self._keep(heard.frame, heard.sequence)
                elif self._snapshot and heard.sequence > self._snapshot_sequence:
                    self._since.append(heard.frame)
        if len(self._since) > SINCE_MAX:
            self._snapshot = b""
        return frames

    def _keep(self, snapshot: bytes, sequence: int) -> None:
        self._snapshot, self._snapshot_sequence, self._since = snapshot, sequence, []

    async def _start_over(self) -> None:
        """Gives the snapshot to those who read already."""
        self._sequence, self._known, self._told_of_interruption = self._snapshot_sequence, True, False
        for number, reader in enumerate(list(self.readers), 1):
            reader.write_large(self._snapshot)
            if number % CHUNK == 0:
                await asyncio.sleep(0)

    async def _spread(self, frames: list[bytes]) -> None:
        if not frames:
            return
        data = b"".join(frames)
        for number, reader in enumerate(list(self.readers), 1):
            reader.write(data)
            if number % CHUNK == 0:
                await asyncio.sleep(0)

    def _admit(self) -> None:
        """Lets in those who wait, where there is a snapshot for them."""
        if not self._known or not self._snapshot:
            return
        joining, self._joining = self._joining, []
        if not joining:
            return
        start = self._snapshot + b"".join(self._since)
        for one in joining:
            if not one.reader.ended:
                self.readers[one.reader] = None
                one.reader.write(one.greeting)
                one.reader.write_large(start)
            if not one.done.done():
                one.done.set_result(None)

    def _refuse(self, error: Unavailable) -> None:
        joining, self._joining = self._joining, []
        for one in joining:
            if not one.done.done():
                one.done.set_exception(error)

    def _tell_of_interruption(self) -> None:
        if self._told_of_interruption:
            return
        self._told_of_interruption = True
        frame = text_frame(msgspec.json.encode({"type": "interrupted", **self.key.named()}))
        for reader in list(self.readers):
            reader.write(frame)
