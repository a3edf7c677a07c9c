"""What the doctor makes of what it sees: rules without a network, but for the knocking on ports."""

import importlib.metadata
import platform
import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from outcry.settings import Settings
from shared.tracing.destinations import (
    OTLP_GRPC,
    OTLP_HTTP,
    PROTOCOL_OF_PORT,
    THRIFT_HTTP,
    THRIFT_UDP,
    Destination,
    host_and_port,
)

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

PROTOCOLS = {
    OTLP_GRPC: "OTLP over gRPC",
    OTLP_HTTP: "OTLP over HTTP",
    THRIFT_UDP: "Jaeger compact (UDP)",
    THRIFT_HTTP: "Jaeger over HTTP",
}
JAEGER_PORTS = {port: PROTOCOLS[protocol] for port, protocol in PROTOCOL_OF_PORT.items()}


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


def protocols(settings: Settings, named: Iterable[Destination]) -> list[Finding]:
    """Whether the ports are open that spans go to: our own backend's, or those of the destinations that are named."""
    if not settings.embedded_tracing:
        places = [(PROTOCOLS[one.protocol], *host_and_port(one.url)) for one in named if one.protocol in PROTOCOLS]
        return [knock(*place) for place in places]
    ports = {
        "query API": settings.jaegerlite_query_port,
        "OTLP over HTTP": settings.jaegerlite_otlp_http_port,
        "OTLP over gRPC": settings.jaegerlite_otlp_grpc_port,
        "Jaeger compact (UDP)": settings.jaegerlite_jaeger_compact_port,
        "Jaeger binary (UDP)": settings.jaegerlite_jaeger_binary_port,
        "Jaeger over HTTP": settings.jaegerlite_jaeger_http_port,
        "Zipkin": settings.jaegerlite_zipkin_port,
    }
    return [knock(name, "127.0.0.1", port) for name, port in ports.items() if port]


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


class SpanCounts(NamedTuple):
    """What a service's figures tell of its spans since it started."""

    recorded: int
    sampled_out: int
    sent: int
    waiting: int
    dropped: Mapping[str, int]


def span_counts(metrics: str) -> SpanCounts:
    """Reads a service's `/metrics`."""
    counts: dict[tuple[str, str], int] = {}
    waiting = 0
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == "outcry_spans_total":
                counts[sample.labels["state"], sample.labels["reason"]] = int(sample.value)
            elif sample.name == "outcry_spans_waiting" and sample.labels["for"] == "export":
                waiting = int(sample.value)
    recorded, sampled_out, sent = (counts.get((state, ""), 0) for state in ("recorded", "sampled_out", "exported"))
    dropped = {reason: count for (state, reason), count in counts.items() if state == "dropped" and count}
    return SpanCounts(recorded, sampled_out, sent, waiting, dropped)


def together(counts: Iterable[SpanCounts]) -> SpanCounts:
    """The counts of several processes as those of one."""
    recorded, sampled_out, sent, waiting, dropped = zip(*counts, strict=True)
    reasons = sum(map(Counter, dropped), Counter[str]())
    return SpanCounts(sum(recorded), sum(sampled_out), sum(sent), sum(waiting), dict(reasons))


def spans_sent(service: str, before: SpanCounts, after: SpanCounts, *, probed: bool) -> Finding:
    """What two readings of a service's figures tell; with `probed` an order went through it between them."""
    logs = f"outcry logs {service} says what its exporter was answered"
    if after.dropped:
        told = ", ".join(f"{count} {reason}" for reason, count in after.dropped.items())
        remedy = "The backend was away, or too slow: outcry status, outcry logs jaegerlite. They do not come back."
        return Finding(service, False, f"{after.sent} spans sent, dropped: {told}", remedy)
    if (
        after.sent == before.sent
        and after.waiting
        and (before.waiting or (probed and after.recorded > before.recorded))
    ):
        remedy = f"The backend can't be reached from there: {logs}. Are its endpoint and ports right?"
        return Finding(service, False, f"{after.waiting} spans wait and none is sent", remedy)
    if after.recorded and not after.sent and not after.waiting:
        remedy = f"Does OTEL_TRACES_EXPORTER there name an exporter? {logs}."
        return Finding(service, False, "spans are recorded but none was sent", remedy)
    if probed and after.recorded == before.recorded:
        if after.sampled_out > before.sampled_out:
            remedy = "Use a sampler that follows the caller (OTEL_TRACES_SAMPLER=parentbased_...) in all services."
            return Finding(service, False, "samples out what others keep", remedy)
        remedy = "Is OTEL_SDK_DISABLED set where it runs? Unset it, and start the service again."
        return Finding(service, False, "answers, but records no span: tracing is off in it", remedy)
    return Finding(service, True, f"answers; {after.sent} spans sent, none dropped")


def continued(sent: str, answered: str) -> Finding | None:
    """Whether the gateway went on with the trace that it was sent; None where it did."""
    if answered == sent:
        return None
    if not answered:
        seen, remedy = (
            "the gateway does not trace",
            "Is OTEL_SDK_DISABLED set where it runs? Unset it, and start it again.",
        )
    else:
        seen = f"the gateway began trace {answered} of its own instead of going on with {sent}"
        remedy = "OTEL_PROPAGATORS has to name tracecontext where the gateway runs; do proxies pass traceparent on?"
    return Finding("propagation into the gateway", False, seen, remedy)


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
