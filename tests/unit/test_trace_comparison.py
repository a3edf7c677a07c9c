"""Comparison of sets of traces, and insights into many: planted differences are found, noise is not."""

import random
from typing import Any

import pytest

from jaegerlite.analysis.compare import compare
from jaegerlite.analysis.insights import insights
from jaegerlite.traces import Span
from tests.unit.trace_kit import TraceKit


def _orders(seed: int, count: int, *, slower_ms: float = 0, where: str = "") -> list[list[Span]]:
    """Traces of a root that calls a wallet and then a store; in one zone the store may take longer."""
    dice = random.Random(seed)
    traces = []
    for number in range(count):
        kit = TraceKit()
        zone = dice.choice(("north", "south"))
        wallet_ms, store_ms = dice.uniform(4, 6), dice.uniform(8, 12) + (slower_ms if zone == where else 0)
        root = kit.add(0, "gateway POST", 0, wallet_ms + store_ms + 4, attributes={"order.id": f"{seed}-{number}"})
        kit.add(root, "wallet hold", 1, wallet_ms, attributes={"zone": zone})
        kit.add(root, "store insert", 2 + wallet_ms, store_ms, attributes={"zone": zone, "order.id": f"{number}"})
        traces.append(kit.spans)
    return traces


def _operations(found: dict[str, Any]) -> dict[str, Any]:
    return {operation["operation"]: operation for operation in found["operations"]}


def test_what_got_slower_is_found_where_it_did() -> None:
    """A store that takes 20 ms longer in one zone is named, with the zone; nothing else is said to have changed."""
    found = compare(_orders(1, 60), _orders(2, 60, slower_ms=20, where="south"))
    slowest = found["operations"][0]
    assert (slowest["service"], slowest["operation"], slowest["significant"]) == ("store", "insert", True)
    assert slowest["delta_ms"] == pytest.approx(10, abs=3)
    assert slowest["delta_ms"] == pytest.approx(slowest["other"]["path_ms"] - slowest["base"]["path_ms"], abs=0.01)
    assert not any(operation["significant"] for operation in found["operations"][1:])
    assert [(value["on"], value["key"], value["value"]) for value in found["attributes"]] == [("span", "zone", "south")]
    assert found["attributes"][0]["slow_share"] > 0.9
    gained = sum(operation["delta_ms"] for operation in found["operations"])
    assert gained == pytest.approx(found["other"]["mean_ms"] - found["base"]["mean_ms"], abs=0.01)


def test_equal_sets_and_small_ones_show_nothing() -> None:
    """Two sets of the same kind differ by chance alone, and of a few traces nothing is claimed."""
    equal = compare(_orders(1, 60), _orders(2, 60))
    assert not any(operation["significant"] for operation in equal["operations"])
    assert equal["attributes"] == []
    few = compare(_orders(1, 3), _orders(2, 3, slower_ms=50, where="south"))
    assert not any(operation["significant"] for operation in few["operations"])
    assert compare([], [])["operations"] == []


def test_an_operation_that_is_new_is_told() -> None:
    """What only one set has counts with all of its time."""
    base, other = _orders(1, 20), _orders(2, 20)
    for spans in other:
        kit = TraceKit()
        kit.spans = spans
        kit.add(2, "wallet audit", 1.5, 3)
    found = _operations(compare(base, other))
    assert found["audit"]["base"]["mean_ms"] is None
    assert (found["audit"]["delta_ms"], found["audit"]["significant"]) == (3, True)
    assert found["hold"]["delta_ms"] == pytest.approx(-3, abs=0.5)


def test_insights_add_up_what_is_lost() -> None:
    """The same fault in many traces is one insight, with its total and dearest examples; the dearest comes first."""
    traces = []
    for number in range(1, 9):
        kit = TraceKit()
        root = kit.add(0, "orders list", 0, 250)
        kit.query(root, "SELECT slow", 1, 240)
        if number % 2:
            for item in range(5):
                kit.query(root, f"SELECT item WHERE id = {item}", 2 + (number + 1) * item, number)
        traces.append(((0, number), kit.spans))
    found, looked_at, complete = insights(traces, seconds=10)
    assert (looked_at, complete) == (8, True)
    slow, repeated = found
    assert (slow["kind"], slow["count"], slow["total_cost_ms"]) == ("slow_query", 8, 8 * 240)
    assert (repeated["kind"], repeated["traces"], repeated["share_of_traces"]) == ("repeated_query", 4, 0.5)
    assert repeated["total_cost_ms"] == 4 * (1 + 3 + 5 + 7)
    assert repeated["example_trace_ids"] == [f"{number:016x}" for number in (7, 5, 3, 1)]


def test_insights_end_in_time() -> None:
    """When the time is over, what was found so far is the answer, and says so."""
    assert insights([((0, 1), _orders(1, 1)[0])] * 3, seconds=-1) == ([], 0, False)
