"""Every command of docs/tracing.md, run as it stands there against the running exchange; only ports are replaced."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from outcry import demo
from outcry.settings import Settings
from tests.e2e.exchange import PROJECT, Exchange, eventually
from tests.e2e.test_metrics import total
from tests.e2e.test_traces import whole
from tests.e2e.trees import Tree, tree, tree_of
from tests.guides import blocks

PAGE = "tracing.md"
APP = "from fastapi import FastAPI\n\napp = FastAPI()  # ours\n"
CURL = "fail-with-body\nshow-error\nmax-time = 60\nnoproxy = *\n"
"""Makes curl fail where the answer is an error, so that no command succeeds by getting one."""

ENDED, FAILED = "@@ended", "@@failed"
TRACE_ID = re.compile(r"^x-trace-id: (\w+)", re.MULTILINE | re.IGNORECASE)


def tree_in(text: str) -> Tree:
    """A drawn tree as the tests compare them: `a: b` is the operation b of a."""
    rows = [re.fullmatch(r"([│ ├└─]*)(\S+): (.+)", line) for line in text.splitlines()]
    lines = [(len(row[1]) // 4, f"{row[2]} {row[3].strip()}") for row in rows if row is not None]
    assert len(lines) == len(rows)

    def build(start: int) -> tuple[Tree, int]:
        depth, name = lines[start]
        below, at = [], start + 1
        while at < len(lines) and lines[at][0] > depth:
            child, at = build(at)
            below.append(child)
        return tree(name, *below), at

    return build(0)[0]


ORDER, LOGIN = [tree_in(block.text) for block in blocks(PAGE, "") if block.text.startswith("client-gateway:")]
"""The two trees that the guide draws."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reader of the guide stands: a project of her own with a service, and the script at hand."""
    made = tmp_path_factory.mktemp("guide")
    (made / "services" / "quotes").mkdir(parents=True)
    (made / "services" / "quotes" / "app.py").write_text(APP)
    (made / "scripts").symlink_to(PROJECT / "scripts")
    (made / ".curlrc").write_text(CURL)
    return made


