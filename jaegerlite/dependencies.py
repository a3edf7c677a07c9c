"""Which service calls which: counted as spans arrive, so that the service graph never has to read them again.

A call is a span whose parent belongs to another service, as in Jaeger. Parent and child come from different
processes, in any order and seconds apart: the services of recent spans are kept in a bounded table, and children wait
a while for their parents.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from jaegerlite.columns import I32Array, I64Array, SpanColumns, U64Array
from jaegerlite.rollup import ERROR, tally
from jaegerlite.spanmap import SpanMap

# Two tables of this size remember the last 300,000 to 600,000 spans: ten seconds and more at 30,000 spans/s.
MAP_SLOTS: Final = 1 << 19
CHILDREN_WAITING_MAX: Final = 50_000
SERVICE_BITS: Final = 20


@dataclass(frozen=True, slots=True)
class _Children:
    """Spans in want of their parents, as columns."""

    parent_id: U64Array
    service: I32Array
    start_ns: I64Array
    duration_ns: I64Array
    failed: npt.NDArray[np.bool_]

    def where(self, rows: npt.NDArray[np.bool_] | slice) -> "_Children":
        return _Children(
            self.parent_id[rows], self.service[rows], self.start_ns[rows], self.duration_ns[rows], self.failed[rows]
        )

    def followed_by(self, other: "_Children") -> "_Children":
        return _Children(
            np.concatenate([self.parent_id, other.parent_id]),
            np.concatenate([self.service, other.service]),
            np.concatenate([self.start_ns, other.start_ns]),
            np.concatenate([self.duration_ns, other.duration_ns]),
            np.concatenate([self.failed, other.failed]),
        )


class EdgeCounter:
    """Finds the calls between services in the stream of spans; used by one thread."""

    def __init__(self) -> None:
        self._now = SpanMap(MAP_SLOTS)
        self._before = SpanMap(MAP_SLOTS)
        none = np.empty(0, np.int64)
        self._waiting = _Children(none.astype(np.uint64), none.astype(np.int32), none, none, none.astype(np.bool_))

    def count(self, columns: SpanColumns, service_by_series: list[int]) -> dict[str, Any]:
        """Take in a batch; return rows for the calls known by it: of its own spans, and of earlier ones that waited."""
        n = columns.count
        service = np.asarray(service_by_series, np.int32)[columns.series[:n]]
        self._remember(columns.span_id[:n], service)
        has_parent = columns.parent_id[:n] != 0
        arrived = _Children(
            columns.parent_id[:n], service, columns.start_ns[:n], columns.duration_ns[:n], columns.status[:n] == ERROR
        ).where(has_parent)
        children = self._waiting.followed_by(arrived)
        parents = np.full(len(children.parent_id), -1, np.int32)
        self._before.get(children.parent_id, parents)
        self._now.get(children.parent_id, parents)
        self._waiting = children.where(parents < 0).where(slice(-CHILDREN_WAITING_MAX, None))
        crossing = (parents >= 0) & (parents != children.service)
        return _rows(parents[crossing], children.where(crossing))

    def _remember(self, span_ids: U64Array, service: I32Array) -> None:
        step = MAP_SLOTS // 2
        for at in range(0, len(span_ids), step):
            part = span_ids[at : at + step]
            if not self._now.has_room_for(len(part)):
                self._before, self._now = self._now, SpanMap(MAP_SLOTS)
            self._now.put(part, service[at : at + step])


def _rows(parents: I32Array, children: _Children) -> dict[str, Any]:
    pairs, pair = np.unique(parents.astype(np.int64) << SERVICE_BITS | children.service, return_inverse=True)
    counted = tally(children.start_ns, pair.astype(np.int32), children.duration_ns, children.failed)
    services = pairs[counted.who]
    return {
        "slot": counted.slot,
        "parent": (services >> SERVICE_BITS).astype(np.int32),
        "child": (services & ((1 << SERVICE_BITS) - 1)).astype(np.int32),
        "bucket": counted.bucket,
        "calls": counted.calls,
        "errors": counted.errors,
    }
