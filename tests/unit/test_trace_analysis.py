"""Critical path and findings of single traces: planted faults are found, what only looks like one is not."""

import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from jaegerlite.analysis.critical_path import critical_path, path_after_answer
from jaegerlite.analysis.report import find_all, report
from jaegerlite.analysis.statement import normalise
from jaegerlite.analysis.tree import Tree, build_tree
from jaegerlite.limits import QueryLimitError, QueryLimits
from jaegerlite.otlp import Value
from jaegerlite.store import Store
from jaegerlite.traces import Span, load_traces
from tests.unit.trace_kit import BEGAN_NS, NS_PER_MS, TraceKit

RECORDING = Path(__file__).parent.parent / "data" / "exchange_traces.otlp.zst"


def _found(kit: TraceKit) -> dict[str, Any]:
    """The findings by kind; a kind twice is a mistake of the test."""
    findings = find_all(build_tree(kit.spans))
    kinds = [finding.kind for finding in findings]
    assert len(set(kinds)) == len(kinds), kinds
    return {finding.kind: finding.json() for finding in findings}


def _path(tree: Tree) -> list[tuple[str, float, float]]:
    return [
        (s.node.operation, (s.start_ns - BEGAN_NS) / NS_PER_MS, s.duration_ns / NS_PER_MS)
        for s in critical_path(tree.root)
    ]


# The critical path


def test_the_path_goes_through_what_ended_last() -> None:
    """Of calls side by side only the one that held the answer up is on the path."""
    kit = TraceKit()
    root = kit.add(0, "gateway root", 0, 100)
    kit.add(root, "wallet quick", 10, 20)
    kit.add(root, "risk long", 12, 48)
    kit.add(root, "orders last", 70, 20)
    assert _path(build_tree(kit.spans)) == [
        *(("root", 0, 12), ("long", 12, 48), ("root", 60, 10)),
        *(("last", 70, 20), ("root", 90, 10)),
    ]


def test_what_nobody_waits_for_is_not_on_the_path() -> None:
    """A consumer, and a child that outlives its parent, hold nobody up; they are told as what came after the answer."""
    kit = TraceKit()
    root = kit.add(0, "gateway root", 0, 50)
    sender = kit.add(root, "gateway publish", 10, 5, kind="producer")
    kit.add(sender, "reporting consume", 12, 3, kind="consumer")
    kit.add(root, "gateway background", 20, 200)
    late = kit.add(sender, "notification notify", 80, 300, kind="consumer")
    kit.add(late, "notification INSERT", 100, 100)
    tree = build_tree(kit.spans)
    assert _path(tree) == [("root", 0, 10), ("publish", 10, 5), ("root", 15, 35)]
    after = [(s.node.operation, s.duration_ns / NS_PER_MS) for s in path_after_answer(tree)]
    assert after == [("publish", 5), ("notify", 20), ("INSERT", 100), ("notify", 180)]


def test_the_path_is_as_long_as_the_answer_took(recorded: list[list[Span]]) -> None:
    """On real traces the segments follow each other from the root's start to its end."""
    for spans in recorded:
        tree = build_tree(spans)
        path = critical_path(tree.root)
        assert (path[0].start_ns, path[-1].end_ns) == (tree.root.start_ns, tree.root.end_ns)
        assert all(one.end_ns == other.start_ns for one, other in itertools.pairwise(path))


def test_a_clock_that_is_late_is_set_right() -> None:
    """A callee that seems to begin before its caller is moved into it, with all below; one within its bounds stays."""
    kit = TraceKit()
    root = kit.add(0, "gateway root", 0, 100)
    skewed = kit.add(root, "wallet skewed", -500, 60)
    kit.add(skewed, "wallet below", -490, 10)
    tree = build_tree(kit.spans)
    assert _path(tree) == [("root", 0, 20), ("skewed", 20, 10), ("below", 30, 10), ("skewed", 40, 40), ("root", 80, 20)]


def test_a_ring_and_a_long_chain_are_analysed() -> None:
    """Spans that name each other as parents, spans of missing parents, and 20,000 nested spans do no harm."""
    kit = TraceKit()
    kit.add(2, "a one", 0, 10)
    kit.add(1, "a two", 0, 10)
    kit.add(99, "a orphan", 5, 10)
    assert report(kit.spans)["span_count"] == 3
    chain = TraceKit()
    for depth in range(20_000):
        chain.add(depth, "a nested", depth, 40_000 - 2 * depth)
    assert len(critical_path(build_tree(chain.spans).root)) == 39_999


