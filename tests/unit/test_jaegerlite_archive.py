"""Traces kept for good, in a real store without ports."""

import time
from pathlib import Path

import httpx
import pytest

from jaegerlite.api.app import query_app
from jaegerlite.backend import Backend
from jaegerlite.settings import Settings
from tests.jaegerlite_process import otlp_spans

HOUR_NS = 3_600_000_000_000


async def test_archived_traces_outlive_retention(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace that was archived is still there, by all addresses, when retention has deleted its spans."""
    backend = Backend(Settings(data_dir=tmp_path, retention_hours=1))
    store = backend.tenant().store
    transport = httpx.ASGITransport(query_app(backend))
    async with httpx.AsyncClient(transport=transport, base_url="http://jaegerlite") as http:
        began_ns = time.time_ns()
        store.add(otlp_spans("shop", 0xA1, 0xA2))
        store.flush(store.swap())
        before = (await http.get("/api/traces/a1")).json()
        assert before["data"]
        assert (await http.post("/api/archive/a1")).status_code == 200
        for hours in (2, 4):
            later_ns = began_ns + hours * HOUR_NS
            monkeypatch.setattr(time, "time_ns", lambda: later_ns)  # noqa: B023 - called within the round
            store.housekeeping.look_at_age_and_size()
            store.add(otlp_spans("other", 0x99 + hours))
            store.flush(store.swap())
        assert (await http.get("/api/traces/a2")).status_code == 404
        for path in ("/api/traces/a1", "/api/archive/a1", "/api/traces?traceID=a1"):
            assert (await http.get(path)).json()["data"] == before["data"]
        assert (await http.get("/api/v3/traces/a1")).status_code == 200
    backend.close()
