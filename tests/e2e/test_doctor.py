"""``outcry doctor`` against the running exchange."""

import json

from tests.e2e.exchange import Exchange


def test_a_healthy_exchange_needs_no_doctor(exchange: Exchange) -> None:
    """Backend, services, the way of a probe and clocks are all looked at, and nothing but lost spans is found."""
    done = exchange.outcry("doctor", "--json")
    findings = {finding["what"]: finding for finding in json.loads(done.stdout)}
    assert findings.get("propagation", {}).get("fine"), findings
    assert findings["clocks"]["fine"], findings
    assert {"client-gateway", "notification", "backend, OTLP over HTTP", "settings", "versions"} <= findings.keys()
    assert done.returncode == (0 if all(finding["fine"] for finding in findings.values()) else 1)
