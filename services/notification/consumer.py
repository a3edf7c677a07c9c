"""The engine's events, told to the users they touch: kept in the same transaction, published once that has committed.

A message that is lost on its way to a socket is not lost: the client asks for what it missed by ``seq``.
"""

from collections.abc import Sequence

import msgspec
from opentelemetry.trace import Span, SpanKind

from services.notification.messages import Notice, notices_of
from services.notification.store import NotificationStore
from services.notification.subscriptions import Subscriptions
from shared.attributes import MESSAGE_ID, processing
from shared.connections import Connection
from shared.consumer import AfterCommit
from shared.contracts.events import EXECUTIONS, EngineEvent, user_channel
from shared.tracing import ItemAttributes, item_spans, traceparent_of
from shared.valkey import Command, Valkey, pairs, raise_refused

NOTIFY_USER = ItemAttributes(
    {
        "messaging.message.id": ("event.seq", MESSAGE_ID),
        "order.id": ("order_id", str),
        "order.symbol": "event.symbol",
        "user.id": ("user_id", str),
    },
    processing("notify_user", EXECUTIONS),
)
PUBLISH_NOTIFICATION = ItemAttributes(
    {},
    {
        "messaging.system": "redis",
        "messaging.operation.name": "publish_notification",
        "messaging.operation.type": "send",
        "messaging.destination.template": "notification:{user_id}",
        "peer.service": "redis",
    },
)


class Notifier:
    """Tells users what happened to their orders."""

    def __init__(self, valkey: Valkey, store: NotificationStore, subscriptions: Subscriptions) -> None:
        self._valkey = valkey
        self._store = store
        self._subscriptions = subscriptions
        self._encode = msgspec.json.Encoder().encode

    async def apply(self, connection: Connection, events: Sequence[EngineEvent]) -> AfterCommit | None:
        """Keeps what the events mean to users, and publishes it afterwards to those who listen."""
        notices = [notice for event in events for notice in notices_of(event)]
        if not notices:
            return None
        with item_spans(
            "notify_user",
            [notice.event.traceparent for notice in notices],
            kind=SpanKind.CONSUMER,
            attributes=NOTIFY_USER,
            items=notices,
        ) as spans:
            await self._store.add(connection, spans, notices)
            delivers = await self._subscriptions.add(connection, notices, spans)

        async def tell() -> None:
            if delivers:
                self._subscriptions.told()
            await self._publish(notices, spans)

        return tell

    async def _publish(self, notices: Sequence[Notice], spans: Sequence[Span]) -> None:
        """Most users are not connected most of the time, so who listens is asked first: one command for all."""
        listening = await self._listening({user_channel(notice.user_id) for notice in notices})
        told = [
            (notice, span)
            for notice, span in zip(notices, spans, strict=True)
            if user_channel(notice.user_id) in listening
        ]
        if not told:
            return
        commands: list[Command] = [
            ("PUBLISH", user_channel(notice.user_id), self._encode(message))
            for notice, _ in told
            for message in notice.messages
        ]
        with item_spans(
            "publish_notification",
            [traceparent_of(span) for _, span in told],
            kind=SpanKind.PRODUCER,
            attributes=PUBLISH_NOTIFICATION,
            items=told,
        ):
            raise_refused(await self._valkey.pipeline(commands))

    async def _listening(self, channels: set[str]) -> set[str]:
        """Those of the channels that somebody listens to: by name, or possibly by a pattern."""
        answers = await self._valkey.pipeline([("PUBSUB", "NUMPAT"), ("PUBSUB", "NUMSUB", *channels)])
        raise_refused(answers)
        patterns, counts = answers
        return channels if patterns else {channel.decode() for channel, count in pairs(counts).items() if count}
