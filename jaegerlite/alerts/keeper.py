"""Keeps the alerts of one store: judges the rules, finds example traces, remembers, and has people told."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import duckdb

from jaegerlite.alerts import memory
from jaegerlite.alerts.measure import KnownCalls, measure, traces_that_show
from jaegerlite.alerts.notify import tell
from jaegerlite.alerts.rules import Rule, RulesError, RulesFile, load_rules
from jaegerlite.alerts.state import Alert, Silence, Target
from jaegerlite.jaeger_json import trace_id_text
from jaegerlite.limits import QueryLimitError
from jaegerlite.partitions import Snapshot
from jaegerlite.search import TraceQuery, find_traces
from jaegerlite.span_metrics import GAUGES
from jaegerlite.store import Store

EXAMPLES: Final = 3
NS_PER_MS: Final = 1_000_000
# Calls a job with the store and a snapshot of it, on a thread.
Read = Callable[..., Awaitable[Any]]
log = logging.getLogger("jaegerlite")


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // NS_PER_MS


class AlertKeeper:
    """The rules and the state of alerts, changed on the event loop; the thread that tells notes whom it told."""

    def __init__(self, folder: Path, rules_path: Path | None, public_url: str) -> None:
        """`folder` is where the state is kept, `public_url` where people find the explorer.

        Raises:
            RulesError: the rules file cannot be used.
        """
        self._folder = folder
        self._rules_path = rules_path
        self._rules_changed_ns = self._modified_ns()
        self.file: RulesFile = load_rules(rules_path)
        self.public_url = public_url.rstrip("/")
        self.state = memory.load(folder)
        self.judged_ms = 0
        self.gauges: dict[str, dict[str, float]] = {}
        self._known_calls = KnownCalls()
        self._stopping = asyncio.Event()

    async def run(self, read: Read) -> None:
        """Judge until `stop`."""
        while not self._stopping.is_set():
            try:
                await self.judge(read, now_ms())
            except (duckdb.Error, QueryLimitError, OSError):
                log.exception("the rules could not be judged, trying again")
            try:
                await asyncio.wait_for(self._stopping.wait(), self.file.interval)
            except TimeoutError:
                continue

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping.set()

    async def judge(self, read: Read, at_ms: int) -> None:
        """Judge all rules once, as of a time in milliseconds since 1970."""
        self._reload()
        rules = self.file.rules
        readings = await read(measure, rules, self._known_calls, at_ms)
        self.gauges = _gauges(rules, readings)
        firing = {id(alert) for alert in self.state.current if alert.state == "firing"}
        changed = self.state.judge(rules, readings, at_ms) | self.state.expire(at_ms)
        by_name = {rule.name: rule for rule in rules}
        for alert in self.state.current:
            if alert.state == "firing" and id(alert) not in firing:
                alert.trace_ids = await read(_examples, by_name[alert.rule], self._known_calls, alert, at_ms)
        self.judged_ms = at_ms
        # What nobody remembers nobody is told: a notice twice is better than an alert that a crash makes new.
        if changed:
            memory.save(self._folder, self.state)
        if await asyncio.to_thread(tell, self.state, self.file.notify, self.public_url, at_ms):
            memory.save(self._folder, self.state)

    def _modified_ns(self) -> int:
        try:
            return self._rules_path.stat().st_mtime_ns if self._rules_path else 0
        except OSError:
            return 0

    def _reload(self) -> None:
        """Take a rules file that was changed; one that is wrong leaves the old rules in force."""
        modified_ns = self._modified_ns()
        if modified_ns == self._rules_changed_ns:
            return
        self._rules_changed_ns = modified_ns
        try:
            self.file = load_rules(self._rules_path)
            log.info("the alert rules were changed: %d rules", len(self.file.rules))
        except RulesError as error:
            log.error("the alert rules stay as they were: %s", error)

    def silence(self, *, rule: str, service: str, operation: str, until_ms: int, comment: str) -> Silence:
        """Keep alerts quiet until a time; raises OSError where that cannot be remembered."""
        made = Silence(secrets.token_hex(6), rule, service, operation, until_ms, comment)
        self.state.silences.append(made)
        memory.save(self._folder, self.state)
        return made

    def end_silence(self, silence_id: str) -> bool:
        """End a silence; False where there is none of this id."""
        left = [silence for silence in self.state.silences if silence.id != silence_id]
        found = len(left) != len(self.state.silences)
        self.state.silences = left
        if found:
            memory.save(self._folder, self.state)
        return found


def _gauges(rules: list[Rule], readings: dict[str, dict[Target, float]]) -> dict[str, dict[str, float]]:
    """What Prometheus cannot count by itself, by measure and service, as the rules in force have read it."""
    found: dict[str, dict[str, float]] = {}
    for rule in rules:
        if rule.measure in GAUGES:
            values = found.setdefault(rule.measure, {})
            for (service, _), value in readings[rule.name].items():
                values[service] = max(value, values.get(service, value))
    return found


def _examples(store: Store, snapshot: Snapshot, rule: Rule, known: KnownCalls, alert: Alert, at_ms: int) -> list[str]:
    """Some traces that show what an alert is about, the newest first."""
    if rule.measure in GAUGES:
        keys = traces_that_show(store, snapshot, rule, known, alert.service, at_ms)
        return [trace_id_text(key) for key in keys[:EXAMPLES]]
    is_slow = rule.above is not None and rule.measure in ("p50_ms", "p95_ms", "p99_ms")
    query = TraceQuery(
        start_ns_min=max(0, at_ms - round(rule.window * 1000)) * NS_PER_MS,
        start_ns_max=at_ms * NS_PER_MS,
        service=alert.service,
        operation=alert.operation,
        duration_ns_min=round(rule.threshold * NS_PER_MS) if is_slow else None,
        tags={"error": "true"} if rule.measure == "error_rate" else {},
        limit=EXAMPLES,
    )
    return [trace_id_text(key) for key in find_traces(store, snapshot, query)]
