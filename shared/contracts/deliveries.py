"""What notification is asked about webhooks and e-mail: where a user wants to be told, and what could not be told."""

import msgspec

from shared.contracts.operations import NOTIFICATION, Answer, Done, Item, Operation

KINDS = ("order", "trade", "reduced", "amended", "triggered")
"""Kinds of messages that a user may choose from: the ``type`` that each has on the socket."""


class NewWebhook(Item, frozen=True, kw_only=True):
    """Tell this URL. It appears in no span or log: some hold a secret."""

    user_id: int
    url: str
    kinds: tuple[str, ...]


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A registered webhook. ``failures`` in a row so far; ``due_us`` is when it may be tried again."""

    webhook_id: int
    url: str
    kinds: tuple[str, ...]
    created_us: int
    failures: int
    due_us: int


class WebhookAdded(Answer, frozen=True, kw_only=True, tag=True):
    """A new webhook, and the secret that signs what it is sent: shown this once."""

    webhook: Webhook
    secret: str


class TargetsOf(Item, frozen=True, kw_only=True):
    """Whose."""

    user_id: int


class Webhooks(Answer, frozen=True, kw_only=True, tag=True):
    """All webhooks of a user."""

    webhooks: tuple[Webhook, ...]


class WebhookOf(Item, frozen=True, kw_only=True):
    """One webhook of a user."""

    user_id: int
    webhook_id: int


class EmailWish(Item, frozen=True, kw_only=True):
    """Tell this address of these kinds. The address appears in no span or log."""

    user_id: int
    address: str
    kinds: tuple[str, ...]


class EmailCode(Item, frozen=True, kw_only=True):
    """The code that came by e-mail: the address is the user's."""

    user_id: int
    code: str


class Email(Answer, frozen=True, kw_only=True, tag=True):
    """What a user is told by e-mail. Until the address is ``confirmed`` that is the code alone."""

    address: str
    kinds: tuple[str, ...]
    confirmed: bool
    failures: int


class DeadLettersQuery(Item, frozen=True, kw_only=True):
    """A page of what could not be delivered to a user, newest first, below delivery ``before`` (0: from the newest)."""

    user_id: int
    before: int = 0
    limit: int = 50


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """``messages`` is JSON. ``webhook_id`` is 0 for e-mail. ``error`` is what the last of ``attempts`` met with."""

    delivery_id: int
    channel: str
    webhook_id: int
    seq: int
    attempts: int
    error: str
    created_us: int
    dead_us: int
    messages: msgspec.Raw


class DeadLetters(Answer, frozen=True, kw_only=True, tag=True):
    """A page of dead letters."""

    letters: tuple[DeadLetter, ...]


class Redelivery(Item, frozen=True, kw_only=True):
    """Try a dead letter of the user's again, or (``delivery_id`` 0) all of them."""

    user_id: int
    delivery_id: int = 0


class Redelivered(Answer, frozen=True, kw_only=True, tag=True):
    """So many wait to be delivered again."""

    count: int


ADD_WEBHOOK = Operation(NOTIFICATION, "add_webhook", NewWebhook, WebhookAdded)
LIST_WEBHOOKS = Operation(NOTIFICATION, "list_webhooks", TargetsOf, Webhooks)
REMOVE_WEBHOOK = Operation(NOTIFICATION, "remove_webhook", WebhookOf, Done)
SET_EMAIL = Operation(NOTIFICATION, "set_email", EmailWish, Email)
CONFIRM_EMAIL = Operation(NOTIFICATION, "confirm_email", EmailCode, Email)
GET_EMAIL = Operation(NOTIFICATION, "get_email", TargetsOf, Email)
REMOVE_EMAIL = Operation(NOTIFICATION, "remove_email", TargetsOf, Done)
LIST_DEAD_LETTERS = Operation(NOTIFICATION, "list_dead_letters", DeadLettersQuery, DeadLetters)
REDELIVER = Operation(NOTIFICATION, "redeliver", Redelivery, Redelivered)
