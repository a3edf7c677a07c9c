"""The store and its search, on a real DuckDB file."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from jaegerlite import housekeeping
from jaegerlite.directory import TraceDirectory
from jaegerlite.merge import SMALL_CHUNKS_MAX
from jaegerlite.red import read_edges, window_of
from jaegerlite.search import TraceQuery, find_traces
from jaegerlite.store import Store, StoreFullError
from jaegerlite.traces import Span, TraceKey, load_traces

NOW_NS = time.time_ns() - 300_000_000_000  # in a minute that is over
SECOND_NS = 1_000_000_000


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Opens the store in the test's folder, with settings of the test's own, again and again; closes the last one."""
    opened: list[Store] = []

    def opener(**settings: Any) -> Store:
        if opened:
            opened[-1].close()
        opened.append(Store(tmp_path, **settings))
        return opened[-1]

    yield opener
    opened[-1].close()


def _span(
    trace: int,
    number: int,
    *,
    parent: int = 0,
    name: str = "work",
    start_ns: int = NOW_NS,
    duration_ns: int = 1000,
    failed: bool = False,
    tags: dict[str, str | int | bool] | None = None,
) -> OtlpSpan:
    values = {
        key: AnyValue(bool_value=value)
        if isinstance(value, bool)
        else AnyValue(int_value=value)
        if isinstance(value, int)
        else AnyValue(string_value=value)
        for key, value in (tags or {}).items()
    }
    return OtlpSpan(
        trace_id=trace.to_bytes(16),
        span_id=number.to_bytes(8),
        parent_span_id=parent.to_bytes(8) if parent else b"",
        name=name,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + duration_ns,
        attributes=[KeyValue(key=key, value=value) for key, value in values.items()],
        status=Status(code=Status.STATUS_CODE_ERROR) if failed else None,
    )


def _send(store: Store, service: str, *spans: OtlpSpan) -> None:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name", value=AnyValue(string_value=service))
    resource.resource.attributes.add(key="zone", value=AnyValue(string_value=f"zone-{service}"))
    resource.scope_spans.add().spans.extend(spans)
    assert store.add(request.SerializeToString()) == (len(spans), 0)


def _flush(store: Store) -> None:
    store.flush(store.swap())


def _load(store: Store, *traces: int) -> dict[TraceKey, list[Span]]:
    with store.snapshot(store.cursor()) as snapshot:
        return load_traces(store, snapshot, [(0, trace) for trace in traces])


def _find(store: Store, **query: object) -> list[int]:
    asked = TraceQuery(0, NOW_NS + 3600 * SECOND_NS, **query)  # type: ignore[arg-type]
    with store.snapshot(store.cursor()) as snapshot:
        return [low for _, low in find_traces(store, snapshot, asked)]


