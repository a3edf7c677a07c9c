"""The tables of targets and deliveries."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from asyncpg import Record
from opentelemetry.trace import Span

from services.notification.targets import Target
from shared.connections import Connection
from shared.postgres import Database, Statement

NEWEST = 2**63 - 1
BATCH_MAX = 100
"""Deliveries in one request or mail."""

PENDING_MAX = 10_000
"""Deliveries that may wait for one target. Beyond that the oldest are dead letters."""

DEAD_MAX = 10_000
"""Dead letters of one user that are kept."""

COLUMNS = "target_id, user_id, channel, address, kinds, secret, confirmed, failures, due_us, created_us"

SELECT_CONFIRMED = Statement("SELECT target", f"SELECT {COLUMNS} FROM targets WHERE confirmed")  # noqa: S608

SELECT_TARGETS = Statement(
    "SELECT target",
    f"SELECT {COLUMNS} FROM targets WHERE user_id = $1 AND channel = $2 ORDER BY target_id",  # noqa: S608
)

INSERT_TARGET = Statement(
    "INSERT target",
    f"""INSERT INTO targets (user_id, channel, address, kinds, secret, confirmed, created_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {COLUMNS}""",  # noqa: S608
)

DELETE_TARGETS = Statement(
    "DELETE target",
    """WITH gone AS (
           DELETE FROM targets WHERE user_id = $1 AND channel = $2 AND ($3::bigint = 0 OR target_id = $3)
           RETURNING target_id),
       undelivered AS (DELETE FROM deliveries USING gone WHERE deliveries.target_id = gone.target_id)
       SELECT target_id FROM gone""",
)

UPDATE_KINDS = Statement(
    "UPDATE target",
    f"UPDATE targets SET kinds = $2 WHERE target_id = $1 RETURNING {COLUMNS}",  # noqa: S608
)

CONFIRM_TARGET = Statement(
    "UPDATE target",
    f"""UPDATE targets SET confirmed = true, secret = ''
        WHERE user_id = $1 AND channel = 'email' AND NOT confirmed AND secret = $2 AND created_us > $3
        RETURNING {COLUMNS}""",  # noqa: S608
)

INSERT_DELIVERIES = Statement(
    "INSERT delivery",
    """INSERT INTO deliveries (target_id, user_id, seq, payload, traceparent, created_us)
       SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::text[], $6::bigint[])""",
)

SELECT_WAITING = f"""
    SELECT {COLUMNS} FROM targets
    WHERE target_id <> ALL($1::bigint[])
      AND EXISTS (SELECT FROM deliveries WHERE deliveries.target_id = targets.target_id AND dead_us IS NULL)
    ORDER BY due_us LIMIT 100"""  # noqa: S608

# What has been tried together is tried together again, so that a repeated request is the same request.
SELECT_BATCH = """
    SELECT delivery_id, payload, traceparent FROM deliveries
    WHERE target_id = $1 AND dead_us IS NULL
      AND attempts = (SELECT attempts FROM deliveries WHERE target_id = $1 AND dead_us IS NULL
                      ORDER BY delivery_id LIMIT 1)
    ORDER BY delivery_id LIMIT $2"""

DELIVERED = """
    WITH done AS (DELETE FROM deliveries WHERE delivery_id = ANY($2::bigint[]))
    UPDATE targets SET failures = 0, due_us = $3 WHERE target_id = $1 AND (failures > 0 OR due_us < $3)"""

FAILED = """
    WITH tried AS (
        UPDATE deliveries SET attempts = attempts + 1, error = $4 WHERE delivery_id = ANY($2::bigint[]))
    UPDATE targets SET failures = failures + 1, due_us = $3 WHERE target_id = $1"""

GIVE_UP = f"""
    UPDATE deliveries SET dead_us = $1
    FROM (SELECT delivery_id, row_number() OVER (PARTITION BY target_id ORDER BY delivery_id DESC) AS place
          FROM deliveries WHERE dead_us IS NULL) AS waiting
    WHERE deliveries.delivery_id = waiting.delivery_id AND (created_us < $2 OR place > {PENDING_MAX})"""  # noqa: S608

FORGET_DEAD = f"""
    DELETE FROM deliveries
    USING (SELECT delivery_id, row_number() OVER (PARTITION BY user_id ORDER BY delivery_id DESC) AS place
           FROM deliveries WHERE dead_us IS NOT NULL) AS dead
    WHERE deliveries.delivery_id = dead.delivery_id AND (dead_us < $1 OR place > {DEAD_MAX})"""  # noqa: S608

SELECT_DEAD = Statement(
    "SELECT delivery",
    """SELECT delivery_id, channel, target_id, seq, attempts, error, deliveries.created_us, dead_us, payload
       FROM deliveries JOIN targets USING (target_id)
       WHERE deliveries.user_id = $1 AND dead_us IS NOT NULL AND delivery_id < $2
       ORDER BY delivery_id DESC LIMIT $3""",
)

REVIVE = Statement(
    "UPDATE delivery",
    """WITH revived AS (
           UPDATE deliveries SET dead_us = NULL, attempts = 0, error = '', created_us = $3
           WHERE user_id = $1 AND dead_us IS NOT NULL AND ($2::bigint = 0 OR delivery_id = $2) RETURNING target_id),
       roused AS (UPDATE targets SET due_us = 0 WHERE target_id IN (SELECT target_id FROM revived))
       SELECT count(*) AS count FROM revived""",
)


class NewDelivery(NamedTuple):
    """What is to be delivered: ``payload`` is a JSON list of messages, ``traceparent`` of the span that wrote it."""

    target_id: int
    user_id: int
    seq: int
    payload: bytes
    traceparent: str
    created_us: int


class Delivery(NamedTuple):
    """What waits."""

    delivery_id: int
    payload: bytes
    traceparent: str


class DeliveryStore:
    """What the loop needs of the tables. None of it belongs to a request, so none of it is traced."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self, busy: Sequence[int]) -> list[Target]:
        """Targets for whom something waits, without the busy ones, those first that have been due the longest."""
        async with self._database.connection() as connection:
            return [target_of(row) for row in await connection.fetch(SELECT_WAITING, busy)]

    async def batch(self, target_id: int) -> list[Delivery]:
        """What a target gets next, oldest first."""
        async with self._database.connection() as connection:
            return [Delivery(*row) for row in await connection.fetch(SELECT_BATCH, target_id, BATCH_MAX)]

    async def delivered(self, target_id: int, delivery_ids: Sequence[int], due_us: int) -> None:
        """They are done; the target may be told again from ``due_us`` on."""
        async with self._database.connection() as connection:
            await connection.execute(DELIVERED, target_id, delivery_ids, due_us)

    async def failed(self, target_id: int, delivery_ids: Sequence[int], due_us: int, error: str) -> None:
        """They wait on; the target is tried again from ``due_us`` on."""
        async with self._database.connection() as connection:
            await connection.execute(FAILED, target_id, delivery_ids, due_us, error)

    async def bury(self, now_us: int, retry_us: int, kept_us: int) -> None:
        """What has waited for ``retry_us`` is dead; what has been dead for ``kept_us`` is forgotten."""
        async with self._database.connection() as connection:
            await connection.execute(GIVE_UP, now_us, now_us - retry_us)
            await connection.execute(FORGET_DEAD, now_us - kept_us)


async def add_deliveries(connection: Connection, spans: Sequence[Span], deliveries: Sequence[NewDelivery]) -> None:
    """In the transaction of the events that they tell of."""
    await INSERT_DELIVERIES.fetch(connection, spans, *[list(column) for column in zip(*deliveries, strict=True)])


def target_of(row: Record | Any) -> Target:
    return Target(
        target_id=row["target_id"],
        user_id=row["user_id"],
        channel=row["channel"],
        address=row["address"],
        kinds=frozenset(row["kinds"]),
        secret=row["secret"],
        confirmed=row["confirmed"],
        failures=row["failures"],
        due_us=row["due_us"],
        created_us=row["created_us"],
    )
