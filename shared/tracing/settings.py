"""What the environment says about tracing: the `OTEL_*` variables of the specification and the guide's `JAEGER_*`.

Unknown or malformed values are reported once by name and the default is used: tracing must not stop a service.
"""

import importlib.metadata
import logging
import os
import socket
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from shared.tracing.sampling import Sampler

logger = logging.getLogger(__name__)

OTLP_HTTP, OTLP_GRPC, THRIFT_UDP, THRIFT_HTTP = "otlp-http", "otlp-grpc", "jaeger-thrift-udp", "jaeger-thrift-http"
PROTOCOL_OF_PORT = {4318: OTLP_HTTP, 4317: OTLP_GRPC, 6831: THRIFT_UDP, 14268: THRIFT_HTTP}
NO_LIMIT = 1 << 62

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Limits:
    """How much one span may hold; counts are per span, event or link, lengths in characters (None: no limit)."""

    span_attributes: int = 128
    event_attributes: int = 128
    link_attributes: int = 128
    events: int = 128
    links: int = 128
    span_value_length: int | None = None
    value_length: int | None = None


@dataclass(frozen=True)
class Destination:
    """One place spans are sent to. `headers` may hold credentials and is kept out of the repr."""

    protocol: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    gzip: bool = False
    timeout_s: float = 10.0
    certificate: str | None = None


@dataclass(frozen=True)
class TracingSettings:
    """Everything `setup_tracing` needs, read once."""

    disabled: bool
    resource: Mapping[str, str | int]
    sampler: Sampler
    limits: Limits
    destinations: tuple[Destination, ...]
    schedule_delay_s: float
    max_queue_size: int
    max_batch_size: int


def read_settings(service_name: str, environ: Mapping[str, str] = os.environ) -> TracingSettings:
    """Read the environment; `service_name` yields to `OTEL_SERVICE_NAME`."""
    return TracingSettings(
        disabled=_text(environ, "OTEL_SDK_DISABLED").lower() == "true",
        resource=resource_attributes(service_name, environ),
        sampler=sampler(environ),
        limits=limits(environ),
        destinations=destinations(environ),
        schedule_delay_s=_number(environ, "OTEL_BSP_SCHEDULE_DELAY", 200, int) / 1000,
        max_queue_size=_number(environ, "OTEL_BSP_MAX_QUEUE_SIZE", 32_768, int),
        max_batch_size=_number(environ, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, int),
    )


