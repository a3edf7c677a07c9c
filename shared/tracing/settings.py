"""What the environment says about tracing: the `OTEL_*` variables of the specification and the guide's `JAEGER_*`.

Unknown or malformed values are reported once by name and the default is used: tracing must not stop a service.
"""

import importlib.metadata
import logging
import os
import socket
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from shared.tracing.destinations import Destination, destinations
from shared.tracing.environment import flag, names, number, optional, pairs, text
from shared.tracing.remote_sampling import ENDPOINT, INITIAL_RATIO, POLL_S, RemoteSampler
from shared.tracing.samplers import ByRules, RateLimited, read_rules
from shared.tracing.sampling import Sampler

logger = logging.getLogger(__name__)


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
class RetentionSettings:
    """Retroactive sampling (`retention`): what makes a trace matter, how much is held, how the processes meet."""

    slow_ms: float
    slow_quantile: float
    hold_s: float
    hold_bytes: int
    kept_per_s_max: float
    listen_at: str
    peers: tuple[str, ...]


@dataclass(frozen=True)
class TracingSettings:
    """Everything `setup_tracing` needs, read once."""

    disabled: bool
    resource: Mapping[str, str | int]
    sampler: Sampler
    limits: Limits
    destinations: tuple[Destination, ...]
    retention: RetentionSettings | None
    schedule_delay_s: float
    max_queue_size: int
    max_batch_size: int


def read_settings(service_name: str, environ: Mapping[str, str] = os.environ) -> TracingSettings:
    """Read the environment; `service_name` yields to `OTEL_SERVICE_NAME`."""
    resource = resource_attributes(service_name, environ)
    return TracingSettings(
        disabled=flag(environ, "OTEL_SDK_DISABLED"),
        resource=resource,
        sampler=sampler(environ, str(resource["service.name"])),
        limits=limits(environ),
        destinations=destinations(environ),
        retention=retention(environ),
        schedule_delay_s=number(environ, "OTEL_BSP_SCHEDULE_DELAY", 200, int) / 1000,
        max_queue_size=number(environ, "OTEL_BSP_MAX_QUEUE_SIZE", 32_768, int),
        max_batch_size=number(environ, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 4096, int),
    )


def limits(environ: Mapping[str, str]) -> Limits:
    """The span limits; the span's own variables go before the general ones."""
    count = number(environ, "OTEL_ATTRIBUTE_COUNT_LIMIT", 128, int)
    length = optional(environ, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", None)
    return Limits(
        span_attributes=number(environ, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", count, int),
        event_attributes=number(environ, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", count, int),
        link_attributes=number(environ, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", count, int),
        events=number(environ, "OTEL_SPAN_EVENT_COUNT_LIMIT", 128, int),
        links=number(environ, "OTEL_SPAN_LINK_COUNT_LIMIT", 128, int),
        span_value_length=optional(environ, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", length),
        value_length=length,
    )


def sampler(environ: Mapping[str, str], service_name: str) -> Sampler:
    """The sampler named by `OTEL_TRACES_SAMPLER`, `parentbased_always_on` by default or where its argument is wrong."""
    name = text(environ, "OTEL_TRACES_SAMPLER").lower() or "parentbased_always_on"
    kind, parent_based = name.removeprefix("parentbased_"), name.startswith("parentbased_")
    if kind == "always_on":
        return Sampler(1.0, parent_based)
    if kind == "always_off":
        return Sampler(0.0, parent_based)
    try:
        if kind == "traceidratio":
            return Sampler(float(text(environ, "OTEL_TRACES_SAMPLER_ARG") or 1.0), parent_based)
        if kind == "ratelimited":
            return RateLimited(float(text(environ, "OTEL_TRACES_SAMPLER_ARG")), parent_based)
        if kind == "rules":
            return ByRules(read_rules(text(environ, "OTEL_TRACES_SAMPLER_ARG")), parent_based)
        if kind == "jaeger_remote":
            return _remote(pairs(environ, "OTEL_TRACES_SAMPLER_ARG"), service_name, parent_based)
    except (OSError, ValueError) as error:
        logger.warning("OTEL_TRACES_SAMPLER_ARG is no argument for %s (%s); sampling everything.", name, error)
        return Sampler()
    logger.warning("OTEL_TRACES_SAMPLER names an unknown sampler; using parentbased_always_on.")
    return Sampler()


def _remote(stated: Mapping[str, str], service_name: str, parent_based: bool) -> Sampler:
    """Its argument is `endpoint=...,pollingIntervalMs=...,initialSamplingRate=...`, each with a default."""
    return RemoteSampler(
        service_name,
        stated.get("endpoint", ENDPOINT),
        max(1.0, float(stated.get("pollingIntervalMs", POLL_S * 1000))) / 1000,
        float(stated.get("initialSamplingRate", INITIAL_RATIO)),
        parent_based,
    )


def retention(environ: Mapping[str, str]) -> RetentionSettings | None:
    """None unless `TRACING_RETROACTIVE` is true."""
    if not flag(environ, "TRACING_RETROACTIVE"):
        return None
    quantile = number(environ, "TRACING_SLOW_QUANTILE", 0.98, float)
    if quantile >= 1.0:
        logger.warning("TRACING_SLOW_QUANTILE must lie below 1; using 0.98.")
        quantile = 0.98
    return RetentionSettings(
        slow_ms=number(environ, "TRACING_SLOW_MS", 0.0, float),
        slow_quantile=quantile,
        hold_s=number(environ, "TRACING_HOLD_S", 15.0, float),
        hold_bytes=number(environ, "TRACING_HOLD_BYTES", 32 * 1024 * 1024, int),
        kept_per_s_max=number(environ, "TRACING_KEPT_PER_S_MAX", 500.0, float),
        listen_at=text(environ, "TRACING_TRIGGER_LISTEN"),
        peers=tuple(names(environ, "TRACING_TRIGGER_PEERS")),
    )


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
    attributes |= pairs(environ, "OTEL_RESOURCE_ATTRIBUTES")
    if text(environ, "OTEL_SERVICE_NAME"):
        attributes["service.name"] = text(environ, "OTEL_SERVICE_NAME")
    return attributes


def process_attributes() -> dict[str, str | int]:
    """What tells this process from others of the same service, its forked children included."""
    return {"service.instance.id": str(uuid.uuid4()), "process.pid": os.getpid()}


def _version() -> str:
    """The version of the distribution that this package came with: the exchange's, or its own."""
    for distribution in ("outcry", "outcry-tracing"):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "0.1.0"