# Repeated queries


def test_a_statement_per_item_is_found() -> None:
    """Ten selects that differ in their values alone are one finding, with the time that one statement would save."""
    kit = TraceKit()
    root = kit.add(0, "orders list", 0, 50)
    for item in range(10):
        kit.query(root, f"SELECT *  FROM item WHERE id = {item}", 5 + 4 * item, 3)
    found = _found(kit)
    assert set(found) == {"repeated_query"}
    assert found["repeated_query"]["cost_ms"] == 27
    assert found["repeated_query"]["details"] == {
        "statement": "SELECT * FROM item WHERE id = ?",
        "times": 10,
        "order": "sequential",
    }
    assert len(found["repeated_query"]["span_ids"]) == 10


def test_interleaved_and_parallel_repetitions_are_told_apart() -> None:
    """A loop of two statements is two findings, each interleaved; side by side, only the time covered counts."""
    loop = TraceKit()
    root = loop.add(0, "orders list", 0, 50)
    for item in range(5):
        loop.query(root, "SELECT a WHERE id = $1", 10 * item, 3)
        loop.query(root, "SELECT b WHERE id = $1", 10 * item + 4, 3)
    assert [f.details["order"] for f in find_all(build_tree(loop.spans))] == ["interleaved", "interleaved"]
    fan = TraceKit()
    root = fan.add(0, "orders list", 0, 40)
    for item in range(5):
        fan.query(root, "SELECT a WHERE id = $1", 10 + item, 10)
    found = _found(fan)["repeated_query"]
    assert (found["details"]["order"], found["cost_ms"]) == ("parallel", 4)


def test_few_different_or_separate_statements_are_silent() -> None:
    """Four times, five different ones, one for each of five parents, or five that cost nothing: no finding."""
    kit = TraceKit()
    root = kit.add(0, "orders list", 0, 400)
    few, many, cheap = (kit.add(root, f"orders step{n}", 100 * n, 90) for n in range(3))
    for item in range(4):
        kit.query(few, "SELECT a WHERE id = $1", 10 * item, 5)
    for item in range(5):
        kit.query(many, f"SELECT {'abcde'[item]} WHERE id = $1", 100 + 10 * item, 5)
        kit.query(cheap, "SELECT c WHERE id = $1", 200 + item, 0.1)
        own = kit.add(root, "orders handle", 300 + 10 * item, 9)
        kit.query(own, "SELECT d WHERE id = $1", 301 + 10 * item, 5)
    assert _found(kit) == {}


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("SELECT * FROM t WHERE a = 'it''s' AND b=1.5", "SELECT * FROM t WHERE a = ? AND b=?"),
        ("SELECT x FROM t2 WHERE id IN (1, 2,3)", "SELECT x FROM t2 WHERE id IN (?)"),
        ("INSERT INTO t VALUES (1, 'a'), (2, 'b')", "INSERT INTO t VALUES (?)"),
        ("GET user:123", "GET user:?"),
        ("SELECT $1, :name, %(other)s, %s", "SELECT ?, ?, ?, ?"),
        ("SELECT 1 WHERE id = '550e8400-e29b-41d4-a716-446655440000'", "SELECT ? WHERE id = ?"),
    ],
)
def test_values_are_taken_out_of_statements(text: str, same: str) -> None:
    """Literals, lists, rows, ids and placeholders become `?`; names keep their digits."""
    assert normalise(text) == same


# Slow queries


def test_a_slow_query_is_found_and_one_that_waits_by_design_is_not() -> None:
    """A select of 150 ms counts; a blocking read of a stream and an advisory lock do not."""
    kit = TraceKit()
    root = kit.add(0, "orders root", 0, 900)
    slow = kit.query(root, "SELECT pg_sleep(0.15)", 10, 150)
    kit.query(root, "SELECT pg_advisory_lock(7)", 200, 200)
    blocking: dict[str, Value] = {"db.system.name": "redis", "db.operation.name": "XREADGROUP"}
    kit.add(root, "orders XREADGROUP", 420, 400, kind="client", attributes=blocking)
    kit.query(root, "SELECT quick", 830, 60)
    found = _found(kit)
    assert set(found) == {"slow_query"}
    assert (found["slow_query"]["span_ids"], found["slow_query"]["cost_ms"]) == ([f"{slow:016x}"], 150)