@pytest.fixture(scope="module")
def said(exchange: Exchange, folder: Path) -> Iterator[dict[str, str]]:
    """What each command block said, by its first line. One shell runs them all, from top to bottom."""
    assert shutil.which("curl"), "The guide needs curl."
    assert eventually(lambda: demo_token(exchange), bool), "There is no demo user."
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder)}
    found: dict[str, str] = {}
    with subprocess.Popen(
        ["bash"],
        cwd=folder,
        env=exchange.environment | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as shell:
        say(shell, f"trap 'echo \"{FAILED} $BASH_COMMAND\"' ERR; set -o pipefail")
        for block in blocks(PAGE, "bash"):
            text = say(shell, moved(block.text, exchange))
            found[block.text.splitlines()[0]] = text
            if TRACE_ID.search(text):
                wait_for(exchange, TRACE_ID.findall(text)[0])
        shell.stdin.close()  # type: ignore[union-attr]
    yield found
    exchange.http.delete("/v1/orders", headers={"Authorization": f"Bearer {demo_token(exchange)}"})


def wait_for(exchange: Exchange, trace_id: str) -> None:
    """Lets the reader's trace arrive, as a reader does by reading on."""
    eventually(lambda: tree_of(exchange.spans(trace_id)), lambda trees: trees == (ORDER,))


def demo_token(exchange: Exchange) -> str:
    """A token of the demo user, "" while there is none: the launcher makes the user once the gateway is ready."""
    login = {"username": demo.USERNAME, "password": demo.PASSWORD}
    return str(exchange.http.post("/auth/login", json=login).json().get("token", ""))


def say(shell: subprocess.Popen[str], commands: str) -> str:
    """What a shell says to some commands, which read nothing."""
    assert shell.stdin is not None
    assert shell.stdout is not None
    shell.stdin.write(f"{{\n{commands}\n}} < /dev/null\necho; echo {ENDED}\n")
    shell.stdin.flush()
    lines: list[str] = []
    for line in shell.stdout:
        if line == f"{ENDED}\n":
            return "".join(lines)
        lines.append(line)
    raise AssertionError(f"The shell is gone: {lines}")


def moved(text: str, exchange: Exchange) -> str:
    """Commands with the ports of this exchange in place of the usual ones."""
    ports = {
        str(field.default): str(exchange.ports[name.upper()])
        for name, field in Settings.model_fields.items()
        if name.upper() in exchange.ports
    }
    return re.sub(r"(?<=localhost:)\d+", lambda port: ports[port[0]], text)


def of(said: dict[str, str], start: str) -> str:
    """What the block said that begins so."""
    (found,) = [text for first, text in said.items() if first.startswith(start)]
    return found


def answers(text: str) -> list[dict[str, Any]]:
    """The JSON objects in an output, one after another."""
    decoder, found, at = json.JSONDecoder(), [], text.find("{")
    while at >= 0:
        value, at = decoder.raw_decode(text, at)
        found.append(value)
        at = text.find("{", at)
    return found


def test_no_command_fails(said: dict[str, str]) -> None:
    """Every command ends well, but the one that asks and gets no answer, and a doctor who found something."""
    failed = [line for text in said.values() for line in text.splitlines() if line.startswith(FAILED)]
    assert [line for line in failed if line != f"{FAILED} outcry doctor"] == [
        f"{FAILED} python scripts/add_tracing.py services/"
    ]


def test_the_trees_are_those_of_the_guide(exchange: Exchange, said: dict[str, str]) -> None:
    """The order of the guide, and its login, are the traces that the guide draws, span by span."""
    placed = of(said, "TOKEN=")
    assert "201 Created" in placed
    (trace_id,) = TRACE_ID.findall(placed)
    whole(exchange, trace_id, ORDER)
    user = exchange.user()
    answer = exchange.http.post("/auth/login", json={"username": user.name, "password": "correct horse"})
    whole(exchange, answer.headers["X-Trace-Id"], LOGIN)
    shown = of(said, "TRACE_ID=")
    assert re.search(r"^client-gateway: POST /v1/order +[\d.]+ ms", shown, re.MULTILINE), shown
    assert f"/trace/{trace_id}" in shown


def test_positions_are_told(said: dict[str, str]) -> None:
    """The third command gives the demo user's positions."""
    assert "positions" in answers(of(said, "TOKEN="))[-1]


def test_the_query_api_answers_as_the_guide_asks(said: dict[str, str]) -> None:
    """Services, a search, one trace, and a search in words: each finds the order."""
    services, found, one, spoken = answers(of(said, "curl -s http://localhost:16686/api/services"))
    assert "client-gateway" in services["data"]
    (trace,) = one["data"]
    assert trace["traceID"] in {each["traceID"] for each in found["data"]}
    assert trace["traceID"] in {each["trace_id"] for each in spoken["traces"]}


def test_a_trace_is_analysed(said: dict[str, str]) -> None:
    """The critical path of the order begins and ends at the gateway; insights and searches answer."""
    analysis, insights, failed, slowest = answers(of(said, "curl -s http://localhost:16686/api/traces/$TRACE_ID/"))
    assert analysis["root"]["operation"] == "POST /v1/order"
    assert analysis["critical_path"][0]["service"] == "client-gateway"
    assert insights["traces"] > 0
    assert all(trace["errors"] for trace in failed["traces"])
    assert slowest["total"] >= 1


def test_the_script_shows_writes_and_takes_back(folder: Path, said: dict[str, str]) -> None:
    """The first call changes nothing, the second traces the service, the third leaves it as it was."""
    text = of(said, "python scripts/add_tracing.py")
    assert text.count('+setup_tracing("quotes")') == 2
    assert "Nothing written." in text
    assert text.count("Wrote 1 file.") == 2
    assert (folder / "services" / "quotes" / "app.py").read_text() == APP


def test_figures_and_alerts_are_there(exchange: Exchange, said: dict[str, str]) -> None:
    """Rates, who calls whom, counted orders, and the rules of alerts, also for Prometheus."""
    figures = of(said, 'curl -s "http://localhost:16686/api/red')
    red, dependencies = answers(figures.split("# HELP")[0])[:2]
    assert "POST /v1/order" in {group["operation"] for group in red["groups"]}
    pairs = {(each["parent"], each["child"]) for each in dependencies["data"]}
    assert ("client-gateway", "matching-engine") in pairs
    assert re.search(r'^outcry_orders_total\{.*outcome="accepted".*\} [1-9]', figures, re.MULTILINE)
    rules = of(said, "curl -s http://localhost:16686/api/alerts/rules")
    assert "SlowOperation" in rules
    assert "traces_span_metrics_duration_milliseconds" in rules


def test_what_is_missing_can_be_found_out(said: dict[str, str]) -> None:
    """The doctor looks at every service, and the list can be walked by hand."""
    doctor = of(said, "outcry doctor")
    assert all(service in doctor for service in ("client-gateway", "notification", "propagation", "clocks"))
    walked = of(said, "outcry status")
    assert "client-gateway" in walked
    assert re.search(r'^outcry_spans_total\{.*state="exported".*\} [1-9]', walked, re.MULTILINE)
    assert answers(of(said, "curl -s -X POST http://localhost:16686/api/archive"))


def test_the_figures_of_the_reference_are_there(exchange: Exchange, said: dict[str, str]) -> None:
    """Every figure that docs/tracing-reference.md names is on the `/metrics` of a service, and so are its queries'."""
    text = (PROJECT / "docs" / "tracing-reference.md").read_text()
    named = set(re.findall(r"\b(outcry_\w+?)(?:_bucket|_count)?\b(?=[{`\[)])", text)) | {"target_info"}
    # The FIX gateway runs only where its engine is installed.
    services = [name for name in exchange.ports if name.endswith("_PORT") and not name.startswith(("OUTCRY", "FIX"))]
    served = {
        re.sub(r"_(bucket|count|sum|created)$", "", name)
        for port in services
        if not port.startswith("JAEGERLITE")
        for name in re.findall(
            r"^# TYPE (\S+)", httpx.get(f"http://127.0.0.1:{exchange.ports[port]}/metrics", trust_env=False).text, re.M
        )
    }
    assert len(named) > 15
    assert sorted(named - served) == []
    assert total(exchange, "CLIENT_GATEWAY_PORT", "outcry_orders_total", outcome="accepted") >= 1
