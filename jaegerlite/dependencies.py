"""Which service calls which: counted as spans arrive, so that the service graph never has to read them again.

A call is a span whose parent belongs to another service, as in Jaeger. Parent and child come from different
processes, in any order and seconds apart: the services of recent spans are kept in a bounded table, and children wait
a while for their parents.

A span that is no entry into its service has its parent in the same process. Where that one has not come after a minute,
spans are being lost, and the span counts as a call from nobody (`PARENT_UNKNOWN`); should the parent come after all, as
that of a long operation does, the count is taken back.
"""

import time
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from jaegerlite.columns import I32Array, I64Array, SpanColumns, U64Array
from jaegerlite.rollup import ERROR, tally
from jaegerlite.series import SeriesRegistry
from jaegerlite.spanmap import SpanMap

# Two tables of this size remember the last 300,000 to 600,000 spans: ten seconds and more at 30,000 spans/s.
MAP_SLOTS: Final = 1 << 19
CHILDREN_WAITING_MAX: Final = 50_000
OVERDUE_S: Final = 60.0
PARENT_UNKNOWN: Final = -1
LOCAL_KINDS: Final = (1, 3, 4)  # internal, client, producer
SERVICE_BITS: Final = 20
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Children:
    """Spans in want of their parents, as columns; `arrived_s` of a monotonic clock, `overdue` once counted as lost."""

    parent_id: U64Array
    service: I32Array
    start_ns: I64Array
    duration_ns: I64Array
    failed: BoolArray
    is_local: BoolArray
    overdue: BoolArray
    arrived_s: npt.NDArray[np.float64]

    def where(self, rows: BoolArray | slice) -> "_Children":
        return _Children(*(getattr(self, column.name)[rows] for column in fields(self)))

    def followed_by(self, other: "_Children") -> "_Children":
        pairs = ((getattr(self, column.name), getattr(other, column.name)) for column in fields(self))
        return _Children(*(np.concatenate(pair) for pair in pairs))


class EdgeCounter:
    """Finds the calls between services in the stream of spans; used by one thread."""

    def __init__(self) -> None:
        self._now = SpanMap(MAP_SLOTS)
        self._before = SpanMap(MAP_SLOTS)
        self._waiting: _Children | None = None
        self._is_local: BoolArray = np.empty(0, np.bool_)

    def count(self, columns: SpanColumns, registry: SeriesRegistry) -> dict[str, Any]:
        """Take in a batch; return rows for the calls known by it: of its own spans, and of earlier ones that waited."""
        n = columns.count
        series = columns.series[:n]
        service = np.asarray(registry.service_numbers, np.int32)[series]
        self._remember(columns.span_id[:n], service)
        now_s = time.monotonic()
        arrived = _Children(
            columns.parent_id[:n],
            service,
            columns.start_ns[:n],
            columns.duration_ns[:n],
            columns.status[:n] == ERROR,
            self._local_series(registry)[series],
            np.zeros(n, np.bool_),
            np.full(n, now_s),
        ).where(columns.parent_id[:n] != 0)
        children = arrived if self._waiting is None else self._waiting.followed_by(arrived)
        parents = np.full(len(children.parent_id), PARENT_UNKNOWN, np.int32)
        self._before.get(children.parent_id, parents)
        self._now.get(children.parent_id, parents)
        is_known = parents != PARENT_UNKNOWN
        lost = ~is_known & children.is_local & ~children.overdue & (now_s - children.arrived_s > OVERDUE_S)
        crossing = is_known & (parents != children.service)
        rows = [_rows(parents[crossing | lost], children.where(crossing | lost))]
        late = is_known & children.overdue
        if late.any():
            taken_back = _rows(np.full(int(late.sum()), PARENT_UNKNOWN, np.int32), children.where(late))
            rows.append(taken_back | {"calls": -taken_back["calls"], "errors": -taken_back["errors"]})
        children.overdue[lost] = True
        self._waiting = children.where(~is_known).where(slice(-CHILDREN_WAITING_MAX, None))
        return {name: np.concatenate([part[name] for part in rows]) for name in rows[0]} if late.any() else rows[0]

    def _local_series(self, registry: SeriesRegistry) -> BoolArray:
        """For each series, whether the parent of a span of it was in the same process."""
        known = len(self._is_local)
        if known < len(registry.all):
            fresh = [series.kind in LOCAL_KINDS for series in registry.all[known:]]
            self._is_local = np.append(self._is_local, fresh)
        return self._is_local

    def _remember(self, span_ids: U64Array, service: I32Array) -> None:
        step = MAP_SLOTS // 2
        for at in range(0, len(span_ids), step):
            part = span_ids[at : at + step]
            if not self._now.has_room_for(len(part)):
                self._before, self._now = self._now, SpanMap(MAP_SLOTS)
            self._now.put(part, service[at : at + step])


def _rows(parents: I32Array, children: _Children) -> dict[str, Any]:
    # From nobody, -1, upwards: one more keeps the number of a pair positive.
    keys = (parents.astype(np.int64) + 1) << SERVICE_BITS | children.service
    pairs, pair = np.unique(keys, return_inverse=True)
    counted = tally(children.start_ns, pair.astype(np.int32), children.duration_ns, children.failed)
    services = pairs[counted.who]
    return {
        "slot": counted.slot,
        "parent": ((services >> SERVICE_BITS) - 1).astype(np.int32),
        "child": (services & ((1 << SERVICE_BITS) - 1)).astype(np.int32),
        "bucket": counted.bucket,
        "calls": counted.calls,
        "errors": counted.errors,
    }
