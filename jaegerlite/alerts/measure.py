"""The values that rules are judged by, read from what was counted."""

import functools
from typing import Any, Final

import numpy as np

from jaegerlite.alerts.rules import Rule
from jaegerlite.alerts.state import Target
from jaegerlite.analysis.across import day_before, find_broken, operations_of
from jaegerlite.analysis.clocks import calls_that_show_skew, clock_offsets
from jaegerlite.analysis.handovers import Call, calls_between
from jaegerlite.partitions import Snapshot
from jaegerlite.red import (
    NS_PER_MS,
    Window,
    callers,
    figures,
    last_seen_ms,
    longest_gap_ms,
    read_orphans,
    read_red,
    series_of,
    window_of,
)
from jaegerlite.store import Store
from jaegerlite.survey import Survey, survey
from jaegerlite.traces import TraceKey

# Silence means something only while others speak: within this time some service has to.
SPEAKING_MS: Final = 60_000
HABIT_FACTOR: Final = 3
SECOND_MS: Final = 1000
CALLS_KNOWN_MAX: Final = 50_000


class KnownCalls:
    """Who calls whom in one store: by the day before at first, then by what was seen since."""

    def __init__(self) -> None:
        self._calls: set[Call] | None = None

    def learnt(self, store: Store, snapshot: Snapshot, now: Survey, window: Window) -> set[Call]:
        """All of them, those of a window that was surveyed included."""
        if self._calls is None:
            self._calls = calls_between(day_before(snapshot, window.start_ms), operations_of(store))
        if len(self._calls) < CALLS_KNOWN_MAX:
            self._calls |= calls_between(now, operations_of(store))
        return self._calls


def measure(
    store: Store, snapshot: Snapshot, rules: list[Rule], known: KnownCalls, now_ms: int
) -> dict[str, dict[Target, float]]:
    """The value of each rule at each place it concerns, where there were calls enough to tell."""
    readings: dict[str, dict[Target, float]] = {}

    @functools.cache
    def now(window: Window) -> Survey:
        return _survey(snapshot, window)

    for rule in rules:
        window = window_of(now_ms - round(rule.window * SECOND_MS), now_ms)
        if rule.measure == "silent_s":
            values = _silence(store, snapshot, window, rule, now_ms)
        elif rule.measure == "lost_share":
            values = _lost(store, snapshot, window, rule)
        elif rule.measure == "skew_ms":
            values = _skew(store, now(window), rule)
        elif rule.measure == "broken_share":
            values = _broken(store, snapshot, now(window), known.learnt(store, snapshot, now(window), window), rule)
        else:
            values = _figure(store, snapshot, window, rule)
        readings[rule.name] = {
            target: value for target, value in values.items() if rule.concerns(target[0], target[1] or rule.operation)
        }
    return readings


def traces_that_show(
    store: Store, snapshot: Snapshot, rule: Rule, known: KnownCalls, service: str, at_ms: int
) -> list[TraceKey]:
    """Traces in which a service shows what only a look at traces tells: a wrong clock, a broken hand-over."""
    window = window_of(at_ms - round(rule.window * SECOND_MS), at_ms)
    now = _survey(snapshot, window)
    if rule.measure == "skew_ms":
        rows = calls_that_show_skew(now, store.registry.all, service)
        return list(dict.fromkeys(now.trace(row) for row in sorted(rows, key=lambda row: -now.start_ns[row])))
    found = find_broken(store, snapshot, now, known.learnt(store, snapshot, now, window))
    pairs = next((one.traces for one in found if one.caller[0] == service), [])
    return [key for pair in pairs for key in pair]


def _figure(store: Store, snapshot: Snapshot, window: Window, rule: Rule) -> dict[Target, float]:
    key_of = {
        series.number: (series.service, series.name if rule.by_operation else "")
        for series in series_of(store, kinds=rule.kind_numbers)
        if rule.concerns(series.service, series.name)
    }
    counted = read_red(store, snapshot, window, key_of)
    found: list[tuple[Target, dict[str, Any]]] = list(zip(counted.keys, figures(counted), strict=True))
    return {
        target: float(figure[rule.measure])
        for target, figure in found
        if figure["calls"] >= rule.calls_min or (rule.measure == "rate_per_s" and figure["calls"])
    }


def _silence(store: Store, snapshot: Snapshot, window: Window, rule: Rule, now_ms: int) -> dict[Target, float]:
    """Seconds since the last span of each service that nobody but itself keeps silent.

    A service that is called by others says nothing when these do not call; and one that is silent now and then is not
    in trouble before it has been so three times as long as ever within the window.
    """
    seen = last_seen_ms(store, snapshot, window)
    speaking = {service for service, at_ms in seen.items() if now_ms - at_ms < SPEAKING_MS}
    callers_of = callers(store, snapshot, window)
    found: dict[Target, float] = {}
    for service, at_ms in seen.items():
        silent_s = (now_ms - at_ms) / SECOND_MS
        if rule.is_beyond(silent_s, rule.clear_threshold):
            others = callers_of.get(service, seen.keys() - {service})
            habit_s = longest_gap_ms(store, snapshot, window, service) / SECOND_MS
            if not others & speaking or silent_s < HABIT_FACTOR * habit_s:
                continue
        found[service, ""] = silent_s
    return found


def _lost(store: Store, snapshot: Snapshot, window: Window, rule: Rule) -> dict[Target, float]:
    counted = read_red(store, snapshot, window, {series.number: series.service for series in series_of(store)})
    calls = dict(zip(counted.keys, counted.histograms().calls.tolist(), strict=True))
    orphans = read_orphans(store, snapshot, window)
    return {
        (service, ""): orphans.get(service, 0) / count for service, count in calls.items() if count >= rule.calls_min
    }


def _survey(snapshot: Snapshot, window: Window) -> Survey:
    return survey(snapshot, window.start_ms * NS_PER_MS, window.end_ms * NS_PER_MS, runs=1)


def _skew(store: Store, now: Survey, rule: Rule) -> dict[Target, float]:
    """By how many milliseconds each service's clock is off, ahead or behind."""
    found = clock_offsets(now, store.registry.all, rule.calls_min)
    return {(service, ""): abs(offset_ms) for service, offset_ms in found.items()}


def _broken(store: Store, snapshot: Snapshot, now: Survey, known: set[Call], rule: Rule) -> dict[Target, float]:
    """For each service the largest share of one of its calls that begin traces of their own."""
    services = {store.registry.services[store.registry.service_numbers[number]] for number in np.unique(now.series)}
    found: dict[Target, float] = {(service, ""): 0.0 for service in services}
    for broken in find_broken(store, snapshot, now, known):
        if broken.broken + broken.whole >= rule.calls_min:
            target = broken.caller[0], ""
            found[target] = max(found[target], broken.share)
    return found
