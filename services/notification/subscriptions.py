"""Where users want to be told: what they ask for, and who is to be told of an event."""

import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

import msgspec
from opentelemetry.trace import Span

from services.notification import delivery_store as sql
from services.notification.deliverer import Confirmation, Deliverer
from services.notification.delivery_store import NEWEST, NewDelivery, add_deliveries, target_of
from services.notification.mail import Mailer
from services.notification.messages import Notice
from services.notification.settings import Settings
from services.notification.targets import (
    Target,
    address_fault,
    code_hash,
    kinds_fault,
    new_secret,
    target_refused,
    url_fault,
)
from services.notification.webhooks import Webhooks as WebhookClient
from shared.connections import Connection
from shared.contracts import deliveries as contract
from shared.contracts.operations import Done, Refused
from shared.postgres import Database
from shared.tracing import traceparent_of

CODE_LIFETIME_S = 86_400

NO_WEBHOOK = Refused(code="webhook_not_found", detail="You have no webhook of this number.")
NO_EMAIL = Refused(
    code="email_not_set", detail="You have no e-mail address here. Set one with PUT /notifications/email."
)
NO_MAIL_SERVER = Refused(
    code="email_unavailable", detail="This exchange sends no e-mail: it has no mail server (SMTP_HOST)."
)
WRONG_CODE = Refused(
    code="invalid_code", detail="This is not the code of the last mail, or it has expired. Set the address again."
)
NO_LETTER = Refused(code="delivery_not_found", detail="You have no dead letter of this number.")


