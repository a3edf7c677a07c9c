"""What the doctor makes of what it sees: rules without a network, but for the knocking on ports."""

import importlib.metadata
import platform
import socket
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from outcry.settings import Settings

SKEW_US_MAX = 5_000
"""A child that begins this much before its parent was measured by another clock."""

HANDOVERS = (
    ("client-gateway", "user-service"),
    ("client-gateway", "wallet-service"),
    ("client-gateway", "risk-manager"),
    ("client-gateway", "order-manager"),
    ("client-gateway", "matching-engine"),
    ("order-manager", "reporting"),
    ("matching-engine", "order-manager"),
    ("matching-engine", "risk-manager"),
    ("matching-engine", "market-data"),
    ("matching-engine", "notification"),
)
"""Who hands a resting order's trace to whom: by a call, by an event."""

JAEGER_PORTS = {4317: "OTLP over gRPC", 4318: "OTLP over HTTP", 6831: "Jaeger compact (UDP)", 14268: "Jaeger over HTTP"}


class Finding(NamedTuple):
    """One thing looked at. ``remedy`` says what to do where it is not fine."""

    what: str
    fine: bool
    seen: str
    remedy: str = ""


def versions() -> list[Finding]:
    """What runs here, and whether the recorder is compiled."""
    from shared.tracing import span

    api = importlib.metadata.version("opentelemetry-api")
    compiled = not str(span.__file__).endswith(".py")
    seen = (
        f"Python {platform.python_version()}, opentelemetry-api {api}, recorder {'compiled' if compiled else 'plain'}"
    )
    remedy = (
        "Plain Python traces too, at some ten times the cost. For the compiled form: a C compiler, then make build."
    )
    return [Finding("versions", compiled, seen, remedy)]


def configuration(settings: Settings, environment: Mapping[str, str]) -> list[Finding]:
    """Whether the variables about tracing make sense together."""
    findings = []
    if settings.otel_sdk_disabled:
        findings.append(Finding("settings", False, "OTEL_SDK_DISABLED switches tracing off", "Unset it."))
    if settings.otel_traces_exporter == "none":
        findings.append(Finding("settings", False, "OTEL_TRACES_EXPORTER=none sends no span", "Unset it."))
    sampler = environment.get("OTEL_TRACES_SAMPLER", "")
    if sampler.endswith("always_off"):
        findings.append(Finding("settings", False, f"OTEL_TRACES_SAMPLER={sampler} keeps no trace", "Unset it."))
    if settings.jaeger_port is not None and settings.jaeger_host is None:
        findings.append(Finding("settings", False, "JAEGER_PORT without JAEGER_HOST has no effect", "Set both."))
    if settings.jaeger_host is not None and settings.jaeger_port not in (None, *JAEGER_PORTS):
        known = ", ".join(f"{port} {name}" for port, name in JAEGER_PORTS.items())
        seen = f"JAEGER_PORT={settings.jaeger_port} implies no protocol"
        findings.append(Finding("settings", False, seen, f"Use one of these: {known}."))
    where = "jaegerlite here" if settings.embedded_tracing else "another backend"
    return findings or [Finding("settings", True, f"variables make sense; spans go to {where}")]


async def protocols(settings: Settings) -> list[Finding]:
    """Whether the backend's ports are open: our own backend's, or the one that the settings name."""
    if settings.jaeger_host is not None:
        ports = {JAEGER_PORTS.get(settings.jaeger_port or 6831, "Jaeger"): settings.jaeger_port or 6831}
        host = settings.jaeger_host
    else:
        host, ports = (
            "127.0.0.1",
            {
                "query API": settings.jaegerlite_query_port,
                "OTLP over HTTP": settings.jaegerlite_otlp_http_port,
                "OTLP over gRPC": settings.jaegerlite_otlp_grpc_port,
                "Jaeger compact (UDP)": settings.jaegerlite_jaeger_compact_port,
                "Jaeger binary (UDP)": settings.jaegerlite_jaeger_binary_port,
                "Jaeger over HTTP": settings.jaegerlite_jaeger_http_port,
                "Zipkin": settings.jaegerlite_zipkin_port,
            },
        )
        if not settings.embedded_tracing:
            return []
    return [knock(name, host, port) for name, port in ports.items() if port]


def knock(name: str, host: str, port: int) -> Finding:
    """Whether something takes connections, or datagrams, at a port. Over UDP only a refusal can be told."""
    udp = "UDP" in name
    try:
        with socket.socket(type=socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as probe:
            probe.settimeout(2)
            probe.connect((host, port))
            if udp:
                probe.send(b"")
                probe.send(b"")  # where nobody listens, the second one brings the refusal of the first
    except OSError as error:
        seen = f"{host}:{port} does not answer ({error.strerror or 'time-out'})"
        remedy = "Is the backend running (outcry status)? Is a firewall in between?"
        return Finding(f"backend, {name}", False, seen, remedy)
    return Finding(f"backend, {name}", True, f"{host}:{port}")


def spans_sent(service: str, metrics: str) -> Finding:
    """What a service's figures tell of its spans."""
    counts: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == "outcry_spans_total":
                counts[sample.labels["state"], sample.labels["reason"]] = sample.value
    sent = counts.get(("exported", ""), 0)
    dropped = {reason: int(count) for (state, reason), count in counts.items() if state == "dropped" and count}
    if dropped:
        told = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
        remedy = "The backend was away, or too slow: outcry status, outcry logs jaegerlite. They do not come back."
        return Finding(service, False, f"{int(sent)} spans sent, dropped: {told}", remedy)
    if counts.get(("recorded", ""), 0) and not sent:
        return Finding(service, False, "spans are recorded but none was sent", f"outcry logs {service}")
    return Finding(service, True, f"answers; {int(sent)} spans sent, none dropped")


def pairs(trace_id: str, spans: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Whether the trace of the probe went from each service to the next."""
    spans = list(spans)
    if not spans:
        remedy = "Does anything arrive? GET /api/services of the backend lists who sent spans."
        return [Finding("propagation", False, f"trace {trace_id} did not arrive", remedy)]
    owner = {span["spanID"]: span["service"] for span in spans}
    found = {(owner.get(_parent(span), ""), span["service"]) for span in spans}
    broken = [f"{giver} → {taker}" for giver, taker in HANDOVERS if (giver, taker) not in found]
    if broken:
        remedy = "Is tracing on in both, and do calls and events between them carry traceparent?"
        return [Finding("propagation", False, f"trace {trace_id} misses {', '.join(broken)}", remedy)]
    return [Finding("propagation", True, f"trace {trace_id}: {len(spans)} spans, {len(HANDOVERS)} hand-overs whole")]


def clock(spans: Iterable[Mapping[str, Any]]) -> Finding:
    """Whether the services' clocks agree: no child begins before its parent."""
    spans = list(spans)
    started = {span["spanID"]: (span["startTime"], span["service"]) for span in spans}
    worst_us, who = 0, ""
    for span in spans:
        parent = started.get(_parent(span))
        if parent is not None and parent[0] - span["startTime"] > worst_us:
            worst_us, who = parent[0] - span["startTime"], f"{span['service']} behind {parent[1]}"
    if worst_us > SKEW_US_MAX:
        return Finding("clocks", False, f"{worst_us / 1000:.1f} ms apart: {who}", "Keep clocks in step: chrony or NTP.")
    return Finding("clocks", True, f"agree within {max(worst_us, 1000) / 1000:.0f} ms")


def _parent(span: Mapping[str, Any]) -> str:
    return next((ref["spanID"] for ref in span["references"] if ref["refType"] == "CHILD_OF"), "")
