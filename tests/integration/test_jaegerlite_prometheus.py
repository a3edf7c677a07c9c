"""jaegerlite's own metrics, read by Prometheus itself."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jaegerlite_process import Jaegerlite, otlp_spans, within
from tests.ports import free_port

SCRAPE_SECONDS_MAX = 30.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaegerlite]:
    """A jaegerlite that has stored spans, and refused some."""
    running = Jaegerlite(tmp_path_factory.mktemp("jaegerlite"))
    running.post(otlp_spans("shop", 1, 2, 0))
    running.post(b"\x0a\xff")
    running.wait_stored(2)
    yield running
    assert running.stop() == 0


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here (Debian's package: prometheus)")
    return found


def test_promtool_finds_no_fault_with_the_metrics(shared: Jaegerlite) -> None:
    """Names, types and help texts of all metrics are as Prometheus wants them."""
    promtool = _tool("promtool")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=shared.get("/metrics").body, capture_output=True, timeout=30, check=False
    )
    assert (checked.returncode, checked.stderr, checked.stdout) == (0, b"", b"")


def test_prometheus_scrapes_what_was_stored_and_refused(shared: Jaegerlite, tmp_path: Path) -> None:
    """A Prometheus that is pointed at jaegerlite has its counters after one scrape."""
    server = _tool("prometheus")
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "scrape_configs:\n- job_name: jaegerlite\n  scrape_interval: 1s\n  static_configs:\n"
        f"  - targets: ['127.0.0.1:{shared.query_port}']\n"
    )
    port = free_port()
    listen = f"--web.listen-address=127.0.0.1:{port}"
    process = subprocess.Popen(
        [server, f"--config.file={config}", f"--storage.tsdb.path={tmp_path}", listen], stderr=subprocess.DEVNULL
    )

    def value(query: str) -> float | None:
        address = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(address, timeout=5) as response:
                result = json.load(response)["data"]["result"]
        except OSError:
            return None
        return float(result[0]["value"][1]) if result else None

    try:
        within(SCRAPE_SECONDS_MAX, lambda: value("jaegerlite_spans_stored_total") == 2)
        assert value('up{job="jaegerlite"}') == 1
        assert value('jaegerlite_spans_refused_total{transport="otlp_http",reason="invalid"}') == 1
        assert value('jaegerlite_requests_total{result="malformed"}') == 1
    finally:
        process.terminate()
        process.wait(20)