def test_a_query_that_no_answer_waits_for_may_take_longer() -> None:
    """Behind a queue, or in what outlives the request, only a second is slow."""
    kit = TraceKit()
    root = kit.add(0, "gateway order", 0, 50)
    sender = kit.add(root, "engine publish", 10, 5, kind="producer")
    consumer = kit.add(sender, "reporting consume", 20, 1800, kind="consumer")
    kit.query(consumer, "INSERT INTO statistics VALUES (1)", 21, 400, service="reporting")
    background = kit.add(root, "gateway sweep", 30, 400)
    kit.query(background, "DELETE FROM item", 40, 300, service="gateway")
    assert _found(kit) == {}
    slow = kit.query(consumer, "INSERT INTO trade VALUES (1)", 500, 1200, service="reporting")
    assert _found(kit)["slow_query"]["span_ids"] == [f"{slow:016x}"]


# Calls one after another


def _call(kit: TraceKit, parent: int, peer: str, start_ms: float, duration_ms: float, **attributes: Value) -> int:
    tags = {key.replace("_", "."): value for key, value in attributes.items()} | {"peer.service": peer}
    return kit.add(parent, "gateway call", start_ms, duration_ms, kind="client", attributes=tags)


def test_a_loop_of_calls_is_found() -> None:
    """Three calls of one operation with different questions, one after another, would take as long as the longest."""
    kit = TraceKit()
    root = kit.add(0, "gateway root", 0, 100)
    for item in range(3):
        _call(kit, root, "catalogue", 5 + 31 * item, 30, item_id=item)
    found = _found(kit)
    assert set(found) == {"sequential_calls"}
    assert found["sequential_calls"]["cost_ms"] == 60


def test_reads_of_different_services_in_a_row_are_found() -> None:
    """GETs of three services that follow each other could run together."""
    kit = TraceKit()
    root = kit.add(0, "gateway root", 0, 100)
    for number, peer in enumerate(("users", "prices", "news")):
        _call(kit, root, peer, 5 + 31 * number, 30, http_request_method="GET")
    assert _found(kit)["sequential_calls"]["cost_ms"] == 60


@pytest.mark.parametrize("case", ["writes", "together", "polling", "pauses", "cheap", "two"])
def test_calls_with_a_reason_for_their_order_are_silent(case: str) -> None:
    """Writes to different services, calls side by side, a poll, work in between, short and few calls: no finding."""
    kit = TraceKit()
    step_ms = {"together": 5, "pauses": 70}.get(case, 31)
    root = kit.add(0, "gateway root", 0, 2 * step_ms + 40)
    for number in range(2 if case == "two" else 3):
        peer = ("users", "wallet", "orders")[number] if case == "writes" else "catalogue"
        asked: dict[str, Value] = {} if case == "polling" else {"item_id": number}
        method = "POST" if case == "writes" else "GET"
        _call(kit, root, peer, step_ms * number, 2 if case == "cheap" else 30, http_request_method=method, **asked)
    assert _found(kit) == {}


# Waits


def test_a_call_that_waits_for_its_callee_is_found() -> None:
    """Of a call of 100 ms of which the callee worked 10, 90 are a wait, whatever the callee's clock says."""
    kit = TraceKit()
    root = kit.add(0, "gateway root", 0, 120)
    call = kit.add(root, "gateway call", 10, 100, kind="client")
    kit.add(call, "wallet serve", 70_000, 10, kind="server")
    assert _found(kit)["call_wait"]["cost_ms"] == 90


def test_a_message_that_lies_in_its_queue_is_found() -> None:
    """A message that waits for five seconds counts, one that waits 200 ms does not."""
    kit = TraceKit()
    root = kit.add(0, "gateway root", 0, 20)
    sender = kit.add(root, "gateway publish", 5, 1, kind="producer")
    kit.add(sender, "wallet settle", 206, 3, kind="consumer")
    kit.add(sender, "reporting record", 5006, 3, kind="consumer")
    found = _found(kit)
    assert set(found) == {"queue_wait"}
    assert (found["queue_wait"]["service"], found["queue_wait"]["cost_ms"]) == ("reporting", 5000)


def test_a_message_is_known_by_its_name_where_its_sender_is_not_the_parent() -> None:
    """The producer beside a consumer counts where both name the same message; any other says nothing of its wait."""
    kit = TraceKit()
    root = kit.add(0, "gateway root", 0, 20)
    one = {"messaging.destination.name": "executions", "messaging.message.id": "7-0"}
    kit.add(root, "engine publish", 5, 1, kind="producer", attributes=one)
    kit.add(root, "reporting record", 3006, 3, kind="consumer", attributes=one)
    kit.add(root, "wallet settle", 9000, 3, kind="consumer", attributes=one | {"messaging.message.id": "8-0"})
    kit.add(root, "market update", 9000, 3, kind="consumer")
    found = _found(kit)
    assert set(found) == {"queue_wait"}
    assert (found["queue_wait"]["service"], found["queue_wait"]["cost_ms"]) == ("reporting", 3000)


