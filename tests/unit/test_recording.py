"""What is kept of requests, and what a replay makes of a file."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from outcry.cli import app
from shared.recording import ids_in, outcome_of


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
