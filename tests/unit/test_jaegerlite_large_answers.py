"""Answers that are too large to be made in memory."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any

import pytest

from jaegerlite import traces
from jaegerlite.api import spool
from jaegerlite.limits import AnswerMemory, QueryLimits
from tests.unit.jaegerlite_kit import Kit

SPANS = 60
MEMORY_BYTES = 8_000
BEGAN_MS = 1_790_000_000_000
TRACE = bytes(15) + b"\7"


@pytest.fixture
async def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kit]:
    """A trace of some spans, of which one was sent twice, where that many are too many to be sorted or held."""
    monkeypatch.setattr(traces, "SORTED_SPANS_MAX", SPANS // 2)
    monkeypatch.setattr(spool, "PIECE_BYTES", 1_000)
    monkeypatch.setattr(spool, "WHOLE_BYTES_MAX", 5_000)
    made = Kit(tmp_path)
    made.store.answer_memory = AnswerMemory(MEMORY_BYTES)
    spans = [made.span(f"step {n}", BEGAN_MS + n, 1.0) for n in range(SPANS)]
    for span in spans:
        span.trace_id = TRACE
    for at in range(0, SPANS, 7):
        made.send("shop", *spans[at : at + 8])
    yield made
    await made.http.aclose()
    made.store.close()


def _names(spans: list[Any], key: str) -> list[str]:
    return sorted(span[key] for span in spans)


async def test_a_large_trace_comes_whole(kit: Kit) -> None:
    """A trace that is too large to be sorted comes with each of its spans once, by either API and by a search."""
    wanted = sorted(f"step {n}" for n in range(SPANS))
    answer = await kit.http.get(f"/api/traces/{TRACE.hex()}")
    assert int(answer.headers["content-length"]) == len(answer.content) > spool.WHOLE_BYTES_MAX
    (trace,) = answer.json()["data"]
    assert _names(trace["spans"], "operationName") == wanted
    assert {span["processID"] for span in trace["spans"]} == set(trace["processes"])
    found = await kit.get("/api/traces", service="shop", start=0, end=(BEGAN_MS + 1000) * 1000)
    assert [_names(each["spans"], "operationName") for each in found["data"]] == [wanted]
    result = (await kit.get(f"/api/v3/traces/{TRACE.hex()}"))["result"]
    spans = [s for whole in result["resourceSpans"] for part in whole["scopeSpans"] for s in part["spans"]]
    assert _names(spans, "name") == wanted


async def test_nothing_is_left_of_an_answer(kit: Kit, tmp_path: Path) -> None:
    """An answer leaves neither a file on disk nor anything in memory, whether or not it was sent to its end."""
    before = sorted(path.name for path in tmp_path.iterdir())
    await kit.http.get(f"/api/traces/{TRACE.hex()}")
    unsent = spool.Spool(kit.store, QueryLimits())
    for _ in range(10):
        unsent.write(bytes(1_000))
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert not kit.store.answer_memory.take(1)
    del unsent
    assert kit.store.answer_memory.take(MEMORY_BYTES)


async def test_an_answer_without_room_is_refused(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full, a large answer is a 503 that says so, and the next small one is given."""
    with monkeypatch.context() as full:
        full.setattr(spool, "Spool", _Full)
        full.setattr("jaegerlite.api.jaeger.Spool", _Full)
        answer = await kit.http.get(f"/api/traces/{TRACE.hex()}")
    assert answer.status_code == 503
    assert "no room" in json.loads(answer.content)["errors"][0]["msg"]
    assert (await kit.get("/api/services"))["data"] == ["shop"]


class _Full(spool.Spool):
    """A spool whose file is on a full device."""

    def _open(self) -> IO[bytes]:
        return Path("/dev/full").open("wb", buffering=0)
