"""A user's own orders, fills and balances on ``/ws``, each message with the engine event that it tells of.

Notification publishes what happens, and keeps it. Whoever was away, or whose messages were interrupted on their way,
is given first what it missed, then what came meanwhile, then what happens from there on: each message once, in order.
"""

import asyncio
from collections.abc import Iterable, Sequence

import msgspec
import structlog
from opentelemetry import trace
from opentelemetry.context import Context

from services.client_gateway.balances import Balances
from services.client_gateway.connection import Connection
from services.client_gateway.frames import text_frame
from services.client_gateway.live import Live
from shared.batching import Clients
from shared.contracts.events import user_channel
from shared.contracts.notifications import GET_NOTIFICATIONS, AnyMessage, Notifications, NotificationsQuery
from shared.contracts.operations import Refused
from shared.errors import Problem, Unavailable
from shared.tracing import current_traceparent

log = structlog.get_logger()

ORDERS, FILLS, BALANCES = CHANNELS = ("orders", "fills", "balances")
FUNDS = "funds"
"""What is heard when funds have moved: the balances tell."""

PAGE = 500
"""Events that are read at once."""

RETRY_S = 0.5

_encode = msgspec.json.Encoder().encode


class Heard(msgspec.Struct):
    """What of a message tells its place and its channel."""

    type: str
    seq: int

    @property
    def channel(self) -> str:
        return FILLS if self.type == "trade" else ORDERS


_decode = msgspec.json.Decoder(Heard).decode


class Follower:
    """One connection of a user: which channels it wants, and how far it is."""

    def __init__(self, connection: Connection, channels: frozenset[str]) -> None:
        self.connection = connection
        self.channels = channels
        self.seq = 0
        """The event of the last message, and how many messages of it there were."""
        self._count = 0
        self._waiting: list[tuple[Heard, bytes]] | None = []

    def hear(self, heard: Heard, frame: bytes) -> None:
        """A message that is told now, or once all before it is told."""
        if self._waiting is not None:
            self._waiting.append((heard, frame))
            return
        if heard.seq != self.seq:
            self.seq, self._count = heard.seq, 0
        self._count += 1
        if heard.channel in self.channels:
            self.connection.write(frame)

    def hold(self) -> None:
        """Messages are missed from now on, until ``catch_up``."""
        if self._waiting is None:
            self._waiting = []
            self.connection.send({"type": "interrupted", "channels": sorted(self.channels)})

    def begin(self, seq: int) -> None:
        """Everything up to this event is behind it."""
        self.seq, self._count = seq, 0

    def take_over(self, other: "Follower") -> None:
        """Goes on where another follower of the same connection is."""
        self.seq, self._count = other.seq, other._count

    def tell(self, messages: Iterable[AnyMessage]) -> None:
        """Messages that were missed, in order; those of its last event that it has had already are passed over."""
        again = self._count
        for message in messages:
            if message.seq == self.seq and again:
                again -= 1
                continue
            if message.seq != self.seq:
                self.seq, self._count, again = message.seq, 0, 0
            self._count += 1
            data = _encode(message)
            if _decode(data).channel in self.channels:
                self.connection.write_large(text_frame(data))

    def go_on(self, up_to: int) -> None:
        """All up to this event is told: what came meanwhile and is newer follows, and from here on everything."""
        waiting, self._waiting = self._waiting or [], None
        for heard, frame in waiting:
            if heard.seq > up_to:
                self.hear(heard, frame)

    @property
    def after(self) -> int:
        """Where to read on: the last event may not have been told whole."""
        return self.seq - 1 if self._count else self.seq