def _calls(store: Store) -> list[tuple[str, str, int, int]]:
    with store.snapshot(store.cursor()) as snapshot:
        edges = read_edges(store, snapshot, window_of(NOW_NS // 1_000_000 - 60_000, NOW_NS // 1_000_000 + 60_000))
    histograms = edges.histograms()
    counted = zip(edges.keys, histograms.calls.tolist(), histograms.errors.tolist(), strict=True)
    return sorted((parent, child, calls, errors) for (parent, child), calls, errors in counted)


def test_a_trace_is_whole_whatever_the_order(open_store: Callable[..., Store]) -> None:
    """Spans of one trace that come from two services, late, in any order and twice are one trace, each span once."""
    store = open_store()
    _send(store, "orders", _span(7, 2, parent=1, start_ns=NOW_NS + 5), _span(7, 3, parent=99, start_ns=NOW_NS + 9))
    _flush(store)
    _send(store, "gateway", _span(7, 1), _span(8, 1))
    _send(store, "orders", _span(7, 2, parent=1, start_ns=NOW_NS + 5))
    _flush(store)
    spans = _load(store, 7)[(0, 7)]
    assert [(span.span_id, span.parent_id, span.series.service) for span in spans] == [
        (1, 0, "gateway"),
        (2, 1, "orders"),
        (3, 99, "orders"),
    ]


def test_a_single_span_whose_parent_is_elsewhere_is_read_back(open_store: Callable[..., Store]) -> None:
    """A flush of nothing but one span of somebody else's trace reads back, and merges with its neighbours."""
    store = open_store()
    for number in range(1, SMALL_CHUNKS_MAX + 3):
        _send(store, "gateway", _span(number, 1, parent=99))
        _flush(store)
        store.housekeeping.after_flush()
    spans = _load(store, 1, 2)
    assert [(span.span_id, span.parent_id) for trace in spans.values() for span in trace] == [(1, 99), (1, 99)]


def test_what_was_flushed_is_there_after_reopening(open_store: Callable[..., Store]) -> None:
    """A store that is opened again knows its services, finds its traces and goes on numbering."""
    store = open_store()
    _send(store, "gateway", _span(1, 1, tags={"k": "v"}))
    _flush(store)
    store = open_store()
    assert store.registry.services == ["gateway"]
    _send(store, "gateway", _span(2, 1, tags={"k": "v"}), _span(3, 1, name="other"))
    _flush(store)
    assert sorted(_find(store, service="gateway", tags={"k": "v"})) == [1, 2]
    assert [series.name for series in store.registry.all] == ["work", "other"]


def test_searches_by_column(open_store: Callable[..., Store]) -> None:
    """Service, operation, duration, time and limit narrow a search down, and the newest come first."""
    store = open_store()
    for trace in range(1, 21):
        _send(
            store,
            "a" if trace % 2 else "b",
            _span(trace, 1, start_ns=NOW_NS + trace * SECOND_NS, duration_ns=trace * 1000, name=f"op{trace % 4}"),
            _span(trace, 2, start_ns=NOW_NS + trace * SECOND_NS),
        )
    _flush(store)
    assert _find(store, service="a") == list(range(19, 0, -2))
    assert _find(store, service="a", limit=3) == [19, 17, 15]
    assert _find(store, service="a", operation="op3") == [19, 15, 11, 7, 3]
    assert _find(store, duration_ns_min=18_000) == [20, 19, 18]
    assert _find(store, service="b", duration_ns_min=3000, duration_ns_max=8000) == [8, 6, 4]
    assert _find(store, service="nobody") == []
    assert _find(store, limit=0) == []


@pytest.mark.parametrize(
    ("tags", "traces"),
    [
        ({"user": "u7"}, [7]),
        ({"number": "7"}, [7]),
        ({"odd": "true", "user": "u7"}, [7]),
        ({"odd": "true", "user": "u8"}, []),
        ({"user": "u"}, []),
        ({"error": "true"}, [30, 20, 10]),
        ({"otel.status_code": "ERROR", "odd": "false"}, [30, 20, 10]),
        ({"zone": "zone-a", "user": "u9"}, [9]),
        ({"zone": "zone-b"}, []),
        ({"service.name": "a", "error": "true"}, [30, 20, 10]),
    ],
)
def test_searches_by_tag(open_store: Callable[..., Store], tags: dict[str, str], traces: list[int]) -> None:
    """Tags match by text over attributes, resource and status, all on one span, across chunks."""
    store = open_store()
    for trace in range(1, 31):
        attributes: dict[str, str | int | bool] = {"user": f"u{trace}", "number": trace, "odd": trace % 2 == 1}
        start_ns = NOW_NS + trace * SECOND_NS
        _send(store, "a", _span(trace, 1, start_ns=start_ns, failed=trace % 10 == 0, tags=attributes))
        if trace % 7 == 0:
            _flush(store)
    _flush(store)
    assert _find(store, tags=tags) == traces


def test_many_small_flushes_become_few_chunks(open_store: Callable[..., Store]) -> None:
    """A slow stream leaves few chunks behind, and its traces stay whole, found and once."""
    store = open_store()
    for number in range(1, 3 * SMALL_CHUNKS_MAX):
        _send(store, "a", _span(number % 5 + 1, number, parent=number - 1, tags={"n": number}))
        _send(store, "a", _span(number % 5 + 1, number, parent=number - 1, tags={"n": number}))
        _flush(store)
        store.housekeeping.after_flush()
    rows = store.cursor().execute("SELECT count(*), sum(spans)::INT FROM chunk_0").fetchone()
    stored = store.cursor().execute("SELECT count(*) FROM span_0").fetchone()
    assert rows is not None
    assert rows[0] <= SMALL_CHUNKS_MAX
    assert stored == (rows[1],)
    ids = {span.span_id: span.parent_id for spans in _load(store, 1, 2, 3, 4, 5).values() for span in spans}
    assert ids == {number: number - 1 for number in range(1, 3 * SMALL_CHUNKS_MAX)}
    assert _find(store, tags={"n": "40"}) == [40 % 5 + 1]


def test_a_reader_is_not_disturbed_by_a_merge(open_store: Callable[..., Store]) -> None:
    """A reader that began before a merge reads the trace whole, although its chunks are gone by then."""
    store = open_store()
    for number in range(1, SMALL_CHUNKS_MAX + 1):
        _send(store, "a", _span(1, number))
        _flush(store)
    with store.snapshot(store.cursor()) as snapshot:
        store.housekeeping.after_flush()
        assert len(load_traces(store, snapshot, [(0, 1)])[(0, 1)]) == SMALL_CHUNKS_MAX
    assert len(_load(store, 1)[(0, 1)]) == SMALL_CHUNKS_MAX


def test_calls_between_services_are_counted_once_each(open_store: Callable[..., Store]) -> None:
    """A call counts when both its ends are known, whichever comes first; calls within a service do not."""
    store = open_store()
    _send(store, "gateway", _span(1, 1), _span(1, 2, parent=1))
    _send(store, "orders", _span(1, 3, parent=2, failed=True))
    _send(store, "wallet", _span(1, 4, parent=50), _span(1, 5, parent=404))
    _flush(store)
    assert _calls(store) == [("gateway", "orders", 1, 1)]
    _send(store, "gateway", _span(1, 50, parent=1))
    _flush(store)
    _send(store, "wallet", _span(1, 6, parent=50))
    _flush(store)
    expected = [("gateway", "orders", 1, 1), ("gateway", "wallet", 2, 0)]
    assert _calls(store) == expected
    assert _calls(open_store()) == expected, "they are stored with the spans"


def test_memory_is_refused_before_it_grows(open_store: Callable[..., Store]) -> None:
    """With too much waiting for the disk nothing more is taken, and a flush opens the door again."""
    store = open_store(waiting_bytes_max=1_000_000)
    body = "x" * 300_000
    _send(store, "a", _span(1, 1, tags={"body": body}))
    _send(store, "a", _span(1, 2, tags={"body": body}), _span(1, 3, tags={"body": body}))
    with pytest.raises(StoreFullError):
        _send(store, "a", _span(1, 4, tags={"body": body}))
    _flush(store)
    _send(store, "a", _span(1, 4, tags={"body": body}))
    _flush(store)
    assert len(_load(store, 1)[(0, 1)]) == 4


def _send_noise(store: Store, traces: range) -> None:
    noise = random.Random(traces.start)
    for trace in traces:
        _send(store, "a", _span(trace, 1, tags={"noise": noise.randbytes(120_000).hex()}))
        _flush(store)
        store.housekeeping.after_flush()


def test_the_oldest_spans_go_when_the_disk_is_full(open_store: Callable[..., Store]) -> None:
    """Over the size limit the oldest spans are deleted until the rest fits, and the file does not grow any further."""
    store = open_store(disk_bytes_max=16_000_000)
    _send_noise(store, range(1, 151))
    store.housekeeping.look_at_age_and_size()
    left = sorted(_find(store, limit=1000))
    assert 40 <= len(left) <= 135
    assert left == list(range(151 - len(left), 151))
    assert _load(store, 1) == {}
    size_before = store.path.stat().st_size
    for first in range(151, 301, 50):
        _send_noise(store, range(first, first + 50))
        store.housekeeping.look_at_age_and_size()
    assert store.path.stat().st_size < 1.5 * size_before


def test_old_spans_go(open_store: Callable[..., Store]) -> None:
    """Spans older than the retention are deleted, with their place in the directory; younger ones stay."""
    store = open_store(retention_hours=28 * 1.0 / 3600)
    _send(store, "a", _span(1, 1))
    _flush(store)
    time.sleep(1.1)  # a partition lasts a 28th of the retention, here a second
    store.housekeeping.look_at_age_and_size()
    _send(store, "a", _span(2, 1))
    _flush(store)
    assert sorted(_find(store)) == [1, 2]
    store = open_store(retention_hours=0.5 / 3600)
    time.sleep(0.6)
    store.housekeeping.look_at_age_and_size()
    assert _find(store) == [2]
    assert _load(store, 1) == {}


def test_partitions_are_searched_as_one(open_store: Callable[..., Store]) -> None:
    """A trace whose spans lie in several partitions is whole, and a search over them keeps the order of time."""
    store = open_store(disk_bytes_max=16_000_000)
    for trace in range(1, 31):
        start_ns = NOW_NS + (trace * 7 % 31) * SECOND_NS
        _send(store, "a", _span(trace, 1, start_ns=start_ns, tags={"x": trace % 3}), _span(99, trace, start_ns=0))
        _send_noise(store, range(trace + 1000, trace + 1001))
    rows = store.cursor().execute("SELECT count(*) FROM partition").fetchone()
    assert rows is not None
    assert rows[0] >= 3
    by_start = sorted(range(1, 31), key=lambda trace: -(trace * 7 % 31))
    assert [trace for trace in _find(store, limit=1000) if trace < 99] == by_start
    assert _find(store, tags={"x": "1"}) == [trace for trace in by_start if trace % 3 == 1]
    assert _find(store, tags={"x": "1"}, limit=4) == [trace for trace in by_start if trace % 3 == 1][:4]
    assert len(_load(store, 99)[(0, 99)]) == 30


def test_the_newest_fitting_traces_are_found(open_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch) -> None:
    """A search for few traces gives exactly the newest ones, however late spans came and wherever they lie."""
    monkeypatch.setattr(housekeeping, "SPANS_MAX", 60)
    store, dice = open_store(), random.Random(11)
    starts: dict[int, dict[int, tuple[int, str, bool]]] = {}
    for number in range(1, 601):
        trace, color, failed = dice.randrange(1, 90), dice.choice(["red", "blue"]), dice.random() < 0.3
        # Mostly in order; one in five is late, by up to all of the time.
        at = number * 1000 if dice.random() < 0.8 else dice.randrange(number * 1000)
        starts.setdefault(trace, {})[number] = at, color, failed
        _send(store, "a", _span(trace, number, start_ns=NOW_NS + at, failed=failed, tags={"color": color}))
        if dice.random() < 0.2:
            _flush(store)
            store.housekeeping.after_flush()
    _flush(store)
    assert len(list(store.cursor().execute("SELECT number FROM partition").fetchall())) > 5
    for tags, fits in (
        ({"color": "red"}, lambda color, _: color == "red"),
        ({"error": "true"}, lambda _, failed: failed),
        ({"color": "blue", "error": "true"}, lambda color, failed: color == "blue" and failed),
    ):
        newest = {
            trace: max((at for at, color, failed in spans.values() if fits(color, failed)), default=-1)
            for trace, spans in starts.items()
        }
        wanted = sorted((trace for trace in newest if newest[trace] >= 0), key=lambda trace: -newest[trace])
        for limit in (1, 3, 20, 500):
            assert _find(store, tags=tags, limit=limit) == wanted[:limit]


def test_a_trace_of_ten_thousand_spans(open_store: Callable[..., Store]) -> None:
    """A trace over several chunks is read whole, with all its parents."""
    store = open_store()
    _send(store, "a", *(_span(5, number, parent=number // 2) for number in range(1, 10_001)))
    _flush(store)
    spans = _load(store, 5)[(0, 5)]
    assert {span.span_id: span.parent_id for span in spans} == {number: number // 2 for number in range(1, 10_001)}


def test_the_directory_finds_every_chunk_of_a_trace() -> None:
    """However many chunks came, in whatever runs, each trace is found where it is, and nowhere once it is gone."""
    directory, dice = TraceDirectory(), random.Random(5)
    where: dict[int, set[int]] = {}
    for chunk in range(300):
        hashes = sorted({dice.randrange(2000) for _ in range(dice.randrange(1, 40))})
        directory.add(chunk, np.array(hashes, np.uint32))
        for one in hashes:
            where.setdefault(one, set()).add(chunk)
    for one, chunks in where.items():
        assert directory.chunks_of(np.array([one, 5000], np.uint32)) == sorted(chunks)
    directory.drop(np.arange(250, dtype=np.uint32))
    assert directory.chunks_of(np.array(sorted(where), np.uint32)) == list(range(250, 300))