def test_time_that_no_span_tells_of_is_found() -> None:
    """A gap of 200 ms between two calls counts; a span without calls is work, however long."""
    kit = TraceKit()
    root = kit.add(0, "gateway root", 0, 300)
    kit.add(root, "wallet hold", 10, 20)
    kit.add(root, "orders create", 230, 60)
    found = _found(kit)
    assert set(found) == {"unrecorded_time"}
    assert found["unrecorded_time"]["cost_ms"] == 200
    assert "between hold and create" in found["unrecorded_time"]["summary"]
    work = TraceKit()
    root = work.add(0, "gateway root", 0, 300)
    work.add(root, "engine compute", 2, 296)
    assert _found(work) == {}


@pytest.mark.parametrize(
    ("events", "is_found"),
    [
        ({"password verified": 228}, False),
        ({"password verified": 100}, True),
        ({"exception": 228}, True),
        ({"came in": 5, "answered": 299}, True),
    ],
)
def test_an_event_tells_what_came_before_it(events: dict[str, float], is_found: bool) -> None:
    """A gap at whose end an event says what was done is told; by one before it, or long before its end, it is not."""
    kit = TraceKit()
    root = kit.add(0, "user login", 0, 300, events=events)
    kit.query(root, "SELECT name", 10, 20)
    kit.add(root, "user token", 230, 60)
    assert ("unrecorded_time" in _found(kit)) is is_found


# Retries and errors


def test_a_retry_is_found_with_what_it_cost() -> None:
    """Two failed attempts and the one that succeeded are one finding; the error that was dealt with is another."""
    kit = TraceKit()
    root = kit.add(0, "gateway root", 0, 200)
    for number, start_ms in enumerate((0, 50, 120)):
        tags: dict[str, Value] = {"url.path": "/hold", "http.response.status_code": 200 if number == 2 else 503}
        kit.add(root, "gateway POST", start_ms, 30, kind="client", failed=number < 2, attributes=tags)
    found = _found(kit)
    assert set(found) == {"retry", "error"}
    assert (found["retry"]["cost_ms"], found["retry"]["details"]) == (120, {"attempts": 3, "succeeded": True})
    assert "dealt with" in found["error"]["summary"]


@pytest.mark.parametrize("case", ["different", "together"])
def test_failures_that_are_no_attempts_at_the_same_are_no_retries(case: str) -> None:
    """Calls that ask different things, or run side by side, are not retries when one fails."""
    kit = TraceKit()
    root = kit.add(0, "gateway root", 0, 200)
    for number in range(3):
        start_ms = 10 * number if case == "together" else 40 * number
        tags: dict[str, Value] = {"url.path": f"/item/{number}" if case == "different" else "/item"}
        kit.add(root, "gateway GET", start_ms, 30, kind="client", failed=number == 0, attributes=tags)
    assert "retry" not in _found(kit)


def test_the_first_error_and_what_it_brought_down() -> None:
    """The deepest span that failed first is the cause; those above it that failed are its victims."""
    kit = TraceKit()
    root = kit.add(0, "gateway root", 0, 100, failed=True)
    create = kit.add(root, "orders create", 10, 40, failed=True)
    query = kit.add(create, "orders INSERT", 20, 25, kind="client", failed=True, message="disk full")
    kit.add(root, "gateway undo", 60, 20, failed=True)
    found = _found(kit)["error"]
    assert found["span_ids"] == [f"{number:016x}" for number in (query, create, root)]
    assert found["details"] == {"reason": "disk full", "brought_down": 2, "reached_root": True, "other_errors": 1}
    assert found["cost_ms"] == 100


# Clocks


def _shift(kit: TraceKit, service: str, offset_ms: float) -> TraceKit:
    """The same trace with one service's clock put forward, or back."""
    kit.spans = [
        msgspec.structs.replace(span, start_ns=span.start_ns + round(offset_ms * NS_PER_MS))
        if span.series.service == service
        else span
        for span in kit.spans
    ]
    return kit


