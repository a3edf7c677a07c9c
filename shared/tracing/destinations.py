"""Where spans go, as the environment says it: OTLP and Jaeger variables of the specification, the guide's `JAEGER_HOST`
and `JAEGER_PORT`, and `TRACING_ENDPOINTS` for several places at once.

A port names its protocol: 4317 OTLP over gRPC, 4318 OTLP over HTTP, 6831 Jaeger's compact Thrift over UDP, 14268
Jaeger's Thrift over HTTP.
"""

import base64
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from shared.tracing.environment import names, number, pairs, text

logger = logging.getLogger(__name__)

OTLP_HTTP, OTLP_GRPC, THRIFT_UDP, THRIFT_HTTP = "otlp-http", "otlp-grpc", "jaeger-thrift-udp", "jaeger-thrift-http"
CONSOLE = "console"
PROTOCOL_OF_PORT = {4318: OTLP_HTTP, 4317: OTLP_GRPC, 6831: THRIFT_UDP, 14268: THRIFT_HTTP}
PORT_OF_PROTOCOL = {protocol: port for port, protocol in PROTOCOL_OF_PORT.items()}
PATHS = {OTLP_HTTP: "/v1/traces", THRIFT_HTTP: "/api/traces?format=jaeger.thrift"}
HERE = "127.0.0.1"


@dataclass(frozen=True)
class Destination:
    """One place spans are sent to. `headers` may hold credentials and is kept out of the repr.

    `certificate` is a file with the authorities that a backend's certificate is checked against, by default those of
    the system; `client_certificate` and `client_key` are what this process shows of itself.
    """

    protocol: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    gzip: bool = False
    timeout_s: float = 10.0
    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None


def destinations(environ: Mapping[str, str]) -> tuple[Destination, ...]:
    """All of them: each exporter that `OTEL_TRACES_EXPORTER` names, then what `TRACING_ENDPOINTS` lists.

    Without either, spans go to the OTLP endpoint if one is named, else to `JAEGER_HOST`, else to OTLP on this machine.
    """
    listed = [_at(url, _otlp_options(environ)) for url in names(environ, "TRACING_ENDPOINTS")]
    exporters = names(environ, "OTEL_TRACES_EXPORTER")
    if "none" in exporters:
        return ()
    if not exporters and listed:
        return tuple(listed)
    found: list[Destination] = []
    for name in exporters or ["otlp"]:
        found += _named(name, environ, alone=len(exporters) < 2)
    return tuple({destination.url: destination for destination in [*found, *listed]}.values())


def host_and_port(url: str) -> tuple[str, int]:
    """Host and port of a destination's URL, with the scheme's default port."""
    parts = urlsplit(url)
    return parts.hostname or HERE, parts.port or (443 if parts.scheme == "https" else 80)


def _named(name: str, environ: Mapping[str, str], alone: bool) -> Iterator[Destination]:
    """The destinations of one exporter name. `JAEGER_HOST` alone is where "otlp" goes if it names nothing else."""
    if name == "otlp":
        yield _otlp_endpoint(environ, else_jaeger=alone)
    elif name == "jaeger":
        yield _jaeger_endpoint(environ)
    elif name in ("console", "logging"):
        yield Destination(CONSOLE, "console:")
    else:
        logger.warning("OTEL_TRACES_EXPORTER names %r, which is not known here; use otlp, jaeger, console.", name)


def _otlp_endpoint(environ: Mapping[str, str], else_jaeger: bool) -> Destination:
    protocol = OTLP_GRPC if _otlp(environ, "PROTOCOL").lower() == "grpc" else OTLP_HTTP
    options = _otlp_options(environ)
    exact, base = text(environ, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), text(environ, "OTEL_EXPORTER_OTLP_ENDPOINT")
    if not exact and not base:
        if else_jaeger and (text(environ, "JAEGER_HOST") or text(environ, "JAEGER_PORT")):
            return _guide(environ, options)
        base = f"http://{HERE}:{PORT_OF_PROTOCOL[protocol]}"
    url = exact or (base if protocol == OTLP_GRPC else base.rstrip("/") + PATHS[OTLP_HTTP])
    if "://" not in url:
        # Only gRPC endpoints may come without a scheme; they are secure unless the environment says otherwise.
        insecure = protocol != OTLP_GRPC or _otlp(environ, "INSECURE").lower() == "true"
        url = f"{'http' if insecure else 'https'}://{url}"
    return replace(options, protocol=protocol, url=url)


