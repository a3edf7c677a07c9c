"""The kernel's own structures against Python's dict and sorted list, in both builds."""

import random
from types import ModuleType

import pytest

from tests.unit.kernel_builds import load_builds


@pytest.mark.parametrize("build", load_builds("kernel_ids"), ids=lambda build: str(build.__file__).rpartition(".")[2])
@pytest.mark.parametrize("stride", [1, 8, 1 << 20, (1 << 40) + 7])
def test_ids_like_a_dict(build: ModuleType, stride: int) -> None:
    """Ids come and go, at any spacing and through growth, and each is found with its value or not at all."""
    rnd = random.Random(stride)
    ids = build.IdMap(4)
    expected: dict[int, int] = {}
    for _ in range(6000):
        key = rnd.randint(1, 600) * stride
        if key not in expected:
            expected[key] = rnd.randint(1, 2**62)
            ids.put(key, expected[key])
        elif rnd.random() < 0.5:
            value = rnd.randint(1, 2**62)
            assert ids.replace(key, value) == expected[key]
            expected[key] = value
        else:
            assert ids.remove(key) == expected.pop(key)
            assert ids.remove(key) == 0
        assert ids.count == len(expected)
    assert all(ids.get(n * stride) == expected.get(n * stride, 0) for n in range(1, 601))


@pytest.mark.parametrize(
    "build", load_builds("kernel_ladder"), ids=lambda build: str(build.__file__).rpartition(".")[2]
)
@pytest.mark.parametrize("spread", [40, 5000, 2**30 - 1])
def test_ladder_like_a_sorted_list(build: ModuleType, spread: int) -> None:
    """The best level, the next one and each one's place are those of a sorted list of keys."""
    rnd = random.Random(spread)
    ladder = build.Ladder(5)
    levels: dict[int, int] = {}
    for _ in range(3000):
        key = rnd.choice(sorted(levels)) if levels and rnd.random() < 0.5 else rnd.randint(0, spread)
        if key in levels:
            assert ladder.find(key) == ladder.find_or_add(key) == levels[key]
            ladder.remove(levels.pop(key))
        else:
            assert ladder.find(key) == 0
            levels[key] = ladder.find_or_add(key)
        keys = sorted(levels)
        assert ladder.best == (levels[keys[0]] if keys else 0)
        probe = rnd.randint(0, spread)
        above = [key for key in keys if key > probe]
        assert ladder.after(probe) == (levels[above[0]] if above else 0)
        assert ladder.count == len(levels)
