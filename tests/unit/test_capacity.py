"""The model that computes machines from orders per second."""

import json
from typing import Any

import pytest

from benchmarks.capacity import BUSY_MAX, MEASURED, Cost, costs, fit, plan

FIGURES: dict[str, Any] = json.loads(MEASURED.read_text())


def scenario(items: float, **cost: float) -> dict[str, Any]:
    """One scenario of a benchmark's file."""
    memory = dict.fromkeys(cost, 100.0)
    return {"items_per_batch": {"match_order": items}, "cpu_ms_per_order": cost | {"total": 9.9}, "resident_mb": memory}


def figures(**cost: Cost) -> dict[str, Any]:
    """A benchmark in which processes cost exactly this."""
    results = [scenario(n, **{name.replace("_", "-"): c.ms(n) for name, c in cost.items()}) for n in (1.0, 4.0, 50.0)]
    return {"results": results, "bytes_per_order": {"database": 1_000.0}}


def test_the_fit_finds_what_an_order_costs() -> None:
    """From costs that follow the model exactly, both of its parts come back; neither is ever negative."""
    found = fit([(items, 0.2 + 1.5 / items) for items in (1.0, 2.0, 10.0, 100.0)])
    assert (found.each, found.per_batch) == pytest.approx((0.2, 1.5))
    shrinking, growing = fit([(1.0, 1.0), (10.0, 0.05)]), fit([(1.0, 0.1), (10.0, 1.0)])
    assert min(shrinking.each, shrinking.per_batch, growing.each, growing.per_batch) >= 0


def test_cores_follow_from_cost_and_rate() -> None:
    """Twice the rate takes twice the cores; larger batches take fewer; no core is planned busier than it may be."""
    measured = figures(wallet_service=Cost(0.1, 0.8))
    need = plan(measured, 600, cores=8, items=8).needs["wallet-service"]
    assert need.cores == pytest.approx(600 * 0.2 / 1000 / BUSY_MAX)
    assert plan(measured, 1200, cores=8, items=8).needs["wallet-service"].cores == pytest.approx(2 * need.cores)
    assert plan(measured, 600, cores=8, items=80).needs["wallet-service"].cores < need.cores
    assert need.full_at == pytest.approx(1000 * BUSY_MAX / 0.2)


def test_what_cannot_be_doubled_is_the_limit() -> None:
    """A rate that fills the one process of a service is refused by its name; shards and gateways grow instead."""
    measured = figures(order_manager=Cost(0.5, 0), matching_engine=Cost(0.5, 0), client_gateway=Cost(0.5, 0))
    assert not plan(measured, 1000, cores=8).limits
    over = plan(measured, 2000, cores=8, shards=2)
    assert over.limits == ("order-manager is full at 1,200 orders/s",)
    assert over.needs["client-gateway"].processes == 2
    assert over.needs["matching-engine"].processes == 4
    assert len(plan(measured, 2000, cores=8).limits) == 2


def test_disk_and_machines_are_counted() -> None:
    """Disk is bytes per order over all days that are kept; there are never fewer than three machines."""
    measured = figures(wallet_service=Cost(0.1, 0))
    found = plan(measured, 100, cores=4, days=10)
    assert found.disk_gb["database"] == pytest.approx(100 * 86_400 * 10 * 1_000 / 1e9)
    assert found.machines == 3
    assert plan(figures(postgres=Cost(1.0, 0)), 10_000, cores=4).machines == 5


def test_the_model_fits_what_was_measured() -> None:
    """What the checked-in figures cost in all, the model gives back within a third, in every scenario."""
    fitted = costs(FIGURES)
    assert {"client-gateway", "matching-engine", "postgres", "wallet-service"} <= set(fitted)
    for result in FIGURES["results"]:
        items = result["items_per_batch"]["match_order"]
        spent = sum(ms for process, ms in result["cpu_ms_per_order"].items() if process in fitted)
        assert sum(cost.ms(items) for cost in fitted.values()) == pytest.approx(spent, rel=1 / 3), result["name"]