class Subscriptions:
    """Targets in PostgreSQL, and those that are confirmed in memory, by user.

    Methods serve an operation: they take its batch and the open span of each item. Only one process of this service
    runs, so that what it remembers is what the table has.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        webhooks: WebhookClient,
        mailer: Mailer,
        deliverer: Deliverer,
    ) -> None:
        self._database = database
        self._settings = settings
        self._webhooks = webhooks
        self._mailer = mailer
        self._deliverer = deliverer
        self._targets: dict[int, dict[int, Target]] = defaultdict(dict)
        self._encode = msgspec.json.Encoder().encode

    async def load(self) -> None:
        """Remembers all targets. Call before events are followed."""
        async with self._database.connection() as connection:
            for row in await sql.SELECT_CONFIRMED.fetch(connection, ()):
                self._remember(target_of(row))

    async def add(self, connection: Connection, notices: Sequence[Notice], spans: Sequence[Span]) -> bool:
        """Writes what the targets of these users are to be told. Answers whether that is anything at all."""
        if not self._targets:
            return False
        found: list[NewDelivery] = []
        told: list[Span] = []
        now_us = time.time_ns() // 1000
        for notice, span in zip(notices, spans, strict=True):
            for target in self._targets.get(notice.user_id, {}).values():
                messages = [m for m in notice.messages if m.__struct_config__.tag in target.kinds]
                if messages:
                    payload = self._encode(messages)
                    origin = traceparent_of(span)
                    told.append(span)
                    found.append(
                        NewDelivery(target.target_id, notice.user_id, notice.event.seq, payload, origin, now_us)
                    )
        if found:
            await add_deliveries(connection, told, found)
        return bool(found)

    def told(self) -> None:
        """What ``add`` has written is committed: deliver it."""
        self._deliverer.wake()

    # Webhooks

    async def add_webhook(
        self, items: Sequence[contract.NewWebhook], spans: Sequence[Span]
    ) -> list[contract.WebhookAdded | Refused]:
        """Registers webhooks, each with a secret of its own."""
        return [await self._add_webhook(item, span) for item, span in zip(items, spans, strict=True)]

    async def _add_webhook(self, item: contract.NewWebhook, span: Span) -> contract.WebhookAdded | Refused:
        fault = kinds_fault(item.kinds) or url_fault(item.url, self._settings.webhook_targets)
        fault = fault or await self._lookup_fault(item.url)
        if fault is not None:
            return fault
        secret = new_secret()
        async with self._database.transaction() as connection:
            # A user's requests go one after another, so that the limit holds.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", item.user_id)
            known = await sql.SELECT_TARGETS.fetch(connection, (span,), item.user_id, "webhook")
            if len(known) >= self._settings.webhooks_per_user_max:
                limit = str(self._settings.webhooks_per_user_max)
                detail = f"You may have {limit} webhooks. Remove one first."
                return Refused(code="too_many_webhooks", detail=detail, figures={"limit": limit})
            values = (item.user_id, "webhook", item.url, _unique(item.kinds), secret, True, time.time_ns() // 1000)
            (row,) = await sql.INSERT_TARGET.fetch(connection, (span,), *values)
        self._remember(target_of(row))
        return contract.WebhookAdded(webhook=_webhook(target_of(row)), secret=secret)

    async def _lookup_fault(self, url: str) -> Refused | None:
        """Tells at once what would fail at each delivery. What counts is checked there, on each connection."""
        parts = urlsplit(url)
        try:
            reachable = await self._webhooks.reachable(parts.hostname or "", parts.port or 443)
        except (OSError, UnicodeError, TimeoutError):
            return Refused(code="invalid_url", detail="The host of this url can't be found.")
        return None if reachable else target_refused()

    async def webhooks(
        self, items: Sequence[contract.TargetsOf], spans: Sequence[Span]
    ) -> list[contract.Webhooks | Refused]:
        """All webhooks of each user."""
        async with self._database.connection() as connection:
            found = [await sql.SELECT_TARGETS.fetch(connection, spans, item.user_id, "webhook") for item in items]
        return [contract.Webhooks(webhooks=tuple(_webhook(target_of(row)) for row in rows)) for rows in found]

    async def remove_webhook(self, items: Sequence[contract.WebhookOf], spans: Sequence[Span]) -> list[Done | Refused]:
        """Forgets webhooks, with all that waits for them."""
        return [
            Done() if await self._remove(item.user_id, "webhook", item.webhook_id, span) else NO_WEBHOOK
            for item, span in zip(items, spans, strict=True)
        ]

    # E-mail

    async def set_email(
        self, items: Sequence[contract.EmailWish], spans: Sequence[Span]
    ) -> list[contract.Email | Refused]:
        """Sets what is told by e-mail. A new address gets a code first, and nothing else until it came back."""
        return [await self._set_email(item, span) for item, span in zip(items, spans, strict=True)]

    async def _set_email(self, item: contract.EmailWish, span: Span) -> contract.Email | Refused:
        fault = kinds_fault(item.kinds) or address_fault(item.address)
        if fault is not None or not self._mailer.configured:
            return fault or NO_MAIL_SERVER
        code, now_us = secrets.token_urlsafe(12), time.time_ns() // 1000
        async with self._database.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", item.user_id)
            known = await sql.SELECT_TARGETS.fetch(connection, (span,), item.user_id, "email")
            if known and known[0]["address"] == item.address and known[0]["confirmed"]:
                target_id = known[0]["target_id"]
                (row,) = await sql.UPDATE_KINDS.fetch(connection, (span,), target_id, _unique(item.kinds))
            else:
                await sql.DELETE_TARGETS.fetch(connection, (span,), item.user_id, "email", 0)
                values = (item.user_id, "email", item.address, _unique(item.kinds), code_hash(code), False, now_us)
                (row,) = await sql.INSERT_TARGET.fetch(connection, (span,), *values)
                payload = self._encode([Confirmation(code)])
                letter = NewDelivery(row["target_id"], item.user_id, 0, payload, traceparent_of(span), now_us)
                await add_deliveries(connection, (span,), [letter])
        self._forget(item.user_id, [old["target_id"] for old in known])
        self._remember(target_of(row))
        self._deliverer.wake()
        return _email(target_of(row))

    async def confirm_email(
        self, items: Sequence[contract.EmailCode], spans: Sequence[Span]
    ) -> list[contract.Email | Refused]:
        """From now on the address is told."""
        answers: list[contract.Email | Refused] = []
        since_us = time.time_ns() // 1000 - CODE_LIFETIME_S * 1_000_000
        async with self._database.connection() as connection:
            for item, span in zip(items, spans, strict=True):
                values = (item.user_id, code_hash(item.code), since_us)
                rows = await sql.CONFIRM_TARGET.fetch(connection, (span,), *values)
                for row in rows:
                    self._remember(target_of(row))
                answers.append(_email(target_of(rows[0])) if rows else WRONG_CODE)
        return answers

    async def email(self, items: Sequence[contract.TargetsOf], spans: Sequence[Span]) -> list[contract.Email | Refused]:
        """What each user is told by e-mail."""
        async with self._database.connection() as connection:
            found = [await sql.SELECT_TARGETS.fetch(connection, spans, item.user_id, "email") for item in items]
        return [_email(target_of(rows[0])) if rows else NO_EMAIL for rows in found]

    async def remove_email(self, items: Sequence[contract.TargetsOf], spans: Sequence[Span]) -> list[Done | Refused]:
        """Forgets the address, with all that waits for it."""
        return [
            Done() if await self._remove(item.user_id, "email", 0, span) else NO_EMAIL
            for item, span in zip(items, spans, strict=True)
        ]

    # Dead letters

    async def dead_letters(
        self, items: Sequence[contract.DeadLettersQuery], spans: Sequence[Span]
    ) -> list[contract.DeadLetters | Refused]:
        """What could not be delivered, newest first."""
        pages: list[contract.DeadLetters | Refused] = []
        async with self._database.connection() as connection:
            for item in items:
                rows = await sql.SELECT_DEAD.fetch(connection, spans, item.user_id, item.before or NEWEST, item.limit)
                letters = [
                    contract.DeadLetter(
                        delivery_id=row["delivery_id"],
                        channel=row["channel"],
                        webhook_id=row["target_id"] if row["channel"] == "webhook" else 0,
                        seq=row["seq"],
                        attempts=row["attempts"],
                        error=row["error"],
                        created_us=row["created_us"],
                        dead_us=row["dead_us"],
                        # A code that confirms an address is for the reader of its mail alone.
                        messages=msgspec.Raw(row["payload"] if row["seq"] else b"[]"),
                    )
                    for row in rows
                ]
                pages.append(contract.DeadLetters(letters=tuple(letters)))
        return pages

    async def redeliver(
        self, items: Sequence[contract.Redelivery], spans: Sequence[Span]
    ) -> list[contract.Redelivered | Refused]:
        """Dead letters wait for delivery again."""
        answers: list[contract.Redelivered | Refused] = []
        async with self._database.connection() as connection:
            for item in items:
                values = (item.user_id, item.delivery_id, time.time_ns() // 1000)
                (row,) = await sql.REVIVE.fetch(connection, spans, *values)
                none = item.delivery_id and not row["count"]
                answers.append(NO_LETTER if none else contract.Redelivered(count=row["count"]))
        self._deliverer.wake()
        return answers

    async def _remove(self, user_id: int, channel: str, target_id: int, span: Span) -> bool:
        async with self._database.connection() as connection:
            rows = await sql.DELETE_TARGETS.fetch(connection, (span,), user_id, channel, target_id)
        self._forget(user_id, [row["target_id"] for row in rows])
        return bool(rows)

    def _remember(self, target: Target) -> None:
        if target.confirmed:
            self._targets[target.user_id][target.target_id] = target

    def _forget(self, user_id: int, target_ids: Iterable[int]) -> None:
        for target_id in target_ids:
            self._targets[user_id].pop(target_id, None)
        if not self._targets[user_id]:
            del self._targets[user_id]


def _unique(kinds: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(kinds))


def _webhook(target: Target) -> contract.Webhook:
    return contract.Webhook(
        webhook_id=target.target_id,
        url=target.address,
        kinds=tuple(kind for kind in contract.KINDS if kind in target.kinds),
        created_us=target.created_us,
        failures=target.failures,
        due_us=target.due_us,
    )


def _email(target: Target) -> contract.Email:
    return contract.Email(
        address=target.address,
        kinds=tuple(kind for kind in contract.KINDS if kind in target.kinds),
        confirmed=target.confirmed,
        failures=target.failures,
    )
