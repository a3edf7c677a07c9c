"""Delivers what waits in the table, beside the consumer, which it never keeps waiting.

Each target gets one request or mail at a time, in order, with all that waits for it (at most 100 at once). One that
fails is tried again, after longer and longer pauses; what has waited too long is a dead letter. A delivery is a trace
of its own, linked to those that it tells of, and goes on at the receiver.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence

import msgspec
import structlog
from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.util.types import AttributeValue

from services.notification.delivery_store import Delivery, DeliveryStore
from services.notification.mail import CONFIRMATION, Mailer, subject_of, text_of
from services.notification.settings import Settings
from services.notification.targets import Target, backoff_s, message_id
from services.notification.webhooks import UndeliveredError, Webhooks
from shared.contracts.notifications import AnyMessage
from shared.errors import Unavailable
from shared.tracing import context_from, record_error, traceparent_of

log = structlog.get_logger()

AT_ONCE_MAX = 20
BODY_BYTES_MAX = 512 * 1024
"""A request has at most that much, unless a single delivery has more."""

LOOK_EVERY_S = 1.0
PAUSE_S = 0.05
"""Between two looks at the table, so that one serves many events."""


class Confirmation(msgspec.Struct, frozen=True, tag_field="type", tag="confirmation"):
    """What a delivery holds that brings the code for an address."""

    code: str


class Deliverer:
    """``run`` is to be kept running next to the service; ``wake`` tells it that something new waits."""

    def __init__(self, store: DeliveryStore, settings: Settings, webhooks: Webhooks, mailer: Mailer) -> None:
        self._store = store
        self._settings = settings
        self._webhooks = webhooks
        self._mailer = mailer
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._chance = random.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._tracer = trace.get_tracer("services.notification")
        self._decode = msgspec.json.Decoder(list[AnyMessage | Confirmation]).decode

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Delivers for ever. An outage of the database is waited out; what is under way ends with the service."""
        self._webhooks.open()
        try:
            bury_due_s = 0.0
            while True:
                try:
                    self._wake.clear()
                    if time.monotonic() > bury_due_s:
                        await self._bury()
                        bury_due_s = time.monotonic() + LOOK_EVERY_S
                    pause_s = await self._start_due()
                except Unavailable as error:
                    log.warning("deliveries wait", error=str(error))
                    pause_s = LOOK_EVERY_S
                await asyncio.sleep(PAUSE_S)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause_s)
        finally:
            tasks = list(self._busy.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._webhooks.close()

    async def _bury(self) -> None:
        settings = self._settings
        retry_us, kept_us = int(settings.delivery_retry_s * 1e6), settings.dead_letters_kept_s * 1_000_000
        await self._store.bury(_now_us(), retry_us, kept_us)

    async def _start_due(self) -> float:
        """Begins with the targets that are due. Answers the seconds until there may be more to do."""
        pause_s = LOOK_EVERY_S
        for target in await self._store.waiting(list(self._busy)):
            wait_s = (target.due_us - _now_us()) / 1e6
            if wait_s > 0:
                return min(pause_s, wait_s)
            if len(self._busy) >= AT_ONCE_MAX:
                break  # whoever is done wakes us
            self._busy[target.target_id] = asyncio.create_task(self._serve(target))
        return pause_s

    async def _serve(self, target: Target) -> None:
        """One request or mail to a target, and the note of what came of it."""
        try:
            batch = _limited(await self._store.batch(target.target_id))
            if batch:
                await self._attempt(target, batch)
        except Unavailable as error:
            log.warning("deliveries wait", error=str(error))
        except Exception:
            log.exception("delivery failed", target_id=target.target_id)
            await asyncio.sleep(LOOK_EVERY_S)
        finally:
            del self._busy[target.target_id]
            self.wake()

    async def _attempt(self, target: Target, batch: Sequence[Delivery]) -> None:
        ids = [delivery.delivery_id for delivery in batch]
        links = [_link(delivery) for delivery in batch]
        attributes: dict[str, AttributeValue] = {
            "user.id": str(target.user_id),
            "delivery.target.id": str(target.target_id),
            "delivery.count": len(batch),
            "delivery.attempt": target.failures + 1,
        }
        name, kind = f"deliver_{target.channel}", SpanKind.CLIENT
        with self._tracer.start_as_current_span(name, kind=kind, attributes=attributes, links=links) as span:
            try:
                await self._send(target, batch, ids, span)
            except UndeliveredError as error:
                record_error(span, str(error), "undelivered")
                wait_s = backoff_s(target.failures + 1, self._settings.delivery_backoff_s, self._chance.random())
                await self._store.failed(target.target_id, ids, _now_us() + int(wait_s * 1e6), str(error))
                return
        gap_s = self._settings.email_every_s if target.channel == "email" and target.confirmed else 0
        await self._store.delivered(target.target_id, ids, _now_us() + int(gap_s * 1e6) if gap_s else 0)

    async def _send(self, target: Target, batch: Sequence[Delivery], ids: Sequence[int], span: Span) -> None:
        if target.channel == "webhook":
            body = _body(target, batch)
            status = await self._webhooks.send(target, message_id(ids), body, traceparent_of(span))
            span.set_attribute("http.response.status_code", status)
            return
        messages = [message for delivery in batch for message in self._decode(delivery.payload)]
        codes = [message.code for message in messages if isinstance(message, Confirmation)]
        told = [message for message in messages if not isinstance(message, Confirmation)]
        if codes:
            text = CONFIRMATION.format(code=codes[-1])
            await self._mailer.send(target.address, "Outcry: confirm your address", text)
        if told:
            await self._mailer.send(target.address, subject_of(told), text_of(told))


def _limited(batch: Sequence[Delivery]) -> list[Delivery]:
    """As many from the start as one request may hold."""
    taken: list[Delivery] = []
    size = 0
    for delivery in batch:
        size += len(delivery.payload)
        if taken and size > BODY_BYTES_MAX:
            break
        taken.append(delivery)
    return taken


def _link(delivery: Delivery) -> Link:
    return Link(trace.get_current_span(context_from(delivery.traceparent)).get_span_context())


def _body(target: Target, batch: Sequence[Delivery]) -> bytes:
    """All messages of a batch as one JSON object. Each payload is a JSON list already."""
    messages = b",".join(delivery.payload[1:-1] for delivery in batch)
    return b'{"type":"notifications","webhook_id":"%d","messages":[%b]}' % (target.target_id, messages)


def _now_us() -> int:
    return time.time_ns() // 1000
