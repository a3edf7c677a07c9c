"""``/notifications``: what you were told, where else you want to be told, and what did not arrive there."""

import time

from fastapi import Response

from services.client_gateway.api import Api, Call, Nothing
from services.client_gateway.limits import RateLimit
from services.client_gateway.requests import (
    EmailCodeRequest,
    EmailRequest,
    NotificationsQuery,
    PageQuery,
    WebhookRequest,
    path_id,
)
from services.client_gateway.views import time_text
from shared.contracts import deliveries, notifications
from shared.errors import Problem
from shared.web import json_response

ADDRESSES_PER_HOUR = 5
"""How often a user may set an e-mail address: each new one gets a mail that its owner may not have asked for."""


class NotificationRoutes:
    """The handlers."""

    def __init__(self) -> None:
        self._addresses = RateLimit(ADDRESSES_PER_HOUR / 3600, ADDRESSES_PER_HOUR)

    def install(self, api: Api) -> None:
        tag = "notifications"
        api.route("GET", "/notifications", self.notifications, query=NotificationsQuery, tag=tag)
        api.route("POST", "/notifications/webhooks", self.add_webhook, body=WebhookRequest, tag=tag, answers=(201,))
        api.route("GET", "/notifications/webhooks", self.webhooks, tag=tag)
        api.route("DELETE", "/notifications/webhooks/{webhook_id}", self.remove_webhook, tag=tag)
        api.route("PUT", "/notifications/email", self.set_email, body=EmailRequest, tag=tag)
        api.route("POST", "/notifications/email/confirm", self.confirm_email, body=EmailCodeRequest, tag=tag)
        api.route("GET", "/notifications/email", self.email, tag=tag)
        api.route("DELETE", "/notifications/email", self.remove_email, tag=tag)
        api.route("GET", "/notifications/dead-letters", self.dead_letters, query=PageQuery, tag=tag)
        api.route("POST", "/notifications/dead-letters/redeliver", self.redeliver_all, tag=tag)
        api.route("POST", "/notifications/dead-letters/{delivery_id}/redeliver", self.redeliver, tag=tag)

    async def notifications(self, call: Call, query: NotificationsQuery) -> Response:
        """What the socket told you after engine event ``after``, oldest first; ask on from ``up_to``."""
        told = await call.ask(
            notifications.GET_NOTIFICATIONS,
            notifications.NotificationsQuery(
                user_id=call.identity.user_id,
                position=call.position,
                after=query.after,
                limit=query.limit,
                traceparent=call.traceparent,
            ),
        )
        return json_response({"messages": told.messages, "up_to": str(told.up_to)})

    async def add_webhook(self, call: Call, body: WebhookRequest) -> Response:
        """Registers a webhook. The secret that signs what it is sent is shown this once. See docs/notifications.md."""
        added = await call.ask(
            deliveries.ADD_WEBHOOK,
            deliveries.NewWebhook(
                user_id=call.identity.user_id, url=body.url, kinds=tuple(body.kinds), traceparent=call.traceparent
            ),
        )
        return json_response(_webhook(added.webhook) | {"secret": added.secret}, 201)

    async def webhooks(self, call: Call, _query: Nothing) -> Response:
        """Your webhooks, and how many deliveries in a row have failed."""
        found = await call.ask(deliveries.LIST_WEBHOOKS, _mine(call))
        return json_response({"webhooks": [_webhook(webhook) for webhook in found.webhooks]})

    async def remove_webhook(self, call: Call, _query: Nothing) -> Response:
        """Forgets a webhook, with all that waits for it."""
        webhook_id = path_id(call.params, "webhook_id", "webhook_not_found")
        await call.ask(
            deliveries.REMOVE_WEBHOOK,
            deliveries.WebhookOf(user_id=call.identity.user_id, webhook_id=webhook_id, traceparent=call.traceparent),
        )
        return json_response({"webhook_id": str(webhook_id), "status": "removed"})

    async def set_email(self, call: Call, body: EmailRequest) -> Response:
        """What you want by e-mail. A new address gets a code, and nothing else until that is confirmed."""
        verdict = self._addresses.take(call.identity.user_id, time.monotonic())
        if verdict.retry_after_s:
            detail = (
                f"An address can be set {ADDRESSES_PER_HOUR} times an hour. Try again in {verdict.retry_after_s} s."
            )
            raise Problem(429, "too_many_addresses", detail, headers=verdict.headers())
        wish = deliveries.EmailWish(
            user_id=call.identity.user_id,
            address=body.address,
            kinds=tuple(body.kinds),
            traceparent=call.traceparent,
        )
        return json_response(_email(await call.ask(deliveries.SET_EMAIL, wish)))

    async def confirm_email(self, call: Call, body: EmailCodeRequest) -> Response:
        """The code that came by e-mail: from now on the address is told."""
        code = deliveries.EmailCode(user_id=call.identity.user_id, code=body.code, traceparent=call.traceparent)
        return json_response(_email(await call.ask(deliveries.CONFIRM_EMAIL, code)))

    async def email(self, call: Call, _query: Nothing) -> Response:
        """What you are told by e-mail."""
        return json_response(_email(await call.ask(deliveries.GET_EMAIL, _mine(call))))

    async def remove_email(self, call: Call, _query: Nothing) -> Response:
        """No more e-mail; the address is forgotten."""
        await call.ask(deliveries.REMOVE_EMAIL, _mine(call))
        return json_response({"status": "removed"})

    async def dead_letters(self, call: Call, query: PageQuery) -> Response:
        """What could not be delivered, newest first, and why."""
        page = await call.ask(
            deliveries.LIST_DEAD_LETTERS,
            deliveries.DeadLettersQuery(
                user_id=call.identity.user_id,
                before=query.cursor,
                limit=query.limit,
                traceparent=call.traceparent,
            ),
        )
        rows = [_letter(letter) for letter in page.letters]
        more = len(rows) == query.limit
        return json_response({"dead_letters": rows, "next_cursor": rows[-1]["delivery_id"] if more else None})

    async def redeliver_all(self, call: Call, _query: Nothing) -> Response:
        """All dead letters are tried again."""
        return await self._redeliver(call, 0)

    async def redeliver(self, call: Call, _query: Nothing) -> Response:
        """A dead letter is tried again."""
        return await self._redeliver(call, path_id(call.params, "delivery_id", "delivery_not_found"))

    async def _redeliver(self, call: Call, delivery_id: int) -> Response:
        asked = deliveries.Redelivery(
            user_id=call.identity.user_id, delivery_id=delivery_id, traceparent=call.traceparent
        )
        return json_response({"count": (await call.ask(deliveries.REDELIVER, asked)).count})


def _mine(call: Call) -> deliveries.TargetsOf:
    return deliveries.TargetsOf(user_id=call.identity.user_id, traceparent=call.traceparent)


def _webhook(webhook: deliveries.Webhook) -> dict[str, object]:
    return {
        "webhook_id": str(webhook.webhook_id),
        "url": webhook.url,
        "kinds": webhook.kinds,
        "created_at": time_text(webhook.created_us),
        "failures": webhook.failures,
        "next_attempt_at": time_text(webhook.due_us) if webhook.failures else None,
    }


def _email(email: deliveries.Email) -> dict[str, object]:
    return {
        "address": email.address,
        "kinds": email.kinds,
        "confirmed": email.confirmed,
        "failures": email.failures,
    }


def _letter(letter: deliveries.DeadLetter) -> dict[str, object]:
    return {
        "delivery_id": str(letter.delivery_id),
        "channel": letter.channel,
        "webhook_id": str(letter.webhook_id) if letter.webhook_id else None,
        "attempts": letter.attempts,
        "error": letter.error or "not tried: those before it failed",
        "created_at": time_text(letter.created_us),
        "dead_at": time_text(letter.dead_us),
        "messages": letter.messages,
    }
