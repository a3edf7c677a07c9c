"""Notification's HTTP face."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import structlog
from fastapi import FastAPI
from opentelemetry.trace import Span

from services.notification.consumer import Notifier
from services.notification.deliverer import Deliverer
from services.notification.delivery_store import DeliveryStore
from services.notification.mail import Mailer
from services.notification.settings import Settings
from services.notification.store import PRUNED_AT_ONCE, NotificationStore, most
from services.notification.subscriptions import Subscriptions
from services.notification.webhooks import Webhooks
from shared.attributes import USER
from shared.contracts import deliveries as contract
from shared.contracts.events import EXECUTIONS
from shared.contracts.notifications import GET_NOTIFICATIONS, Notifications, NotificationsQuery
from shared.contracts.operations import NOTIFICATION
from shared.errors import Unavailable
from shared.service import Service

log = structlog.get_logger()

MIGRATIONS = Path(__file__).parent / "migrations"
PRUNE_EVERY_S = 60.0


def create_app(settings: Settings) -> FastAPI:
    """The app of one notification service."""
    service = Service(NOTIFICATION, settings, MIGRATIONS)
    store = NotificationStore(service.database)
    webhooks, mailer = Webhooks(settings.webhook_targets), Mailer(settings)
    deliverer = Deliverer(DeliveryStore(service.database), settings, webhooks, mailer)
    subscriptions = Subscriptions(service.database, settings, webhooks, mailer, deliverer)
    service.at_start(subscriptions.load)
    executions = service.follow(EXECUTIONS, Notifier(service.valkey, store, subscriptions).apply, gather_s=0.02)

    async def get(items: Sequence[NotificationsQuery], spans: Sequence[Span]) -> list[Notifications]:
        position = executions.position  # before the search, so that all up to here is in what it finds
        answers = []
        for item, found in zip(items, await store.find(items, spans), strict=True):
            last = found[-1][0] if found else item.after
            up_to = last if found and len(found) == most(item) else max(position, last)
            messages = tuple(message for _, messages in found for message in messages)
            answers.append(Notifications(messages=messages, up_to=up_to))
        return answers

    async def prune() -> None:
        """Keeps the table as small as the settings say."""
        while True:
            before_us = time.time_ns() // 1000 - settings.notifications_kept_s * 1_000_000
            try:
                count = await store.prune(before_us, executions.position - settings.notifications_kept_max)
            except Unavailable as error:
                log.warning("old notifications stay for now", error=str(error))
                count = 0
            await asyncio.sleep(0 if count == PRUNED_AT_ONCE else PRUNE_EVERY_S)

    service.serve(GET_NOTIFICATIONS, get, USER, fresh=executions)
    service.serve(contract.ADD_WEBHOOK, subscriptions.add_webhook, USER)
    service.serve(contract.LIST_WEBHOOKS, subscriptions.webhooks, USER)
    service.serve(contract.REMOVE_WEBHOOK, subscriptions.remove_webhook, USER)
    service.serve(contract.SET_EMAIL, subscriptions.set_email, USER)
    service.serve(contract.CONFIRM_EMAIL, subscriptions.confirm_email, USER)
    service.serve(contract.GET_EMAIL, subscriptions.email, USER)
    service.serve(contract.REMOVE_EMAIL, subscriptions.remove_email, USER)
    service.serve(contract.LIST_DEAD_LETTERS, subscriptions.dead_letters, USER)
    service.serve(contract.REDELIVER, subscriptions.redeliver, USER)
    service.keep_running(prune)
    service.keep_running(deliverer.run)
    return service.app
