"""What the user-service does when it is asked: the rules, the passwords, the tokens and the store put together.

Each method serves one operation: it gets a batch and the open span of each item, and answers in the same order.
No span ever holds a password, a token, an e-mail address or a name that somebody merely tried.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import structlog
from opentelemetry import trace
from opentelemetry.trace import Span

from services.user_service.passwords import Passwords
from services.user_service.store import NewUser, User, UserStore
from services.user_service.tokens import ALGORITHM, Tokens
from services.user_service.users import (
    ADMIN,
    USER,
    invalid_credentials,
    invalid_reset_code,
    key_of,
    password_fault,
    password_reset_required,
    registration_fault,
    reset_hash,
    unknown_user,
    username_fault,
    username_taken,
)
from shared.contracts.operations import Done, Refused
from shared.contracts.users import (
    Credentials,
    Identity,
    KnownUser,
    PasswordChange,
    PasswordReset,
    Registration,
    Session,
    Token,
    UserNamed,
)

log = structlog.get_logger()

REFRESH_S = 5.0
"""How soon a token that another instance of this service revoked opens nothing here either."""

GENERATE_ATTRIBUTES = {"peer.service": "jwt", "jwt.algorithm": ALGORITHM}
HASH_ATTRIBUTES = {"peer.service": "argon2"}


class Accounts:
    """Users, and who they are."""

    def __init__(self, store: UserStore, passwords: Passwords, tokens: Tokens) -> None:
        self._store = store
        self._passwords = passwords
        self._tokens = tokens
        self._tracer = trace.get_tracer("services.user_service")

    async def register(self, items: Sequence[Registration], spans: Sequence[Span]) -> list[Session | Refused]:
        """Makes users and logs them in. Of several who want the same name the first gets it."""
        answers: list[Session | Refused | None] = [registration_fault(item) for item in items]
        wanted: dict[str, int] = {}
        for number, item in enumerate(items):
            if answers[number] is None and wanted.setdefault(key_of(item.username), number) != number:
                answers[number] = username_taken()
        if wanted:
            chosen = [items[number] for number in wanted.values()]
            hashes = await asyncio.gather(
                *(self._hash(items[number].password, spans[number]) for number in wanted.values())
            )
            new = [
                NewUser(item.username, password_hash, item.email, (USER,))
                for item, password_hash in zip(chosen, hashes, strict=True)
            ]
            added = await self._store.add(new, [spans[number] for number in wanted.values()])
            for key, number in wanted.items():
                answers[number] = self._session(added[key], spans[number]) if key in added else username_taken()
        return [answer for answer in answers if answer is not None]

    async def authenticate(self, items: Sequence[Credentials], spans: Sequence[Span]) -> list[Session | Refused]:
        """Tokens for those who know their password."""
        users = await self._store.find([_searched(item) for item in items], spans)
        found = [users.get(key_of(item.username)) for item in items]
        matches = await asyncio.gather(
            *(
                self._matches(user.password_hash if user else None, item.password, span)
                for user, item, span in zip(found, items, spans, strict=True)
            )
        )
        answers: list[Session | Refused] = []
        outdated: list[tuple[User, Credentials, Span]] = []
        for user, match, item, span in zip(found, matches, items, spans, strict=True):
            if user is None or not match:
                answers.append(invalid_credentials())
                continue
            if user.must_reset:
                answers.append(password_reset_required())
                continue
            answers.append(self._session(user, span))
            if self._passwords.is_outdated(user.password_hash):
                outdated.append((user, item, span))
        if outdated:
            fresh = [(user, await self._passwords.hash(item.password)) for user, item, _ in outdated]
            await self._store.replace_hashes(fresh, [span for _, _, span in outdated])
        return answers

    async def verify_token(self, items: Sequence[Token], spans: Sequence[Span]) -> list[Identity | Refused]:
        """Whom each token stands for. Asks no database: this is part of every request of every client."""
        answers = [self._tokens.verify(item.token) for item in items]
        for answer, span in zip(answers, spans, strict=True):
            if type(answer) is Identity:
                span.set_attribute("user.id", str(answer.user_id))
        return answers

    async def check_token(self, items: Sequence[Token], _spans: Sequence[Span]) -> list[Done | Refused]:
        """Whether tokens still open anything."""
        answers = [self._tokens.verify(item.token) for item in items]
        return [answer if isinstance(answer, Refused) else Done() for answer in answers]

    async def revoke_token(self, items: Sequence[Token], spans: Sequence[Span]) -> list[Done | Refused]:
        """Tokens that open nothing any more, from here on and after a restart. Revoking twice is fine."""
        answers: list[Done | Refused] = []
        revoked = []
        for item in items:
            found = self._tokens.inspect(item.token)
            if isinstance(found, Refused):
                # What has expired opens nothing already, which is all that was asked for.
                answers.append(found if found.code == "invalid_token" else Done())
            else:
                answers.append(Done())
                revoked.append((found.jti, found.identity.expires_at_s))
        if revoked:
            await self._store.add_revoked(revoked, spans)
            self._tokens.revoke(revoked)
        return answers

    async def find_user(self, items: Sequence[UserNamed], spans: Sequence[Span]) -> list[KnownUser | Refused]:
        """Users by name, as other users may know them."""
        wanted = [item.username if username_fault(item.username) is None else "" for item in items]
        users = await self._store.find(wanted, spans)
        return [
            KnownUser(user_id=user.user_id, username=user.username) if user is not None else unknown_user()
            for user in (users.get(key_of(username)) for username in wanted)
        ]

    async def change_password(self, items: Sequence[PasswordChange], spans: Sequence[Span]) -> list[Session | Refused]:
        """A new password for those who know theirs. All tokens so far open nothing any more."""
        return list(await asyncio.gather(*map(self._change_password, items, spans)))

    async def reset_password(self, items: Sequence[PasswordReset], spans: Sequence[Span]) -> list[Session | Refused]:
        """A new password for those who have the code that an administrator gave them."""
        return list(await asyncio.gather(*map(self._reset_password, items, spans)))

    async def _change_password(self, item: PasswordChange, span: Span) -> Session | Refused:
        user = await self._find_one(item.username, span)
        if not await self._passwords.matches(user.password_hash if user else None, item.password) or user is None:
            return invalid_credentials()
        if user.must_reset:
            return password_reset_required()
        fault = password_fault(item.new_password)
        return fault or await self._set_password(user, item.new_password, None, span) or invalid_credentials()

    async def _reset_password(self, item: PasswordReset, span: Span) -> Session | Refused:
        user = await self._find_one(item.username, span)
        fault = password_fault(item.new_password)
        if user is None or fault is not None:
            return fault or invalid_reset_code()
        return await self._set_password(user, item.new_password, reset_hash(item.code), span) or invalid_reset_code()

    async def _set_password(self, user: User, password: str, code_hash: bytes | None, span: Span) -> Session | None:
        """None where what it rests on, the old password or the code, is not in force."""
        fresh = await self._passwords.hash(password)
        generation = await self._store.set_password(user.user_id, fresh, user.password_hash, code_hash, span)
        if generation is None:
            return None
        self._tokens.outdate({user.user_id: generation})
        return self._session(replace(user, generation=generation), span)

    async def _find_one(self, username: str, span: Span) -> User | None:
        if username_fault(username) is not None:
            return None
        return (await self._store.find([username], (span,))).get(key_of(username))

    async def ensure_admin(self, username: str, password: str) -> None:
        """The administrator whom the settings name exists. An existing user is never changed, nor made one."""
        existing = (await self._store.find([username], ())).get(key_of(username))
        if existing is None:
            admin = NewUser(username, await self._passwords.hash(password), "", (USER, ADMIN))
            await self._store.add([admin], ())
        elif ADMIN not in existing.roles:
            log.error("ADMIN_USERNAME is the name of a user without the role admin: choose another one")

    async def refresh_revoked(self) -> None:
        """Learns which tokens are revoked, from the database."""
        self._tokens.revoke(await self._store.revoked())
        self._tokens.outdate(await self._store.generations(int(time.time()) - self._tokens.lifetime_s))

    async def _hash(self, password: str, span: Span) -> str:
        """What is kept of a password. It takes long on purpose, which the trace should say."""
        context = trace.set_span_in_context(span)
        with self._tracer.start_as_current_span("hash_password", context, attributes=HASH_ATTRIBUTES):
            return await self._passwords.hash(password)

    async def _matches(self, kept: str | None, password: str, span: Span) -> bool:
        """Whether a password is the one that is kept; an event says when that was known, for it takes long as well."""
        matches = await self._passwords.matches(kept, password)
        span.add_event("password verified", HASH_ATTRIBUTES)
        return matches

    def _session(self, user: User, span: Span) -> Session:
        span.set_attribute("user.id", str(user.user_id))
        context = trace.set_span_in_context(span)
        with self._tracer.start_as_current_span("generate_token", context, attributes=GENERATE_ATTRIBUTES):
            return self._tokens.issue(user.user_id, user.username, user.roles, user.generation)


def _searched(item: Credentials) -> str:
    """The name to look up: none where it can't be anybody's, since PostgreSQL would choke on some of those."""
    return "" if username_fault(item.username) else item.username