def limits(environ: Mapping[str, str]) -> Limits:
    """The span limits; the span's own variables go before the general ones."""
    count = _number(environ, "OTEL_ATTRIBUTE_COUNT_LIMIT", 128, int)
    length = _optional(environ, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", None)
    return Limits(
        span_attributes=_number(environ, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", count, int),
        event_attributes=_number(environ, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", count, int),
        link_attributes=_number(environ, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", count, int),
        events=_number(environ, "OTEL_SPAN_EVENT_COUNT_LIMIT", 128, int),
        links=_number(environ, "OTEL_SPAN_LINK_COUNT_LIMIT", 128, int),
        span_value_length=_optional(environ, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", length),
        value_length=length,
    )


def sampler(environ: Mapping[str, str]) -> Sampler:
    """The sampler named by `OTEL_TRACES_SAMPLER`, `parentbased_always_on` by default."""
    name = _text(environ, "OTEL_TRACES_SAMPLER") or "parentbased_always_on"
    kind = name.lower().removeprefix("parentbased_")
    ratios = {"always_on": 1.0, "always_off": 0.0}
    if kind == "traceidratio":
        ratio = _number(environ, "OTEL_TRACES_SAMPLER_ARG", 1.0, float)
        if not 0.0 <= ratio <= 1.0:
            logger.warning("OTEL_TRACES_SAMPLER_ARG must lie between 0 and 1; sampling everything.")
            ratio = 1.0
    elif kind in ratios:
        ratio = ratios[kind]
    else:
        logger.warning("OTEL_TRACES_SAMPLER names an unknown sampler; using parentbased_always_on.")
        return Sampler()
    return Sampler(ratio, parent_based=name.lower().startswith("parentbased_"))


def destinations(environ: Mapping[str, str]) -> tuple[Destination, ...]:
    """Where spans go: an OTLP endpoint if one is named, else `JAEGER_HOST`/`JAEGER_PORT`, else OTLP on this machine."""
    if "none" in [name.strip() for name in _text(environ, "OTEL_TRACES_EXPORTER").split(",")]:
        return ()
    common = {
        "headers": _headers(_otlp(environ, "HEADERS")),
        "gzip": _otlp(environ, "COMPRESSION") == "gzip",
        "timeout_s": _number(environ, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", 0, int) / 1000
        or _number(environ, "OTEL_EXPORTER_OTLP_TIMEOUT", 10_000, int) / 1000,
        "certificate": _otlp(environ, "CERTIFICATE") or None,
    }
    protocol = OTLP_GRPC if _otlp(environ, "PROTOCOL") == "grpc" else OTLP_HTTP
    exact, base = _text(environ, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), _text(environ, "OTEL_EXPORTER_OTLP_ENDPOINT")
    if exact:
        return (Destination(protocol, exact, **common),)  # type: ignore[arg-type]
    if base:
        url = base if protocol == OTLP_GRPC else base.rstrip("/") + "/v1/traces"
        return (Destination(protocol, url, **common),)  # type: ignore[arg-type]
    host = _text(environ, "JAEGER_HOST")
    port = _number(environ, "JAEGER_PORT", 0, int)
    if host or port:
        return (_jaeger(host or "127.0.0.1", port or 4318, common),)
    port = 4317 if protocol == OTLP_GRPC else 4318
    path = "" if protocol == OTLP_GRPC else "/v1/traces"
    return (Destination(protocol, f"http://127.0.0.1:{port}{path}", **common),)  # type: ignore[arg-type]


def _jaeger(host: str, port: int, common: Mapping[str, object]) -> Destination:
    """The guide's two variables: the port says which protocol is spoken; an unknown port speaks OTLP over HTTP."""
    protocol = PROTOCOL_OF_PORT.get(port, OTLP_HTTP)
    path = {OTLP_HTTP: "/v1/traces", THRIFT_HTTP: "/api/traces?format=jaeger.thrift"}.get(protocol, "")
    scheme = "udp" if protocol == THRIFT_UDP else "http"
    return Destination(protocol, f"{scheme}://{host}:{port}{path}", **common)  # type: ignore[arg-type]


def resource_attributes(service_name: str, environ: Mapping[str, str]) -> dict[str, str | int]:
    """The attributes of this process; `OTEL_RESOURCE_ATTRIBUTES` adds to them and `OTEL_SERVICE_NAME` goes first."""
    attributes: dict[str, str | int] = {
        "service.name": service_name,
        **process_attributes(),
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": ".".join(map(str, sys.version_info[:3])),
        "host.name": socket.gethostname(),
        "telemetry.sdk.name": "outcry",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": _version(),
    }
    for pair in filter(None, (part.strip() for part in _text(environ, "OTEL_RESOURCE_ATTRIBUTES").split(","))):
        key, equals, value = pair.partition("=")
        if equals and key.strip():
            attributes[key.strip()] = unquote(value.strip())
        else:
            logger.warning("OTEL_RESOURCE_ATTRIBUTES has a part without '='; ignored.")
    if _text(environ, "OTEL_SERVICE_NAME"):
        attributes["service.name"] = _text(environ, "OTEL_SERVICE_NAME")
    return attributes


def process_attributes() -> dict[str, str | int]:
    """What tells this process from others of the same service, its forked children included."""
    return {"service.instance.id": str(uuid.uuid4()), "process.pid": os.getpid()}


def _version() -> str:
    try:
        return importlib.metadata.version("outcry")
    except importlib.metadata.PackageNotFoundError:
        return "0.1.0"


def _headers(value: str) -> dict[str, str]:
    """`key=value,key=value` with percent-encoded values, as the OTLP exporter specification has it."""
    pairs = (part.partition("=") for part in value.split(",") if "=" in part)
    return {key.strip().lower(): unquote(text.strip()) for key, _, text in pairs}


def _otlp(environ: Mapping[str, str], name: str) -> str:
    return _text(environ, f"OTEL_EXPORTER_OTLP_TRACES_{name}") or _text(environ, f"OTEL_EXPORTER_OTLP_{name}")


def _text(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip()


def _number(environ: Mapping[str, str], name: str, default: Number, kind: Callable[[str], Number]) -> Number:
    value = _text(environ, name)
    if not value:
        return default
    try:
        number = kind(value)
    except ValueError:
        logger.warning("%s must be a number; using %s.", name, default)
        return default
    if number < 0:
        logger.warning("%s must not be negative; using %s.", name, default)
        return default
    return number


def _optional(environ: Mapping[str, str], name: str, default: int | None) -> int | None:
    return _number(environ, name, 0, int) if _text(environ, name) else default


def host_and_port(url: str) -> tuple[str, int]:
    """Host and port of a destination's URL, with the scheme's default port."""
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80)
