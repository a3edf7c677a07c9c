"""Insights that no single trace gives: broken hand-overs, lost spans, callers with an unusual share."""

import time
from collections.abc import Callable, Set
from typing import Any, Final

from jaegerlite.analysis.callers import unusual_callers
from jaegerlite.analysis.handovers import (
    BrokenHandover,
    Call,
    Operation,
    as_insight,
    broken_handovers,
    calls_between,
)
from jaegerlite.partitions import Snapshot
from jaegerlite.red import NS_PER_MS, read_orphans, read_red, series_of, window_of
from jaegerlite.store import Store
from jaegerlite.survey import Survey, SurveyedAttributes, survey

DAY_MS: Final = 24 * 3600 * 1000
LOST_SHARE_MIN: Final = 0.01
LOST_MIN: Final = 5
Range = tuple[int, int]


def insights_of_many(
    store: Store, snapshot: Snapshot, range_ms: Range, service: str, deadline_s: float
) -> tuple[list[dict[str, Any]], bool]:
    """What the traces of a window (milliseconds since 1970) say together, as `/api/insights` tells it.

    Args:
        service: whom it has to concern; empty for anybody.
        deadline_s: of the monotonic clock; what has not begun by then is left out.

    Returns:
        The insights, and whether nothing was left out.
    """
    start_ms, end_ms = range_ms
    now, before = survey(snapshot, start_ms * NS_PER_MS, end_ms * NS_PER_MS), day_before(snapshot, start_ms)
    calls = calls_between(now, operations_of(store)) | calls_between(before, operations_of(store))
    steps: tuple[Callable[[], list[dict[str, Any]]], ...] = (
        lambda: [as_insight(one, now.traces) for one in find_broken(store, snapshot, now, calls)],
        lambda: list(unusual_callers(store, snapshot, range_ms, now, before)),
        lambda: lost_spans(store, snapshot, range_ms),
    )
    found: list[dict[str, Any]] = []
    for step in steps:
        if time.monotonic() > deadline_s:
            return found, False
        found += [one for one in step() if service in ("", one["service"], one["details"].get("callee"))]
    return found, True


def day_before(snapshot: Snapshot, start_ms: int) -> Survey:
    """A small survey of the day before a time (milliseconds since 1970), which says what is usual."""
    return survey(snapshot, max(0, start_ms - DAY_MS) * NS_PER_MS, start_ms * NS_PER_MS, runs=1)


def find_broken(store: Store, snapshot: Snapshot, now: Survey, calls: Set[Call]) -> list[BrokenHandover]:
    """The broken hand-overs of a survey, those with the most calls first; `calls` says who calls whom."""
    found = broken_handovers(now, calls, operations_of(store), SurveyedAttributes(snapshot, now))
    return sorted(found, key=lambda one: -one.broken)


def operations_of(store: Store) -> Callable[[int], Operation]:
    """What gives service, name and kind of a series by its number."""

    def operation_of(number: int) -> Operation:
        series = store.registry.all[number]
        return series.service, series.name, series.kind

    return operation_of


def lost_spans(store: Store, snapshot: Snapshot, range_ms: Range) -> list[dict[str, Any]]:
    """Services of which spans are missing: those that came name a parent of the same process that did not."""
    window = window_of(*range_ms)
    orphans = read_orphans(store, snapshot, window)
    counted = read_red(store, snapshot, window, {series.number: series.service for series in series_of(store)})
    calls = dict(zip(counted.keys, counted.histograms().calls.tolist(), strict=True))
    return [
        {
            "kind": "lost_spans",
            "service": service,
            "operation": "",
            "summary": f"at least {lost} spans of {service} are missing ({lost / calls[service]:.1%}), though what they"
            " called came",
            "details": {"share": round(lost / calls[service], 4)},
            "count": lost,
            "traces": 0,
            "share_of_traces": 0.0,
            "total_cost_ms": 0.0,
            "max_cost_ms": 0.0,
            "example_trace_ids": [],
        }
        for service, lost in orphans.items()
        if lost >= max(LOST_MIN, LOST_SHARE_MIN * calls.get(service, 0)) and calls.get(service)
    ]
