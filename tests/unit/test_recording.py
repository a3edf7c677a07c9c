"""What is kept of requests, and what a replay makes of a file."""

from pathlib import Path

import msgspec
import pytest
from fastapi import Response
from typer.testing import CliRunner

from outcry.cli import app
from services.client_gateway.recording import Recording
from shared.contracts.users import Identity
from shared.recording import Recorded, ids_in, outcome_of
from shared.server import Request


def test_what_is_kept_of_an_answer() -> None:
    """Ids that later requests may name, and what became of orders; nothing that differs from run to run."""
    order = {"order_id": "7", "client_order_id": "c", "status": "FILLED", "filled_quantity": 2, "trace_id": "ab"}
    order["fills"] = [{"price": "1.00", "quantity": 2, "trade_id": "9", "time": "..."}]
    answer = {"results": [{"status": 201, "order": order}, {"status": 422, "problem": {"code": "x", "trace_id": "c"}}]}
    assert list(ids_in(answer)) == ["7", "9"]
    outcome = {"status": "FILLED", "filled_quantity": 2, "fills": [["1.00", 2]]}
    refused = {"status": 422, "problem": {"code": "x"}}
    assert outcome_of(answer) == {"results": [{"status": 201, "order": outcome}, refused]}


@pytest.mark.parametrize("content", ["no json\n", '{"at_ms": 1}\n'])
def test_what_is_no_recording_is_refused(tmp_path: Path, content: str) -> None:
    """A file that is something else ends the replay before anything is sent, and is named."""
    file = tmp_path / "other.jsonl"
    file.write_text(content)
    done = CliRunner().invoke(app, ["replay", str(file)])
    assert done.exit_code == 1
    assert "other.jsonl" in done.output


async def test_a_listener_hears_what_is_answered_without_secrets() -> None:
    """From its first line to its end it is told of requests: users by number, secrets out, ids and outcomes kept."""
    recording = Recording()
    lines = recording.lines()
    assert await anext(lines) == b"\n"
    (hear,) = recording.listeners
    request = Request([(b"idempotency-key", b"k1")], {"order_id": "7"}, "token=abc&limit=5", "127.0.0.1")
    request.body = b'{"to": "ben", "quantity": 2, "password": "p", "note": "ann@example.org"}'
    answer = Response(b'{"order_id": "8", "status": "FILLED", "fills": [{"price": "1.00", "quantity": 2}]}', 201)
    hear("POST", "/v1/order/{order_id}", request, Identity(user_id=1, username="ann", roles=()), answer, 0.0)
    kept = msgspec.json.decode(await anext(lines), type=Recorded)
    assert (kept.user, kept.method, kept.status) == ("u1", "POST", 201)
    assert kept.path == "/v1/order/7?token=REDACTED&limit=5"
    assert kept.body == {"to": "u2", "quantity": 2, "password": "REDACTED", "note": "REDACTED"}
    assert (kept.idempotency_key, kept.ids) == ("k1", ("8",))
    assert kept.outcome == {"status": "FILLED", "fills": [["1.00", 2]]}
    await lines.aclose()
    assert recording.listeners == []
