"""``outcry doctor``: walks the list of what can be wrong with tracing, on the running system, and says what to do.

It asks every part, sends one order of the demo user through all services (post-only, below every bid, cancelled again)
and reads its trace back. Exit status: 0 nothing found, 1 something found, 2 the exchange does not answer at all.
"""

import asyncio
import json
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from outcry import catalogue, demo, http
from outcry.doctor_rules import (
    Finding,
    SpanCounts,
    clock,
    continued,
    pairs,
    protocols,
    span_counts,
    spans_sent,
    together,
    versions,
)
from outcry.doctor_variables import configuration, read
from outcry.settings import Settings

TRACE_WAIT_S = 10.0
SEND_WAIT_S, SEND_TRIES = 1.0, 3
"""Spans that still wait after this much, looked at so often, are stuck: they are sent five times a second."""
SILENT = "Start it: make up. If it runs with other ports, set the same variables here as there."


def run(settings: Settings, environment: Mapping[str, str], *, as_json: bool) -> int:
    """Prints each finding as it is made, those that are fine too."""
    findings = asyncio.run(_collect(settings, environment))
    if as_json:
        print(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        _show(findings)
    if any(finding.what == "exchange" and not finding.fine for finding in findings):
        return 2
    return 0 if all(finding.fine for finding in findings) else 1


def _show(findings: list[Finding]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 1))
    for finding in findings:
        mark = "[green]✓[/]" if finding.fine else "[red]✗[/]"
        table.add_row(mark, finding.what, finding.seen)
        if not finding.fine:
            table.add_row("", "", f"[yellow]→ {finding.remedy}[/]")
    console = Console(highlight=False)
    console.print(table)
    wrong = sum(not finding.fine for finding in findings)
    console.print(f"\n{wrong} of {len(findings)} need a look." if wrong else "\nNothing to mend.", style="bold")


async def _collect(settings: Settings, environment: Mapping[str, str]) -> list[Finding]:
    findings = [*versions(), *configuration(settings, environment)]
    gateway = catalogue.service_url(settings, catalogue.GATEWAY)
    try:
        await http.request("GET", f"{gateway}/health", timeout_s=3)
    except OSError as error:
        return [*findings, Finding("exchange", False, f"{gateway} does not answer ({_word(error)})", SILENT)]
    findings += protocols(settings, read(environment).settings.destinations)
    before = await _figures(settings)
    findings += (probe := await _probe(settings, gateway) if settings.embedded_tracing else [])
    probed = any(finding.what.startswith("propagation") for finding in probe)
    return [*findings, *await _services(settings, before, probed=probed)]


async def _services(settings: Settings, before: Mapping[str, SpanCounts | str], *, probed: bool) -> list[Finding]:
    """Is each service there, and do its spans leave?"""
    found: list[Finding] = []
    for _ in range(SEND_TRIES):
        await asyncio.sleep(SEND_WAIT_S)
        after = await _figures(settings)
        found = [_service(name, before[name], after[name], probed=probed) for name in catalogue.SERVICES]
        if all(finding.fine for finding in found):
            break
    return found


async def _figures(settings: Settings) -> dict[str, SpanCounts | str]:
    """What each service tells of its spans, or why it does not answer."""
    return {service: await _figures_of(settings, service) for service in catalogue.SERVICES}


async def _figures_of(settings: Settings, service: str) -> SpanCounts | str:
    """The figures of all its processes together: engines have shards and standbys."""
    found = []
    for url in re.split("[,;]", catalogue.service_url(settings, service)):
        try:
            _, body = await http.request("GET", f"{url}/metrics", timeout_s=3)
        except OSError as error:
            return f"{url} does not answer ({_word(error)})"
        found.append(span_counts(body.decode(errors="replace")))
    return together(found)


def _service(service: str, before: SpanCounts | str, after: SpanCounts | str, *, probed: bool) -> Finding:
    """What is made of a service's two readings. One that was started meanwhile counts from nothing."""
    if isinstance(after, str):
        return Finding(
            service, False, after, f"See why: outcry logs {service}. The launcher starts it again by itself."
        )
    known = (
        before if isinstance(before, SpanCounts) and before.recorded <= after.recorded else SpanCounts(0, 0, 0, 0, {})
    )
    return spans_sent(service, known, after, probed=probed)


async def _probe(settings: Settings, gateway: str) -> list[Finding]:
    """One order through everything, and its trace read back."""
    trace_id, parent_id = secrets.token_hex(16), secrets.token_hex(8)
    try:
        token = await _login(gateway)
        headers = {"Authorization": f"Bearer {token}", "traceparent": f"00-{trace_id}-{parent_id}-01"}
        status, body = await http.request("POST", f"{gateway}/v1/order", await _order(gateway), headers)
        if status != 201:
            return [Finding("probe", False, f"the order was answered {status}: {body.decode()[:200]}", PROBE)]
        order = json.loads(body)
        cancel = f"{gateway}/v1/order/{order['order_id']}"
        await http.request("DELETE", cancel, None, {"Authorization": f"Bearer {token}"})
    except OSError as error:
        return [Finding("probe", False, f"the gateway did not answer ({_word(error)})", "outcry status")]
    except LookupError:
        return [Finding("probe", False, "the demo user can't log in", PROBE)]
    refused = continued(trace_id, order["trace_id"])
    if refused is not None:
        trace_id = order["trace_id"]
    spans = await _trace(settings, trace_id) if trace_id else []
    found = [*pairs(trace_id, spans), clock(spans)] if trace_id else []
    return [refused, *found] if refused is not None else found


async def _login(gateway: str) -> str:
    login = {"username": demo.USERNAME, "password": demo.PASSWORD}
    _, body = await http.request("POST", f"{gateway}/auth/login", login)
    token: str = json.loads(body)["token"]
    return token


async def _order(gateway: str) -> dict[str, Any]:
    """One share for a price that nobody sells at, within the price collar."""
    _, body = await http.request("GET", f"{gateway}/marketdata/symbols")
    listed = json.loads(body)["symbols"][0]
    near = float(listed["bid"] or listed["last"] or listed["reference_price"])
    tick = float(listed["tick_size"])
    price = round(near * 0.97 / tick) * tick
    return {
        "symbol": listed["symbol"],
        "side": "BUY",
        "quantity": listed["lot_size"],
        "price": round(price, 4),
        "post_only": True,
    }


async def _trace(settings: Settings, trace_id: str) -> list[dict[str, Any]]:
    """The spans of a trace once all services are in it, or what has arrived until time is up."""
    url = f"http://127.0.0.1:{settings.jaegerlite_query_port}/api/traces/{trace_id}"
    deadline = time.monotonic() + TRACE_WAIT_S
    spans: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        try:
            status, body = await http.request("GET", url, timeout_s=3)
        except OSError:
            return spans
        if status == 200:
            trace = json.loads(body)["data"][0]
            spans = [
                span | {"service": trace["processes"][span["processID"]]["serviceName"]} for span in trace["spans"]
            ]
            if all(finding.fine for finding in pairs(trace_id, spans)):
                break
        await asyncio.sleep(0.3)
    return spans


def _word(error: OSError) -> str:
    return error.strerror or type(error).__name__


PROBE = "Place an order by hand (README, A first trade and its trace) and look at its answer."
