"""What is told of alerts: in Alertmanager's JSON for webhooks, in words for the log and for mail."""

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from jaegerlite.alerts.state import Alert

# https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
WEBHOOK_VERSION: Final = "4"
NO_TIME: Final = "0001-01-01T00:00:00Z"
RECEIVER: Final = "jaegerlite"
Json = dict[str, Any]


def rfc3339(time_ms: int) -> str:
    """A time in milliseconds since 1970; Go's zero time for 0."""
    if not time_ms:
        return NO_TIME
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def labels(alert: Alert) -> dict[str, str]:
    """What identifies an alert, as Prometheus' labels."""
    found = {"alertname": alert.rule, "severity": alert.severity, "service_name": alert.service}
    return found | ({"span_name": alert.operation} if alert.operation else {})


def summary(alert: Alert) -> str:
    """An alert in one sentence."""
    where = f"{alert.service} {alert.operation}".strip()
    name, number = _named(alert.measure, alert.value)
    if alert.state == "resolved":
        return f"{alert.rule} is over: {where}, {name} {number}"
    return f"{alert.rule}: {where}, {name} {number} against {_named(alert.measure, alert.threshold)[1]}"


def _named(measure: str, value: float) -> tuple[str, str]:
    """A measure's name and its value with unit, for reading."""
    name, _, unit = measure.rpartition("_")
    if unit in ("rate", "share"):
        return measure.replace("_", " "), f"{value:.2%}"
    if measure == "rate_per_s":
        return "rate", f"{value:.4g}/s"
    return name, f"{value:.4g} {unit}"


def trace_urls(alert: Alert, public_url: str) -> list[str]:
    """Where its example traces are shown."""
    return [f"{public_url}/trace/{trace_id}" for trace_id in alert.trace_ids]


def alert_json(alert: Alert, public_url: str) -> Json:
    """An alert as Alertmanager tells it."""
    traces = trace_urls(alert, public_url)
    annotations = {"summary": summary(alert), "value": f"{alert.value:g}"}
    return {
        "status": "resolved" if alert.state == "resolved" else "firing",
        "labels": labels(alert),
        "annotations": annotations | ({"traces": " ".join(traces)} if traces else {}),
        "startsAt": rfc3339(alert.fired_ms),
        "endsAt": rfc3339(alert.resolved_ms),
        "generatorURL": traces[0] if traces else f"{public_url}/search?service={quote(alert.service)}",
        "fingerprint": alert.fingerprint,
    }


def webhook_body(rule: str, alerts: list[Alert], public_url: str) -> Json:
    """The body of a webhook for alerts of one rule."""
    told = [alert_json(alert, public_url) for alert in alerts]
    common = {
        name: value for name, value in told[0]["labels"].items() if all(a["labels"].get(name) == value for a in told)
    }
    return {
        "version": WEBHOOK_VERSION,
        "groupKey": f'{{}}:{{alertname="{rule}"}}',
        "truncatedAlerts": 0,
        "status": "firing" if any(alert["status"] == "firing" for alert in told) else "resolved",
        "receiver": RECEIVER,
        "groupLabels": {"alertname": rule},
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": public_url,
        "alerts": told,
    }


def mail_text(alerts: list[Alert], public_url: str) -> tuple[str, str]:
    """Subject and body of a mail about alerts."""
    firing = sum(alert.state == "firing" for alert in alerts)
    subject = f"[jaegerlite] {firing} firing, {len(alerts) - firing} resolved: {summary(alerts[0])}"
    lines = []
    for alert in alerts:
        lines += [summary(alert), f"  since {rfc3339(alert.fired_ms)}"]
        lines += [f"  {url}" for url in trace_urls(alert, public_url)]
    return " ".join(subject.split())[:200], "\n".join(lines) + "\n"
