"""Notification's SQL."""

import asyncio
from collections.abc import Sequence

import msgspec
from opentelemetry.trace import Span

from services.notification.messages import Notice
from shared.connections import Connection, Lease
from shared.contracts.notifications import AnyMessage, NotificationsQuery
from shared.faults import LEAKING_POOL
from shared.postgres import Database, Statement

LIMIT_MAX = 1000
PRUNED_AT_ONCE = 10_000

INSERT = Statement(
    "INSERT notification",
    """INSERT INTO notifications (user_id, seq, time_us, payload)
       SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[])""",
)

SELECT = Statement(
    "SELECT notification",
    """SELECT query.number, found.seq, found.payload
       FROM unnest($1::bigint[], $2::bigint[], $3::int[]) WITH ORDINALITY AS query (user_id, after, most, number),
       LATERAL (SELECT seq, payload FROM notifications
                WHERE user_id = query.user_id AND seq > query.after ORDER BY seq LIMIT query.most) AS found
       ORDER BY query.number, found.seq""",
)

PRUNE = Statement(
    "DELETE notification",
    """DELETE FROM notifications WHERE ctid = ANY (ARRAY(
           SELECT ctid FROM notifications WHERE time_us < $1 OR seq <= $2 LIMIT $3))
       RETURNING 1""",
)


class NotificationStore:
    """What users were told, for those who were away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(list[AnyMessage]).decode
        self._leaked: list[Lease] = []
        LEAKING_POOL.while_on(self._leak)

    async def add(self, connection: Connection, spans: Sequence[Span], notices: Sequence[Notice]) -> None:
        """Keeps notices, in the transaction of the events that they tell of."""
        await INSERT.fetch(
            connection,
            spans,
            [notice.user_id for notice in notices],
            [notice.event.seq for notice in notices],
            [notice.event.time_us for notice in notices],
            [self._encode(notice.messages) for notice in notices],
        )

    async def find(
        self, queries: Sequence[NotificationsQuery], spans: Sequence[Span]
    ) -> list[list[tuple[int, list[AnyMessage]]]]:
        """For each query its events, oldest first, each with what it told the user. At most 1,000 events."""
        async with self._database.connection() as connection:
            rows = await SELECT.fetch(
                connection,
                spans,
                [query.user_id for query in queries],
                [query.after for query in queries],
                [most(query) for query in queries],
            )
        found: list[list[tuple[int, list[AnyMessage]]]] = [[] for _ in queries]
        for row in rows:
            found[row["number"] - 1].append((row["seq"], self._decode(row["payload"])))
        if LEAKING_POOL.on:
            lease = self._database.connection()
            await lease.__aenter__()
            self._leaked.append(lease)
        return found

    async def _leak(self) -> None:
        """What ``LEAKING_POOL`` took and did not give back comes back when it goes off."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            for lease in self._leaked:
                await lease.__aexit__(None, None, None)
            self._leaked.clear()

    async def prune(self, before_us: int, up_to: int) -> int:
        """Forgets some of what is older than ``before_us`` (Unix time) or belongs to events up to ``up_to``.

        Answers how many rows that were: fewer than ``PRUNED_AT_ONCE`` when nothing is left to forget.
        """
        async with self._database.connection(durable=False) as connection:
            return len(await PRUNE.fetch(connection, (), before_us, up_to, PRUNED_AT_ONCE))


def most(query: NotificationsQuery) -> int:
    """How many events a query gets at most; none where it only asks up to which event there is something."""
    return max(0, min(query.limit, LIMIT_MAX))
