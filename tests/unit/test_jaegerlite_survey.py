"""Surveys: a bounded number of spans, in runs of neighbours, each with its parent where that is among them."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jaegerlite.survey import RUN_CHUNKS, RUNS_MAX, Survey, SurveyedAttributes, survey
from tests.unit.jaegerlite_kit import NS_PER_MS, Kit

BEGAN_MS = 1_800_000_000_000


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    made = Kit(tmp_path)
    yield made
    await made.http.aclose()
    made.backend.close()


def _surveyed(kit: Kit, start_ms: float, end_ms: float) -> Survey:
    with kit.store.snapshot(kit.store.cursor()) as snapshot:
        return survey(snapshot, round(start_ms * NS_PER_MS), round(end_ms * NS_PER_MS))


async def test_spans_find_their_parents_in_other_batches(kit: Kit) -> None:
    """A child that came before its parent, and a span that came twice, are one each; a parent is of the same trace."""
    root = kit.span("GET", BEGAN_MS, 10)
    child = kit.span("hold", BEGAN_MS + 2, 5, parent=root.span_id)
    child.trace_id = root.trace_id
    stranger = kit.span("hold", BEGAN_MS + 3, 5, parent=root.span_id)
    kit.send("wallet", child, stranger)
    kit.send("gateway", root)
    kit.send("wallet", child)
    found = _surveyed(kit, BEGAN_MS - 1, BEGAN_MS + 100)
    assert (found.count, found.traces, int(found.is_root.sum())) == (3, 2, 1)
    rows = {int(span_id): row for row, span_id in enumerate(found.span_id)}
    row = rows[int.from_bytes(child.span_id, "big")]
    assert found.parent[row] == rows[int.from_bytes(root.span_id, "big")]
    assert found.parent[rows[int.from_bytes(stranger.span_id, "big")]] == -1
    assert _surveyed(kit, BEGAN_MS + 1, BEGAN_MS + 3).count == 1
    assert _surveyed(kit, 0, BEGAN_MS).count == 0


async def test_of_many_chunks_some_runs_are_taken(kit: Kit) -> None:
    """So many chunks are read at most, however many there are: runs of neighbours of the window, the newest too."""
    chunks = 2 * RUN_CHUNKS * RUNS_MAX
    for number in range(chunks):
        span = kit.span("GET", BEGAN_MS + number, 1)
        span.attributes.add(key="n").value.int_value = number
        kit.send("gateway", span)
    with kit.store.snapshot(kit.store.cursor()) as snapshot:
        found = survey(snapshot, BEGAN_MS * NS_PER_MS, (BEGAN_MS + chunks) * NS_PER_MS)
        attributes = SurveyedAttributes(snapshot, found)
        numbers = sorted(int(str(attributes[row]["n"])) for row in range(found.count))
    assert found.count == RUN_CHUNKS * RUNS_MAX
    assert numbers[-1] == chunks - 1
    assert sum(one + 1 != other for one, other in itertools.pairwise(numbers)) == RUNS_MAX - 1
