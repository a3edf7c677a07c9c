"""Reading what was counted: rate, errors and durations of series, and of calls between services, for any window."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from jaegerlite.columns import I64Array
from jaegerlite.dependencies import PARENT_UNKNOWN
from jaegerlite.histogram import Histograms
from jaegerlite.partitions import Snapshot
from jaegerlite.rollup import FINE_SLOTS, SLOT_MS, SLOTS_PER_MINUTE
from jaegerlite.series import Series
from jaegerlite.sql import number_list
from jaegerlite.store import Store

NS_PER_MS: Final = 1_000_000
MINUTE_MS: Final = 60_000
QUANTILES: Final = (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99))
ROWS: Final = ("group", "step", "bucket", "calls", "errors")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time in milliseconds since 1970, in whole slots, cut into steps of whole slots."""

    start_ms: int
    step_ms: int
    steps: int

    @property
    def end_ms(self) -> int:
        """Its end, which does not belong to it."""
        return self.start_ms + self.steps * self.step_ms

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.steps * self.step_ms / 1000

    def whole(self) -> "Window":
        """The same window in one step."""
        return Window(self.start_ms, self.step_ms * self.steps, 1)


def window_of(start_ms: int, end_ms: int, step_ms: int = 0) -> Window:
    """The window of whole slots that begins with the one of `start_ms`, with its minute where it is long.

    `step_ms` 0 makes one step of it.
    """
    start_ms -= start_ms % (MINUTE_MS if end_ms - start_ms > FINE_SLOTS * SLOT_MS else SLOT_MS)
    slots = max(1, -(-(end_ms - start_ms) // SLOT_MS))
    step_slots = max(1, step_ms // SLOT_MS) if step_ms else slots
    return Window(start_ms, step_slots * SLOT_MS, -(-slots // step_slots))


@dataclass(frozen=True, slots=True)
class Counted:
    """Counted spans in groups: `keys` name the groups; the rows are arrays of group, step, bucket, calls, errors."""

    keys: list[Any]
    window: Window
    rows: dict[str, I64Array]

    def histograms(self) -> Histograms:
        """A histogram for each group and step, in cell `group * steps + step`."""
        rows, steps = self.rows, self.window.steps
        cell = rows["group"] * steps + rows["step"]
        return Histograms(cell, rows["bucket"], rows["calls"], rows["errors"], len(self.keys) * steps)


def read_red(store: Store, snapshot: Snapshot, window: Window, key_of: dict[int, Any]) -> Counted:
    """What was counted of the series that `key_of` names by number, in groups of the same key."""
    keys = list(dict.fromkeys(key_of.values()))
    places = {key: place for place, key in enumerate(keys)}
    group_of = np.zeros(max(key_of, default=0) + 1, np.int64)
    for number, key in key_of.items():
        group_of[number] = places[key]
    everything = len(key_of) == len(store.registry.all)
    where = "" if everything else f"AND series IN ({number_list(key_of)})"
    rows = _read(snapshot, "red_table", "series", window, where)
    known = rows["series"] < len(group_of)
    rows = {name: row[known] for name, row in rows.items()}
    return Counted(keys, window, rows | {"group": group_of[rows["series"]]})


def read_edges(store: Store, snapshot: Snapshot, window: Window) -> Counted:
    """What was counted of calls between services; the keys are pairs of their names."""
    rows = _read(snapshot, "edge_table", "parent, child", window, f"AND parent != {PARENT_UNKNOWN}")
    services = store.registry.services
    pairs, group = np.unique(rows["parent"] << 32 | rows["child"], return_inverse=True)
    keys = [(services[pair >> 32], services[pair & 0xFFFFFFFF]) for pair in pairs.tolist()]
    return Counted(keys, window, rows | {"group": group})


def read_orphans(store: Store, snapshot: Snapshot, window: Window) -> dict[str, int]:
    """How many spans of each service lack a parent that was in the same process, and so must have been sent as well."""
    rows = _read(snapshot, "edge_table", "parent, child", window, f"AND parent = {PARENT_UNKNOWN}")
    counted = np.bincount(rows["child"], rows["calls"], len(store.registry.services))
    return {store.registry.services[place]: int(counted[place]) for place in np.flatnonzero(counted)}


def callers(store: Store, snapshot: Snapshot, window: Window) -> dict[str, set[str]]:
    """For each service that is called within a window, who calls it."""
    services = store.registry.services
    found: dict[str, set[str]] = {}
    for partition in snapshot.overlapping(window.start_ms * NS_PER_MS, window.end_ms * NS_PER_MS - 1):
        rows = snapshot.cursor.execute(
            f"SELECT DISTINCT parent, child FROM {partition.edge_table}"  # noqa: S608
            f" WHERE parent != {PARENT_UNKNOWN} AND slot >= {window.start_ms // SLOT_MS:d}"
        ).fetchall()
        for parent, child in rows:
            found.setdefault(services[child], set()).add(services[parent])
    return found


def last_seen_ms(store: Store, snapshot: Snapshot, window: Window) -> dict[str, int]:
    """When the last span of each service began, in ms since 1970 and to ten seconds; none before the window."""
    seen: dict[str, int] = {}
    for partition in snapshot.overlapping(window.start_ms * NS_PER_MS, window.end_ms * NS_PER_MS):
        rows = snapshot.cursor.execute(
            f"SELECT series, max(slot) FROM {partition.red_table}"  # noqa: S608
            f" WHERE slot >= {window.start_ms // SLOT_MS:d} GROUP BY series"
        ).fetchall()
        for number, slot in rows:
            service = store.registry.all[number].service
            seen[service] = max(seen.get(service, 0), (slot + 1) * SLOT_MS)
    return seen


def longest_gap_ms(store: Store, snapshot: Snapshot, window: Window, service: str) -> int:
    """The longest time between two spans of a service within a window, in milliseconds and to a minute."""
    numbers = number_list(series.number for series in series_of(store, service))
    minutes: set[int] = set()
    for partition in snapshot.overlapping(window.start_ms * NS_PER_MS, window.end_ms * NS_PER_MS):
        rows = snapshot.cursor.execute(
            f"SELECT DISTINCT slot // {SLOTS_PER_MINUTE} FROM {partition.red_table}"  # noqa: S608
            f" WHERE series IN ({numbers}) AND slot >= {window.start_ms // SLOT_MS:d}"
        ).fetchall()
        minutes.update(row[0] for row in rows)
    return max((later - earlier - 1 for earlier, later in pairwise(sorted(minutes))), default=0) * MINUTE_MS


def _read(snapshot: Snapshot, table: str, who: str, window: Window, where: str) -> dict[str, I64Array]:
    first_slot, stop_slot = window.start_ms // SLOT_MS, window.end_ms // SLOT_MS
    step_slots = window.step_ms // SLOT_MS
    partitions = snapshot.overlapping(window.start_ms * NS_PER_MS, window.end_ms * NS_PER_MS - 1)
    tables = " UNION ALL ".join(
        f"SELECT (slot - {first_slot:d}) // {step_slots:d} AS step, {who}, bucket, calls, errors"  # noqa: S608
        f" FROM {getattr(partition, table)} WHERE slot BETWEEN {first_slot:d} AND {stop_slot - 1:d} {where}"
        for partition in partitions
    )
    names = ("step", *who.split(", "), "bucket", "calls", "errors")
    if not tables:
        return {name: np.empty(0, np.int64) for name in names}
    found = snapshot.cursor.execute(
        f"SELECT step, {who}, bucket, sum(calls)::BIGINT AS calls, sum(errors)::BIGINT AS errors"  # noqa: S608
        f" FROM ({tables}) GROUP BY ALL"
    ).fetchnumpy()
    return {name: np.ma.getdata(found[name]).astype(np.int64) for name in names}


def series_of(store: Store, service: str = "", operation: str = "", kinds: tuple[int, ...] = ()) -> list[Series]:
    """The series of a service, an operation and certain span kinds; empty means any."""
    return [
        series
        for series in store.registry.all
        if (not service or series.service == service)
        and (not operation or series.name == operation)
        and (not kinds or series.kind in kinds)
    ]


def figures(counted: Counted) -> list[Json]:
    """The figures of each group over the whole of a window of one step."""
    histograms, seconds = counted.histograms(), counted.window.seconds
    quantiles = {name: histograms.quantile_ns(q) for name, q in QUANTILES}
    totals_ns = histograms.total_ns.tolist()
    return [
        {
            "calls": calls,
            "errors": errors,
            "rate_per_s": round(calls / seconds, 4),
            "error_rate": round(errors / calls, 6) if calls else 0.0,
            **{name: _ms(values[place]) for name, values in quantiles.items()},
            "total_ms": round(totals_ns[place] / NS_PER_MS, 1),
        }
        for place, (calls, errors) in enumerate(zip(histograms.calls.tolist(), histograms.errors.tolist(), strict=True))
    ]


def curves(counted: Counted) -> list[Json]:
    """The figures of each group over time: a value for each step, null where nothing was called."""
    histograms, steps, step_s = counted.histograms(), counted.window.steps, counted.window.step_ms / 1000
    quantiles = {name: [_ms(value) for value in histograms.quantile_ns(q)] for name, q in QUANTILES}
    calls, errors = histograms.calls.tolist(), histograms.errors.tolist()
    rates = [round(count / step_s, 4) for count in calls]
    shares = [round(e / c, 6) if c else None for c, e in zip(calls, errors, strict=True)]
    values: dict[str, list[Any]] = {"rate_per_s": rates, "error_rate": shares, **quantiles}
    return [
        {name: column[place * steps : (place + 1) * steps] for name, column in values.items()}
        for place in range(len(counted.keys))
    ]


def _ms(value_ns: float) -> float | None:
    return None if math.isnan(value_ns) else round(float(value_ns) / NS_PER_MS, 3)