def _calls() -> TraceKit:
    """A gateway that calls orders and wallet, each as a client; what orders sends reaches reporting."""
    kit = TraceKit()
    root = kit.add(0, "gateway root", 0, 90, kind="server")
    for number, service in enumerate(("orders", "wallet")):
        call = kit.add(root, f"gateway {service}", 5 + 40 * number, 35, kind="client")
        inside = kit.add(call, f"{service} serve", 6 + 40 * number, 33, kind="server")
        kit.query(inside, f"SELECT {service}", 8 + 40 * number, 5, service=service)
        if service == "orders":
            sent = kit.add(inside, "orders publish", 20, 1, kind="producer")
            kit.add(sent, "reporting record", 25, 1, kind="consumer")
    return kit


@pytest.mark.parametrize("offset_ms", [-400, 400, -60, 60])
def test_a_wrong_clock_is_found_and_named(offset_ms: float) -> None:
    """A service whose clock is ahead or behind is told with its offset, whichever calls give it away, at no cost."""
    (found,) = (f for f in find_all(build_tree(_shift(_calls(), "orders", offset_ms).spans)))
    assert (found.kind, found.cost_ns, found.node.service) == ("clock_skew", 0, "orders")
    assert found.details["offset_ms"] == pytest.approx(offset_ms, abs=10)
    assert "gateway" in found.details["against"]
    assert ("ahead of" if offset_ms > 0 else "behind") in found.summary


def test_a_caller_with_a_wrong_clock_is_named_not_all_whom_it_calls() -> None:
    """Where one disagrees with several, it is the one to look at."""
    (found,) = (f for f in find_all(build_tree(_shift(_calls(), "gateway", 300).spans)))
    assert (found.node.service, found.details["against"]) == ("gateway", ["orders", "wallet"])
    assert found.details["offset_ms"] == pytest.approx(300, abs=10)


@pytest.mark.parametrize("case", ["within reading", "outlives", "queued", "timed out", "answers early", "now and then"])
def test_times_that_can_be_are_no_skew(case: str) -> None:
    """A few milliseconds, work that goes on, a late start, a client that gave up: for none a clock need be wrong."""
    kit = TraceKit()
    root = kit.add(0, "gateway root", 0, 90, kind="server")
    client = kit.add(root, "gateway call", 5, 40, kind="client", failed=case == "timed out")
    if case == "within reading":
        kit.add(client, "orders serve", -5, 30, kind="server")
    elif case == "outlives":
        kit.add(client, "orders serve", 6, 300, kind="server")
    elif case == "queued":
        kit.add(root, "orders serve", 200, 30, kind="server")
        kit.add(client, "orders consume", 300, 30, kind="consumer")
    elif case == "timed out":
        kit.add(client, "orders serve", 100, 20, kind="server")
    elif case == "answers early":
        kit.add(root, "orders serve", 80, 60, kind="server")
    else:
        kit.add(client, "orders serve", -30, 20, kind="server")
        kit.add(client, "orders serve", 10, 20, kind="server")
    assert "clock_skew" not in _found(kit)


# Limits


def test_a_wide_trace_takes_no_longer_than_it_may() -> None:
    """Tens of thousands of calls of one span are analysed in time that grows with their number, or until it is over."""
    kit = TraceKit()
    root = kit.add(0, "gateway root", 0, 80_000)
    for number in range(20_000):
        tags: dict[str, Value] = {"http.request.method": "GET", "server.address": f"store{number}"}
        kit.add(root, "gateway GET", 4 * number, 3, kind="client", attributes=tags)
        kit.query(root, f"SELECT a{number // 5}", 4 * number, 1)
    findings = report(kit.spans, QueryLimits(seconds_max=60))["findings"]
    assert {finding["kind"] for finding in findings} == {"repeated_query", "sequential_calls"}
    with pytest.raises(QueryLimitError):
        report(kit.spans, QueryLimits(seconds_max=0))


# The exchange


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[list[Span]]:
    """Traces of a healthy exchange, one of each thing that users do, several times."""
    store = Store(tmp_path_factory.mktemp("recorded"))
    store.add(zstandard.decompress(RECORDING.read_bytes()))
    columns = store.swap()
    keys = set(zip(columns.trace_hi[: columns.count].tolist(), columns.trace_lo[: columns.count].tolist(), strict=True))
    store.flush(columns)
    with store.snapshot(store.cursor()) as snapshot:
        traces = load_traces(store, snapshot, list(keys))
    store.close()
    return list(traces.values())


def test_a_healthy_exchange_gives_no_findings(recorded: list[list[Span]]) -> None:
    """Nothing is found in any of the recorded traces: orders of all kinds, cancels, amendments, logins, reads."""
    assert len(recorded) > 50
    assert [finding["summary"] for spans in recorded for finding in report(spans)["findings"]] == []