class UserChannel:
    """The connections of one user."""

    def __init__(self, user_id: int, clients: Clients) -> None:
        self.followers: dict[Connection, Follower] = {}
        self.balances = Balances(user_id, clients, self._tell_balances)
        self._user_id = user_id
        self._clients = clients
        self._tasks: set[asyncio.Task[None]] = set()
        self._tracer = trace.get_tracer("services.client_gateway.own_messages")

    def hear(self, data: bytes) -> None:
        heard, frame = _decode(data), text_frame(data)
        if heard.type != FUNDS:
            for follower in list(self.followers.values()):
                follower.hear(heard, frame)
        if any(BALANCES in follower.channels for follower in self.followers.values()):
            self.balances.refresh(heard.seq, again=heard.type == FUNDS)

    def interrupted(self) -> None:
        for follower in self.followers.values():
            follower.hold()

    def resumed(self) -> None:
        for follower in self.followers.values():
            task = asyncio.create_task(self._resume(follower))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def catch_up(self, follower: Follower, position: int = 0) -> int:
        """Tells what the follower missed; answers the event up to which that is. Raises Unavailable.

        Ends early where the connection is over, or has another follower by now.
        """
        after = follower.after
        while True:
            page = await self.read(after, PAGE, position)
            if self.followers.get(follower.connection) is not follower:
                return after
            follower.tell(page.messages)
            after = page.up_to
            if len({message.seq for message in page.messages}) < PAGE:
                follower.go_on(after)
                return after

    async def read(self, after: int, limit: int, position: int) -> Notifications:
        """What the user was told after an event; ``limit`` 0: only up to which event there is something."""
        query = NotificationsQuery(
            user_id=self._user_id, after=after, limit=limit, position=position, traceparent=current_traceparent()
        )
        answer = await self._clients.call(GET_NOTIFICATIONS, query)
        if isinstance(answer, Refused):
            raise Unavailable("notification", answer.detail)
        return answer

    async def _resume(self, follower: Follower) -> None:
        """After an interruption: as long as it takes."""
        while self.followers.get(follower.connection) is follower:
            try:
                with self._tracer.start_as_current_span("catch_up", Context()):
                    up_to = await self.catch_up(follower)
            except Unavailable as error:
                log.info("missed messages can't be read yet", user_id=self._user_id, error=str(error))
                await asyncio.sleep(RETRY_S)
            else:
                follower.connection.send({"type": "resumed", "seq": up_to})
                if BALANCES in follower.channels:
                    self.balances.refresh(up_to, again=True)
                return

    def _tell_balances(self, frame: bytes) -> None:
        for follower in list(self.followers.values()):
            if BALANCES in follower.channels:
                follower.connection.write(frame)


class OwnMessages:
    """All users that are connected, each with its channel of messages in Valkey."""

    def __init__(self, clients: Clients, live: Live) -> None:
        self._clients = clients
        self._live = live
        self._channels: dict[int, UserChannel] = {}

    async def follow(
        self, connection: Connection, user_id: int, channels: Sequence[str], after: int | None, position: int
    ) -> int:
        """Tells a connection what its user is told after event ``after``, on these channels.

        ``after`` None: from now on, or where the connection follows already, from where it is.

        Answers the event up to which it is told. ``position``: no older than this event. Raises Problem, Unavailable.
        """
        if unknown := set(channels) - set(CHANNELS):
            raise Problem(422, "unknown_channel", f"{', '.join(sorted(unknown))}: there are {', '.join(CHANNELS)}.")
        if not channels:
            self._forget(user_id, connection)
            return position
        channel = self._channels.setdefault(user_id, UserChannel(user_id, self._clients))
        known = channel.followers.get(connection)
        follower = channel.followers[connection] = Follower(connection, frozenset(channels))
        connection.at_end(lambda: self._forget(user_id, connection))
        try:
            await self._live.follow(user_channel(user_id), channel)
            if after is not None:
                follower.begin(after)
            elif known is not None:
                follower.take_over(known)
            else:
                follower.begin((await channel.read(0, 0, position)).up_to)
            up_to = await channel.catch_up(follower, position)
        except BaseException:
            self._forget(user_id, connection)
            raise
        if BALANCES in follower.channels:
            channel.balances.refresh(up_to, again=True)
        return up_to

    def _forget(self, user_id: int, connection: Connection) -> None:
        channel = self._channels.get(user_id)
        if channel is None or channel.followers.pop(connection, None) is None or channel.followers:
            return
        del self._channels[user_id]
        self._live.leave(user_channel(user_id))
