"""Logs: JSON lines that lead to their trace and hold nothing sensitive, whoever wrote them."""

import json
import subprocess
import sys
import textwrap
from typing import Any

SCRIPT = """
    import logging, structlog
    from shared.logs import setup_logs
    from shared.tracing import setup_tracing
    setup_logs("tested")
    tracer = setup_tracing("tested")
    with tracer.start_as_current_span("work") as span:
        print(format(span.get_span_context().trace_id, "032x"), format(span.get_span_context().span_id, "016x"))
        structlog.get_logger().info("ours", password="hunter2", note="mail me at a@example.org")
        logging.getLogger("library").warning("theirs: Bearer %s", "abcdef0123456789")
        try:
            raise ValueError("token=s3cr3tvalue")
        except ValueError:
            structlog.get_logger().exception("it broke")
            logging.getLogger("library").exception("it broke there")
    structlog.get_logger().info("outside")
"""


def lines() -> tuple[list[str], list[dict[str, Any]], str]:
    """The ids of the span, the log lines, and all that was written."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)],
        capture_output=True,
        text=True,
        check=True,
        env={"OTEL_TRACES_EXPORTER": "none", "PYTHONPATH": "."},
    )
    first, *rest = done.stdout.splitlines()
    return first.split(), [json.loads(line) for line in rest], done.stdout + done.stderr


def test_log_lines_lead_to_their_trace_and_keep_secrets() -> None:
    """Our lines and a library's have the ids of the span they were written in, and no secrets; stack traces stay."""
    (trace_id, span_id), found, everything = lines()
    assert [line["event"].split(":")[0] for line in found] == [
        "ours",
        "theirs",
        "it broke",
        "it broke there",
        "outside",
    ]
    assert all((line["trace_id"], line["span_id"]) == (trace_id, span_id) for line in found[:4])
    assert "trace_id" not in found[4]
    assert all(line["service"] == "tested" and line["level"] and line["timestamp"] for line in found)
    assert all("Traceback" in line["exception"] for line in found[2:4])
    for secret in ("hunter2", "a@example.org", "abcdef0123456789", "s3cr3tvalue"):
        assert secret not in everything
