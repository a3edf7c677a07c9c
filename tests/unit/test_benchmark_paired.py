"""The interval that a paired benchmark states holds the truth as often as it says, and its verdict says no more."""

import random

import pytest

from benchmarks.paired import Added, added


def test_the_interval_holds_the_truth() -> None:
    """Of 200 benchmarks of an effect of 3 % amid noise and drift, the stated interval misses it in a tenth at most."""
    source = random.Random(1)
    held = 0
    for _ in range(200):
        drift = [1000 * (1 + 0.1 * cycle) for cycle in range(12)]
        off = [base * source.gauss(1, 0.015) for base in drift]
        on = [base * 1.03 * source.gauss(1, 0.015) for base in drift]
        found = added(off, on)
        held += found.low <= 3.0 <= found.high
    assert held >= 180


def test_the_median_of_the_pairs_is_told() -> None:
    """A slice that went wrong does not move the figure."""
    found = added([100, 100, 100, 100, 100], [101, 101, 101, 101, 500])
    assert found.percent == pytest.approx(1.0)
    assert found.cycles == 5


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-1.0, 1.5, True), (2.5, 4.0, False), (-9.0, -2.5, False), (1.0, 3.0, None), (-3.0, 3.0, None)],
)
def test_the_verdict_waits_for_the_whole_interval(low: float, high: float, verdict: bool | None) -> None:
    """Within, or not within, only where the whole interval is; undecided else."""
    assert Added((low + high) / 2, low, high, 12).within(2.0) is verdict


def test_what_is_not_paired_is_refused() -> None:
    """A side with a slice less has no pairs."""
    with pytest.raises(ValueError, match="shorter"):
        added([1.0, 2.0], [1.0])