def _jaeger_endpoint(environ: Mapping[str, str]) -> Destination:
    """The exporter "jaeger": its own variables of the specification, else the guide's."""
    options = Destination(OTLP_HTTP, "", timeout_s=number(environ, "OTEL_EXPORTER_JAEGER_TIMEOUT", 10_000, int) / 1000)
    user, endpoint = text(environ, "OTEL_EXPORTER_JAEGER_USER"), text(environ, "OTEL_EXPORTER_JAEGER_ENDPOINT")
    if user:
        login = f"{user}:{text(environ, 'OTEL_EXPORTER_JAEGER_PASSWORD')}".encode()
        options = replace(options, headers={"authorization": f"Basic {base64.b64encode(login).decode()}"})
    if endpoint:
        return replace(options, protocol=THRIFT_HTTP, url=endpoint)
    agent = text(environ, "OTEL_EXPORTER_JAEGER_AGENT_HOST")
    if agent or text(environ, "OTEL_EXPORTER_JAEGER_AGENT_PORT"):
        port = number(environ, "OTEL_EXPORTER_JAEGER_AGENT_PORT", 6831, int)
        return replace(options, protocol=THRIFT_UDP, url=f"udp://{agent or HERE}:{port}")
    return _guide({"JAEGER_PORT": "6831", **environ}, options)


def _guide(environ: Mapping[str, str], options: Destination) -> Destination:
    """The guide's two variables; a port that says nothing speaks OTLP over HTTP."""
    host = text(environ, "JAEGER_HOST") or HERE
    return _at(f"{host}:{number(environ, 'JAEGER_PORT', 4318, int) or 4318}", options)


def _at(place: str, options: Destination) -> Destination:
    """A place by its address: "host:port" or a URL of the scheme http, https, grpc, grpcs or udp."""
    parts = urlsplit(place if "://" in place else f"//{place}")
    scheme, host = parts.scheme, f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or HERE
    by_scheme = {"udp": THRIFT_UDP, "grpc": OTLP_GRPC, "grpcs": OTLP_GRPC}
    protocol = by_scheme.get(scheme) or PROTOCOL_OF_PORT.get(parts.port or 0, OTLP_HTTP)
    port = parts.port or PORT_OF_PROTOCOL[protocol]
    path = f"{parts.path}?{parts.query}".rstrip("/?") or PATHS.get(protocol, "")
    secure = scheme in ("https", "grpcs")
    written = "udp" if protocol == THRIFT_UDP else "https" if secure else "http"
    return replace(options, protocol=protocol, url=f"{written}://{host}:{port}{path}")


def _otlp_options(environ: Mapping[str, str]) -> Destination:
    """What the OTLP variables say beside the endpoint. Those of traces go before the general ones."""
    headers = pairs(environ, "OTEL_EXPORTER_OTLP_TRACES_HEADERS") or pairs(environ, "OTEL_EXPORTER_OTLP_HEADERS")
    return Destination(
        OTLP_HTTP,
        "",
        headers={key.lower(): value for key, value in headers.items()},
        gzip=_otlp(environ, "COMPRESSION").lower() == "gzip",
        timeout_s=number(environ, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", 0, int) / 1000
        or number(environ, "OTEL_EXPORTER_OTLP_TIMEOUT", 10_000, int) / 1000
        or 10.0,
        certificate=_otlp(environ, "CERTIFICATE") or None,
        client_certificate=_otlp(environ, "CLIENT_CERTIFICATE") or None,
        client_key=_otlp(environ, "CLIENT_KEY") or None,
    )


def _otlp(environ: Mapping[str, str], name: str) -> str:
    return text(environ, f"OTEL_EXPORTER_OTLP_TRACES_{name}") or text(environ, f"OTEL_EXPORTER_OTLP_{name}")
