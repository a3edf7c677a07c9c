"""Sends e-mail over SMTP. No address leaves this file but to the mail server."""

import asyncio
import smtplib
import ssl
from collections import Counter
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from services.notification.settings import Settings
from services.notification.webhooks import UndeliveredError
from shared.contracts.notifications import (
    AmendedMessage,
    AnyMessage,
    OrderMessage,
    ReducedMessage,
    TradeMessage,
    TriggeredMessage,
)

TIMEOUT_S = 10.0
CONFIRMATION = """Somebody, we hope you, wants to be told about orders at this address.

To confirm it, send this code with POST /notifications/email/confirm:

    {code}

It is good for a day. If it was not you, do nothing: you get no further mail.
"""


class Mailer:
    """The way to the mail server of the settings, if they name one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.configured = bool(settings.smtp_host)

    async def send(self, address: str, subject: str, text: str) -> None:
        """Sends one mail, beside the event loop. Raises UndeliveredError without any address in it."""
        message = EmailMessage()
        message["From"] = self._settings.smtp_from
        message["To"] = address
        message["Subject"] = subject
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self._settings.smtp_from.rpartition("@")[2].strip("<> "))
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        await asyncio.to_thread(self._send, message)

    def _send(self, message: EmailMessage) -> None:
        settings = self._settings
        context = ssl.create_default_context()
        # The library's errors hold the recipient: only their kind, and the server's code, may go on from here.
        failure = ""
        try:
            with (
                smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_S, context=context)
                if settings.smtp_security == "tls"
                else smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_S) as server
            ):
                if settings.smtp_security == "starttls":
                    server.starttls(context=context)
                if settings.smtp_username:
                    server.login(settings.smtp_username, settings.smtp_password.get_secret_value())
                server.send_message(message)
        except smtplib.SMTPResponseException as error:
            failure = f"the mail server answered {error.smtp_code}"
        except smtplib.SMTPRecipientsRefused:
            failure = "the mail server refused the recipient"
        except (smtplib.SMTPException, OSError) as error:
            failure = f"the mail server can't be used ({type(error).__name__})"
        if failure:
            raise UndeliveredError(failure)


def subject_of(messages: Sequence[AnyMessage]) -> str:
    """Like "Outcry: 2 trades, 1 order"."""
    counts = Counter(message.__struct_config__.tag for message in messages)
    return "Outcry: " + ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items())


def text_of(messages: Sequence[AnyMessage]) -> str:
    """One line for each message, oldest first."""
    return "\n".join(f"{_line(message)}  [trace {message.trace_id}]" for message in messages) + "\n"


def _line(message: AnyMessage) -> str:
    order = f"order {message.order_id}, {message.side} {message.symbol}"
    if isinstance(message, TradeMessage):
        traded = f"{message.quantity} at {message.price}, fee {message.fee}, {message.open_quantity} open"
        return f"Traded ({message.role}): {traded}: {order}"
    if isinstance(message, OrderMessage):
        why = f" ({message.reason})" if message.reason else ""
        return f"{message.status}{why}, {message.open_quantity} open: {order}"
    if isinstance(message, AmendedMessage):
        return f"Amended to {message.quantity} at {message.price}, {message.open_quantity} open: {order}"
    if isinstance(message, ReducedMessage):
        return f"Reduced by {message.quantity}, {message.open_quantity} open: {order}"
    assert isinstance(message, TriggeredMessage)
    return f"Triggered, {message.open_quantity} open: {order}"
