"""What administrators do to users. Each change and its record are one statement, so that there is never one without
the other."""

import json
import secrets
import time
from collections.abc import Sequence
from typing import Any

from asyncpg import Record
from opentelemetry.trace import Span

from services.user_service.tokens import Tokens
from services.user_service.users import ADMIN, USER, key_of, reset_hash, unknown_user
from shared.contracts import users
from shared.contracts.operations import Refused
from shared.contracts.users import UserAction, UserRecord
from shared.postgres import Database, Statement
from shared.tracing import trace_id_of

NEWEST = 2**63 - 1
CODE_BYTES = 16
CODE_LIFETIME_S = 86_400
ROLES = {USER: [USER], ADMIN: [USER, ADMIN]}

COLUMNS = """user_id, username, roles, (extract(epoch FROM created_at) * 1000000)::bigint AS created_us,
             reset_hash IS NOT NULL AS must_reset, generation"""

SELECT_USERS = Statement(
    "SELECT user",
    f"""SELECT {COLUMNS} FROM users WHERE user_id > $1 AND position($2 IN username_key) > 0
        ORDER BY user_id LIMIT $3""",  # noqa: S608
)

SELECT_USER = Statement("SELECT user", f"SELECT {COLUMNS} FROM users WHERE user_id = $1")  # noqa: S608


def _change(assignments: str) -> Statement:
    """Changes user $1 and notes it. $2 to $6: time, administrator, action, detail, trace."""
    return Statement(
        "UPDATE user",
        f"""WITH changed AS (
                UPDATE users SET generation = generation + 1, generation_since = now(), {assignments}
                WHERE user_id = $1 RETURNING {COLUMNS}),
            noted AS (
                INSERT INTO actions (time_us, done_by, user_id, action, detail, trace_id)
                SELECT $2, $3, user_id, $4, $5::jsonb, $6 FROM changed)
            SELECT * FROM changed""",  # noqa: S608
    )


UPDATE_ROLES = _change("roles = $7")
UPDATE_GENERATION = _change("username = username")
UPDATE_RESET = _change("reset_hash = $7, reset_until = to_timestamp($8)")

SELECT_ACTIONS = Statement(
    "SELECT action",
    """SELECT number, time_us, done_by AS user_id, user_id AS account_id, action, detail::text, trace_id
       FROM actions WHERE number < $1 ORDER BY number DESC LIMIT $2""",
)

OWN_ROLE = Refused(code="own_role", detail="Your own role is for another administrator to change.")
INVALID_ROLE = Refused(code="invalid_role", detail=f"role must be one of {', '.join(ROLES)}.")


class Administration:
    """Methods serve an operation: they take its batch and the open span of each item."""

    def __init__(self, database: Database, tokens: Tokens) -> None:
        self._database = database
        self._tokens = tokens

    async def list_users(self, items: Sequence[users.UsersQuery], spans: Sequence[Span]) -> list[users.Users]:
        """Pages of users, by id."""
        pages = []
        async with self._database.connection() as connection:
            for item in items:
                # PostgreSQL's text can't hold a NUL, and no name does.
                search = key_of(item.search).replace("\x00", "\ufffd")
                rows = await SELECT_USERS.fetch(connection, spans, item.after, search, item.limit)
                pages.append(users.Users(users=tuple(map(_record, rows))))
        return pages

    async def get_user(self, items: Sequence[users.UserOf], spans: Sequence[Span]) -> list[UserRecord | Refused]:
        """Single users."""
        async with self._database.connection() as connection:
            found = [await SELECT_USER.fetch(connection, spans, item.account_id) for item in items]
        return [_record(rows[0]) if rows else unknown_user() for rows in found]

    async def change_role(self, items: Sequence[users.RoleChange], spans: Sequence[Span]) -> list[UserRecord | Refused]:
        """Makes administrators, or ordinary users again. Tokens with the old role open nothing any more."""
        return [await self._change_role(item, span) for item, span in zip(items, spans, strict=True)]

    async def revoke_tokens(
        self, items: Sequence[users.AccountAction], spans: Sequence[Span]
    ) -> list[UserRecord | Refused]:
        """All tokens that a user has so far open nothing any more."""
        return [
            await self._change(UPDATE_GENERATION, item.account_id, item.user_id, "revoke_tokens", {}, span)
            for item, span in zip(items, spans, strict=True)
        ]

    async def force_reset(
        self, items: Sequence[users.AccountAction], spans: Sequence[Span]
    ) -> list[users.ResetCode | Refused]:
        """The password and all tokens open nothing any more; the code in the answer sets a new password."""
        return [await self._force_reset(item, span) for item, span in zip(items, spans, strict=True)]

    async def actions(self, items: Sequence[users.UserActionsQuery], spans: Sequence[Span]) -> list[users.UserActions]:
        """What was done, newest first."""
        pages = []
        async with self._database.connection() as connection:
            for item in items:
                rows = await SELECT_ACTIONS.fetch(connection, spans, item.before or NEWEST, item.limit)
                pages.append(users.UserActions(actions=tuple(UserAction(**dict(row)) for row in rows)))
        return pages

    async def _change_role(self, item: users.RoleChange, span: Span) -> UserRecord | Refused:
        roles = ROLES.get(item.role)
        if roles is None:
            return INVALID_ROLE
        if item.account_id == item.user_id:
            return OWN_ROLE
        detail = {"role": item.role}
        return await self._change(UPDATE_ROLES, item.account_id, item.user_id, "change_role", detail, span, roles)

    async def _force_reset(self, item: users.AccountAction, span: Span) -> users.ResetCode | Refused:
        code = secrets.token_urlsafe(CODE_BYTES)
        until_s = int(time.time()) + CODE_LIFETIME_S
        changed = await self._change(
            UPDATE_RESET, item.account_id, item.user_id, "force_reset", {}, span, reset_hash(code), until_s
        )
        if isinstance(changed, Refused):
            return changed
        return users.ResetCode(user_id=changed.user_id, code=code, expires_at_s=until_s)

    async def _change(
        self,
        statement: Statement,
        account_id: int,
        done_by: int,
        action: str,
        detail: dict[str, str],
        span: Span,
        *values: Any,
    ) -> UserRecord | Refused:
        noted = (time.time_ns() // 1000, done_by, action, json.dumps(detail), trace_id_of(span))
        async with self._database.connection() as connection:
            rows = await statement.fetch(connection, (span,), account_id, *noted, *values)
        if not rows:
            return unknown_user()
        self._tokens.outdate({account_id: rows[0]["generation"]})
        return _record(rows[0])


def _record(row: Record) -> UserRecord:
    return UserRecord(
        user_id=row["user_id"],
        username=row["username"],
        roles=tuple(row["roles"]),
        created_us=row["created_us"],
        must_reset=row["must_reset"],
    )
