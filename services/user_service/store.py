"""The user-service's SQL."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from asyncpg import Record
from opentelemetry.trace import Span

from services.user_service.users import key_of
from shared.postgres import Database, Statement

SELECT_USER = Statement(
    "SELECT user",
    """SELECT user_id, username_key, username, password_hash, roles, generation, reset_hash IS NOT NULL AS must_reset
       FROM users WHERE username_key = ANY($1::text[])""",
)

INSERT_USER = Statement(
    "INSERT user",
    """INSERT INTO users (username_key, username, password_hash, email, roles)
       SELECT username_key, username, password_hash, email, string_to_array(roles, ' ')
       FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
            AS new (username_key, username, password_hash, email, roles)
       ORDER BY username_key
       ON CONFLICT (username_key) DO NOTHING
       RETURNING user_id, username_key, username, password_hash, roles, generation, false AS must_reset""",
)

UPDATE_PASSWORD = Statement(
    "UPDATE user",
    """UPDATE users SET password_hash = new.password_hash
       FROM unnest($1::bigint[], $2::text[], $3::text[]) AS new (user_id, old_hash, password_hash)
       WHERE users.user_id = new.user_id AND users.password_hash = new.old_hash""",
)

# With a code: only while it is the one in force. Without one: only while nobody has to use one.
SET_PASSWORD = Statement(
    "UPDATE user",
    """UPDATE users SET password_hash = $2, reset_hash = NULL, reset_until = NULL,
                        generation = generation + 1, generation_since = now()
       WHERE user_id = $1 AND password_hash = $3 AND reset_hash IS NOT DISTINCT FROM $4
         AND (reset_hash IS NULL OR reset_until > now())
       RETURNING generation""",
)

SELECT_GENERATIONS = Statement(
    "SELECT user", "SELECT user_id, generation FROM users WHERE generation_since > to_timestamp($1)"
)

INSERT_REVOKED = Statement(
    "INSERT revoked_token",
    """INSERT INTO revoked_tokens (jti, expires_at)
       SELECT jti, to_timestamp(expires_at_s) FROM unnest($1::uuid[], $2::bigint[]) AS new (jti, expires_at_s)
       ORDER BY jti
       ON CONFLICT DO NOTHING""",
)

SELECT_REVOKED = Statement(
    "SELECT revoked_token",
    "SELECT jti, extract(epoch FROM expires_at)::bigint AS expires_at_s FROM revoked_tokens WHERE expires_at > now()",
)

DELETE_EXPIRED = Statement("DELETE revoked_token", "DELETE FROM revoked_tokens WHERE expires_at <= now()")


@dataclass(frozen=True, slots=True)
class NewUser:
    """Somebody who passed the rules."""

    username: str
    password_hash: str = field(repr=False)
    email: str = field(repr=False)
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class User:
    """A user as stored, without the e-mail address, which nobody needs to let them in."""

    user_id: int
    username: str
    password_hash: str = field(repr=False)
    roles: tuple[str, ...]
    generation: int
    must_reset: bool


class UserStore:
    """Users and revoked tokens. Users are found and answered by ``key_of`` their name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, usernames: Sequence[str], spans: Sequence[Span]) -> dict[str, User]:
        """Those of the names that are users."""
        async with self._database.connection() as connection:
            rows = await SELECT_USER.fetch(connection, spans, [key_of(username) for username in usernames])
        return {row["username_key"]: _user(row) for row in rows}

    async def add(self, users: Sequence[NewUser], spans: Sequence[Span]) -> dict[str, User]:
        """Adds those whose name is free, once each, and answers them."""
        columns = zip(
            *((key_of(u.username), u.username, u.password_hash, u.email, " ".join(u.roles)) for u in users), strict=True
        )
        async with self._database.connection() as connection:
            rows = await INSERT_USER.fetch(connection, spans, *(list(column) for column in columns))
        return {row["username_key"]: _user(row) for row in rows}

    async def replace_hashes(self, users: Sequence[tuple[User, str]], spans: Sequence[Span]) -> None:
        """Keeps a new hash of the same password, unless the password was changed meanwhile."""
        async with self._database.connection() as connection:
            await UPDATE_PASSWORD.fetch(
                connection,
                spans,
                [user.user_id for user, _ in users],
                [user.password_hash for user, _ in users],
                [fresh for _, fresh in users],
            )

    async def add_revoked(self, revoked: Sequence[tuple[uuid.UUID, int]], spans: Sequence[Span]) -> None:
        """Token ids with their expiry in Unix time; those that are known already stay as they are."""
        async with self._database.connection() as connection:
            await INSERT_REVOKED.fetch(
                connection, spans, [jti for jti, _ in revoked], [expires_at_s for _, expires_at_s in revoked]
            )

    async def set_password(
        self, user_id: int, password_hash: str, old_hash: str, reset_hash: bytes | None, span: Span
    ) -> int | None:
        """Sets a new password, which ends all tokens. Answers the generation of the tokens to come.

        None where the old hash, or the code, is no longer the one in force.
        """
        async with self._database.connection() as connection:
            rows = await SET_PASSWORD.fetch(connection, (span,), user_id, password_hash, old_hash, reset_hash)
        return int(rows[0]["generation"]) if rows else None

    async def generations(self, since_s: int) -> dict[int, int]:
        """User id -> generation of tokens, of those whose generation changed after ``since_s`` (Unix time)."""
        async with self._database.connection() as connection:
            rows = await SELECT_GENERATIONS.fetch(connection, (), since_s)
        return {row["user_id"]: row["generation"] for row in rows}

    async def revoked(self) -> list[tuple[uuid.UUID, int]]:
        """All revoked tokens that have not expired; forgets those that have."""
        async with self._database.connection() as connection:
            await DELETE_EXPIRED.fetch(connection, ())
            rows = await SELECT_REVOKED.fetch(connection, ())
        # asyncpg's UUID is a subclass of the standard one; the plain one is smaller and is what tokens bring.
        return [(uuid.UUID(int=row["jti"].int), row["expires_at_s"]) for row in rows]


def _user(row: Record) -> User:
    return User(
        row["user_id"],
        row["username"],
        row["password_hash"],
        tuple(row["roles"]),
        row["generation"],
        row["must_reset"],
    )
