"""The life of alerts: pending while a rule is broken, firing once it was for long enough, resolved once it is good."""

import hashlib
from dataclasses import dataclass, field
from typing import Final, Literal

from jaegerlite.alerts.rules import Rule

HISTORY_MAX: Final = 1000
Target = tuple[str, str]
"""A service and an operation; the operation is empty where a service is judged as a whole."""


@dataclass(slots=True)
class Alert:
    """One rule broken at one place; times in milliseconds since 1970, 0 for not yet."""

    rule: str
    service: str
    operation: str
    severity: str
    state: Literal["pending", "firing", "resolved"]
    value: float
    threshold: float
    measure: str
    since_ms: int
    fired_ms: int = 0
    good_since_ms: int = 0
    resolved_ms: int = 0
    trace_ids: list[str] = field(default_factory=list)
    # What each receiver was told last, and when.
    told: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """The same for each alert of a rule at a place."""
        return hashlib.sha256(repr((self.rule, self.service, self.operation)).encode()).hexdigest()[:16]


@dataclass(slots=True)
class Silence:
    """Alerts that match are shown, and nobody is told; empty fields match anything, times in ms since 1970."""

    id: str
    rule: str
    service: str
    operation: str
    until_ms: int
    comment: str

    def covers(self, alert: Alert) -> bool:
        """Whether an alert is to be kept quiet."""
        return (
            self.rule in ("", alert.rule)
            and self.service in ("", alert.service)
            and self.operation in ("", alert.operation)
        )


@dataclass(slots=True)
class State:
    """All that is remembered: current alerts, those that are over (the newest last), and silences."""

    current: list[Alert] = field(default_factory=list)
    history: list[Alert] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)

    def is_silenced(self, alert: Alert) -> bool:
        """Whether any silence covers an alert."""
        return any(silence.covers(alert) for silence in self.silences)

    def expire(self, now_ms: int) -> bool:
        """Forget silences that are over; say whether there were any."""
        left = [silence for silence in self.silences if silence.until_ms > now_ms]
        changed, self.silences = len(left) != len(self.silences), left
        return changed

    def judge(self, rules: list[Rule], readings: dict[str, dict[Target, float]], now_ms: int) -> bool:
        """Take in new values, by rule and target; say whether the state of any alert changed."""
        by_name = {rule.name: rule for rule in rules}
        known = {(alert.rule, (alert.service, alert.operation)): alert for alert in self.current}
        before = {id(alert): alert.state for alert in self.current}
        kept: list[Alert] = []
        for alert in self.current:
            rule = by_name.get(alert.rule)
            value = readings.get(alert.rule, {}).get((alert.service, alert.operation))
            if rule is None:
                alert.good_since_ms, alert.resolved_ms = now_ms, now_ms
            else:
                _go_on(alert, rule, value, now_ms)
            if alert.resolved_ms and alert.state == "firing":
                alert.state = "resolved"
                self.history = [*self.history[-HISTORY_MAX + 1 :], alert]
            elif not alert.resolved_ms:
                kept.append(alert)
        for rule in rules:
            for target, value in readings.get(rule.name, {}).items():
                if (rule.name, target) not in known and rule.is_beyond(value, rule.threshold):
                    kept.append(_begin(rule, target, value, now_ms))
        self.current = kept
        return {id(alert): alert.state for alert in kept} != before


def _begin(rule: Rule, target: Target, value: float, now_ms: int) -> Alert:
    alert = Alert(rule.name, *target, rule.severity, "pending", value, rule.threshold, rule.measure, now_ms)
    if not rule.for_s:
        alert.state, alert.fired_ms = "firing", now_ms
    return alert


def _go_on(alert: Alert, rule: Rule, value: float | None, now_ms: int) -> None:
    """One step of a known alert. Without a value, for want of calls, nothing is known to be wrong."""
    alert.value = alert.value if value is None else value
    if alert.state == "pending":
        if value is None or not rule.is_beyond(value, rule.threshold):
            alert.resolved_ms = now_ms
        elif now_ms - alert.since_ms >= rule.for_s * 1000:
            alert.state, alert.fired_ms = "firing", now_ms
    elif value is not None and rule.is_beyond(value, rule.clear_threshold):
        alert.good_since_ms = 0
    else:
        alert.good_since_ms = alert.good_since_ms or now_ms
        if now_ms - alert.good_since_ms >= rule.keep * 1000:
            alert.resolved_ms = now_ms
