"""One of many who call a service, with an unusual share: of all requests while they came in a burst, or of the refused.

Who calls is what attributes say that speak of identities (`user.id`, `tenant.id`, `client.address`). Unusual is what
it is not otherwise: somebody with most of the requests at all times is a large customer, and no news.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from jaegerlite.analysis.tree import ERROR, SERVER
from jaegerlite.columns import BoolArray, I64Array
from jaegerlite.jaeger_json import trace_id_text
from jaegerlite.otlp import value_text
from jaegerlite.partitions import Snapshot
from jaegerlite.red import NS_PER_MS, Window, read_red, window_of
from jaegerlite.store import Store
from jaegerlite.survey import Survey, SurveyedAttributes, survey

STEPS: Final = 60
SERVICES_MAX: Final = 20
BURST_CALLS_MIN: Final = 100
BURST_FACTOR: Final = 2
# Within a burst are the steps with at least this part of the calls of its busiest one.
BURST_SHARE: Final = 0.5
SHARE_MIN: Final = 0.5
REFUSED_SHARE_MIN: Final = 0.1
USUAL_FACTOR: Final = 3
SPANS_MIN: Final = 20
OTHERS_MIN: Final = 3
SAMPLE: Final = 200
EXAMPLES: Final = 5
STATUS_KEYS: Final = ("http.response.status_code", "http.status_code")
_WHO: Final = frozenset(
    {"user", "enduser", "tenant", "customer", "client", "consumer", "account", "organization", "org", "caller"}
    | {"principal", "subject", "session", "member"}
)
_OF_WHO: Final = frozenset({"id", "name", "address", "key", "email"}) | _WHO


@dataclass(frozen=True, slots=True)
class _Share:
    """A value of an attribute, with its share among some spans and among others; `rows` are those of the former."""

    key: str
    value: str
    share: float
    usual_share: float
    rows: list[int]


@dataclass(frozen=True, slots=True)
class _Spans:
    """Some spans of a survey, with their attributes."""

    surveyed: Survey
    rows: list[int]
    attributes: SurveyedAttributes


def is_identity(key: str) -> bool:
    """Whether an attribute says who is calling."""
    parts = re.split(r"[._-]", key.lower())
    return parts[-1] in _OF_WHO and "agent" not in parts and not _WHO.isdisjoint(parts)


def unusual_callers(
    store: Store, snapshot: Snapshot, window_ms: tuple[int, int], now: Survey, before: Survey
) -> Iterator[dict[str, Any]]:
    """Insights of a window (milliseconds since 1970): who made bursts of requests, and whose requests are refused.

    Args:
        now: a survey of the window.
        before: one of the time before it.
    """
    window = window_of(*window_ms, max(1, (window_ms[1] - window_ms[0]) // STEPS))
    attributes, attributes_before = SurveyedAttributes(snapshot, now), SurveyedAttributes(snapshot, before)
    for service, entries in _entries(store, now)[:SERVICES_MAX]:
        snapshot.limits.check()
        if len(entries) < SPANS_MIN:
            break
        series = set(now.series[entries].tolist())
        calls = _calls(store, snapshot, window, series)
        burst = calls >= max(BURST_SHARE * calls.max(), 1)
        step = (now.start_ns[entries] // NS_PER_MS - window.start_ms) // window.step_ms
        quiet = _some(now, entries[~burst[np.clip(step, 0, len(burst) - 1)]], attributes)
        if len(quiet.rows) < SPANS_MIN:
            earlier = np.flatnonzero(np.isin(before.series, list(series)) & before.is_root)
            quiet = _some(before, earlier, attributes_before)
        if _is_burst(calls, burst):
            yield from _burst(store, snapshot, window, service, series, calls, burst, quiet)
        yield from _refused(store, service, _some(now, entries, attributes))


def _entries(store: Store, spans: Survey) -> list[tuple[str, I64Array]]:
    """The spans with which requests from outside come in, by service, the most first."""
    kinds = np.array([series.kind for series in store.registry.all], np.int64)
    rows = np.flatnonzero(spans.is_root & (kinds[spans.series] == SERVER)) if len(kinds) else np.empty(0, np.int64)
    services = np.asarray(store.registry.service_numbers, np.int64)[spans.series[rows]] if len(rows) else rows
    found = [(store.registry.services[number], rows[services == number]) for number in np.unique(services).tolist()]
    return sorted(found, key=lambda one: -len(one[1]))


def _calls(store: Store, snapshot: Snapshot, window: Window, series: set[int]) -> I64Array:
    """How many calls there were in each step."""
    counted = read_red(store, snapshot, window, dict.fromkeys(series, ""))
    return np.asarray(counted.histograms().calls, np.int64)


def _is_burst(calls: I64Array, burst: BoolArray) -> bool:
    others = calls[~burst & (calls > 0)]
    usual = float(np.median(others)) if len(others) else 0.0
    return bool(calls[burst].sum() >= BURST_CALLS_MIN and calls.max() >= BURST_FACTOR * usual)


def _some(spans: Survey, rows: I64Array, attributes: SurveyedAttributes) -> _Spans:
    """A sample of spans, evenly over their rows, which lie at random: they are sorted by their ids."""
    chosen = rows[:: max(1, len(rows) // SAMPLE)][:SAMPLE].tolist()
    attributes.fetch(chosen)
    return _Spans(spans, chosen, attributes)


def _burst(
    store: Store,
    snapshot: Snapshot,
    window: Window,
    service: str,
    series: set[int],
    calls: I64Array,
    burst: BoolArray,
    quiet: _Spans,
) -> Iterator[dict[str, Any]]:
    steps = np.flatnonzero(burst)
    start_ms = window.start_ms + int(steps[0]) * window.step_ms
    end_ms = window.start_ms + (int(steps[-1]) + 1) * window.step_ms
    inside = survey(snapshot, start_ms * NS_PER_MS, end_ms * NS_PER_MS, runs=1)
    entries = np.flatnonzero(np.isin(inside.series, list(series)) & inside.is_root)
    loud = _some(inside, entries, SurveyedAttributes(snapshot, inside))
    for found in _dominant(loud, quiet):
        made = round(found.share * int(calls[burst].sum()))
        rate = made / (len(steps) * window.step_ms / 1000)
        if made >= BURST_CALLS_MIN:
            text = (
                f"{found.key} {found.value} made {found.share:.0%} of the requests to {service} in a burst"
                f" ({rate:.3g}/s); otherwise {found.usual_share:.0%}"
            )
            span = {"start_ms": start_ms, "end_ms": end_ms, "rate_per_s": round(rate, 2)}
            yield _insight(store, "noisy_caller", service, loud, found, text, made, span)


def _refused(store: Store, service: str, spans: _Spans) -> Iterator[dict[str, Any]]:
    refused = [row for row in spans.rows if _is_refused(spans, row)]
    if len(refused) < max(SPANS_MIN, REFUSED_SHARE_MIN * len(spans.rows)):
        return
    others = [row for row in spans.rows if row not in set(refused)]
    sides = (_Spans(spans.surveyed, rows, spans.attributes) for rows in (refused, others))
    for found in _dominant(*sides):
        text = (
            f"{found.key} {found.value} has {found.share:.0%} of the requests that {service} refused or failed, and"
            f" {found.usual_share:.0%} of the others"
        )
        yield _insight(store, "refused_caller", service, spans, found, text, len(found.rows), {})


def _is_refused(spans: _Spans, row: int) -> bool:
    known = spans.attributes[row]
    status = next((known[key] for key in STATUS_KEYS if key in known), 0)
    return spans.surveyed.status[row] == ERROR or (str(status).isdigit() and 400 <= int(str(status)) < 600)


def _dominant(some: _Spans, others: _Spans) -> Iterator[_Share]:
    """Who has an unusual share of some spans, by the others; of several attributes the one with the largest share."""
    found = []
    for key in {key for row in some.rows for key in some.attributes[row] if is_identity(key)}:
        here, there = (
            [(row, value_text(s.attributes[row][key])) for row in s.rows if key in s.attributes[row]]
            for s in (some, others)
        )
        if min(len(here), len(there)) < SPANS_MIN:
            continue
        value, count = Counter(text for _, text in here).most_common(1)[0]
        usual = Counter(text for _, text in there)
        share, usual_share = count / len(some.rows), usual[value] / len(there)
        if len((usual | Counter(text for _, text in here)).keys() - {value}) < OTHERS_MIN:
            continue
        if share >= SHARE_MIN and share >= USUAL_FACTOR * usual_share:
            found.append(_Share(key, value, share, usual_share, [row for row, text in here if text == value]))
    yield from sorted(found, key=lambda one: (-one.share, one.key))[:1]


def _insight(
    store: Store, kind: str, service: str, spans: _Spans, found: _Share, text: str, count: int, more: dict[str, Any]
) -> dict[str, Any]:
    names = Counter(store.registry.all[spans.surveyed.series[row]].name for row in found.rows)
    shares = {"share": round(found.share, 4), "usual_share": round(found.usual_share, 4)}
    return {
        "kind": kind,
        "service": service,
        "operation": names.most_common(1)[0][0],
        "summary": text,
        "details": {"attribute": found.key, "value": found.value, **shares, **more},
        "count": count,
        "traces": count,
        "share_of_traces": round(found.share, 4),
        "total_cost_ms": 0.0,
        "max_cost_ms": 0.0,
        "example_trace_ids": [trace_id_text(spans.surveyed.trace(row)) for row in found.rows[:EXAMPLES]],
    }
