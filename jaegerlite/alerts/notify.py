"""Telling people: the log at once; webhooks and mail until they were told, on a thread that may take its time."""

import json
import logging
import os
import smtplib
import urllib.request
from collections.abc import Callable
from email.message import EmailMessage
from functools import partial
from itertools import groupby
from typing import Final

from jaegerlite.alerts.notice import mail_text, summary, trace_urls, webhook_body
from jaegerlite.alerts.rules import Email, Notify, Webhook
from jaegerlite.alerts.state import Alert, State

TIMEOUT_S: Final = 3.0
LOG: Final = "log"
log = logging.getLogger("jaegerlite")


def due(state: State, receiver: str, repeat_s: float, now_ms: int) -> list[Alert]:
    """The alerts that a receiver has to be told of: those that fire, again after a while, and those that are over.

    Of one that was silenced nobody is told, and of its end only those who know of its beginning.
    """
    found = []
    for alert in [*state.current, *state.history]:
        told, at_ms = alert.told.get(receiver, ("", 0))
        if alert.state == "firing" and not state.is_silenced(alert):
            if told != "firing" or now_ms - at_ms >= repeat_s * 1000:
                found.append(alert)
        elif alert.state == "resolved" and told == "firing":
            found.append(alert)
    return found


def tell(state: State, notify: Notify, public_url: str, now_ms: int) -> bool:
    """Tell every receiver what is due; what fails is due again the next time. Say whether anybody was told anything."""
    receivers: dict[str, Callable[[list[Alert], str], None]] = {LOG: _to_log}
    for webhook in notify.webhooks:
        receivers[f"webhook {webhook.url}"] = partial(_to_webhook, webhook)
    if notify.email is not None:
        receivers[f"mail {', '.join(notify.email.to)}"] = partial(_to_mail, notify.email)
    any_told = False
    for name, send in receivers.items():
        alerts = due(state, name, notify.repeat, now_ms)
        if not alerts:
            continue
        states = [alert.state for alert in alerts]
        try:
            send(alerts, public_url)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            log.error("%s could not be told of %d alerts, trying again: %s", name, len(alerts), error)
            continue
        any_told = True
        for alert, told in zip(alerts, states, strict=True):
            alert.told[name] = (told, now_ms)
    return any_told


def _to_log(alerts: list[Alert], public_url: str) -> None:
    for alert in alerts:
        level = logging.INFO if alert.state == "resolved" else logging.WARNING
        log.log(level, "alert %s: %s %s", alert.state, summary(alert), " ".join(trace_urls(alert, public_url)))


def _to_webhook(webhook: Webhook, alerts: list[Alert], public_url: str) -> None:
    """One request per rule, as Alertmanager groups them. Raises OSError where it is not answered with 2xx."""
    headers = {"Content-Type": "application/json", "User-Agent": "jaegerlite"}
    if webhook.bearer_env:
        headers["Authorization"] = f"Bearer {os.environ.get(webhook.bearer_env, '')}"
    for rule, group in groupby(sorted(alerts, key=lambda alert: alert.rule), key=lambda alert: alert.rule):
        body = json.dumps(webhook_body(rule, list(group), public_url)).encode()
        # The address is the operator's own, and the rules file takes http and https only.
        request = urllib.request.Request(webhook.url, body, headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            answer.read()


def _to_mail(mail: Email, alerts: list[Alert], public_url: str) -> None:
    message = EmailMessage()
    message["From"], message["To"] = mail.sender, ", ".join(mail.to)
    message["Subject"], text = mail_text(alerts, public_url)
    message.set_content(text)
    with smtplib.SMTP(mail.host, mail.port, timeout=TIMEOUT_S) as server:
        if mail.starttls:
            server.starttls()
        if mail.username:
            server.login(mail.username, os.environ.get(mail.password_env, ""))
        server.send_message(message)
