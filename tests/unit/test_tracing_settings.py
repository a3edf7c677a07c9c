"""What the environment variables of the guide and of the OpenTelemetry specification mean to us."""

import pytest

from shared.tracing.destinations import CONSOLE, OTLP_GRPC, OTLP_HTTP, THRIFT_HTTP, THRIFT_UDP, destinations
from shared.tracing.settings import limits, read_settings, resource_attributes, sampler

HERE = (OTLP_HTTP, "http://127.0.0.1:4318/v1/traces")


@pytest.mark.parametrize(
    ("environ", "protocol", "url"),
    [
        ({}, OTLP_HTTP, "http://127.0.0.1:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://far:1/base/"}, OTLP_HTTP, "https://far:1/base/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://far:1/exact"}, OTLP_HTTP, "http://far:1/exact"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, OTLP_GRPC, "http://127.0.0.1:4317"),
        ({"JAEGER_HOST": "jaeger", "JAEGER_PORT": "6831"}, THRIFT_UDP, "udp://jaeger:6831"),
        ({"JAEGER_PORT": "14268"}, THRIFT_HTTP, "http://127.0.0.1:14268/api/traces?format=jaeger.thrift"),
        ({"JAEGER_HOST": "jaeger", "JAEGER_PORT": "4317"}, OTLP_GRPC, "http://jaeger:4317"),
        ({"JAEGER_HOST": "jaeger"}, OTLP_HTTP, "http://jaeger:4318/v1/traces"),
        ({"JAEGER_HOST": "a", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://b:1"}, OTLP_HTTP, "http://b:1/v1/traces"),
    ],
)
def test_destination(environ: dict[str, str], protocol: str, url: str) -> None:
    """The endpoint variables choose where spans go; JAEGER_PORT implies the protocol; OTEL_* goes before JAEGER_*."""
    (destination,) = destinations(environ)
    assert (destination.protocol, destination.url) == (protocol, url)


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"OTEL_TRACES_EXPORTER": "otlp,jaeger", "JAEGER_HOST": "j"}, [HERE, (THRIFT_UDP, "udp://j:6831")]),
        (
            {"OTEL_TRACES_EXPORTER": "jaeger,console", "OTEL_EXPORTER_JAEGER_ENDPOINT": "http://j:1/api/traces"},
            [(THRIFT_HTTP, "http://j:1/api/traces"), (CONSOLE, "console:")],
        ),
        (
            {"TRACING_ENDPOINTS": "a:4318, grpcs://b, udp://c, https://d:14268,http://e:99/in"},
            [
                (OTLP_HTTP, "http://a:4318/v1/traces"),
                (OTLP_GRPC, "https://b:4317"),
                (THRIFT_UDP, "udp://c:6831"),
                (THRIFT_HTTP, "https://d:14268/api/traces?format=jaeger.thrift"),
                (OTLP_HTTP, "http://e:99/in"),
            ],
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "TRACING_ENDPOINTS": "127.0.0.1:4318,[::1]:4317"},
            [HERE, (OTLP_GRPC, "http://[::1]:4317")],
        ),
        ({"OTEL_TRACES_EXPORTER": "none", "TRACING_ENDPOINTS": "a:4318"}, []),
    ],
)
def test_several_destinations(environ: dict[str, str], found: list[tuple[str, str]]) -> None:
    """Spans go to every exporter and every endpoint that is named, once to each."""
    assert [(d.protocol, d.url) for d in destinations(environ)] == found


def test_grpc_endpoints_without_a_scheme_are_secure_unless_told_otherwise() -> None:
    """As the OTLP exporter specification has it."""
    environ = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "far:4317"}
    assert [d.url for d in destinations(environ)] == ["https://far:4317"]
    assert [d.url for d in destinations(environ | {"OTEL_EXPORTER_OTLP_INSECURE": "true"})] == ["http://far:4317"]


def test_jaegers_password_is_sent_and_never_shown() -> None:
    """User and password become the header of basic authentication, which no repr shows."""
    environ = {
        "OTEL_TRACES_EXPORTER": "jaeger",
        "OTEL_EXPORTER_JAEGER_ENDPOINT": "http://j/api/traces",
        "OTEL_EXPORTER_JAEGER_USER": "me",
        "OTEL_EXPORTER_JAEGER_PASSWORD": "s3cret",
    }
    (destination,) = destinations(environ)
    assert destination.headers == {"authorization": "Basic bWU6czNjcmV0"}
    assert "bWU6" not in repr(destination)


def test_no_exporter_means_no_destination() -> None:
    """OTEL_TRACES_EXPORTER=none records and sends nothing."""
    assert destinations({"OTEL_TRACES_EXPORTER": "none"}) == ()


def test_headers_are_read_and_never_shown() -> None:
    """Credentials in OTEL_EXPORTER_OTLP_HEADERS reach the destination but not its repr, which may be logged."""
    (destination,) = destinations({"OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20c2VjcmV0,x-tenant=one"})
    assert destination.headers == {"authorization": "Basic c2VjcmV0", "x-tenant": "one"}
    assert "c2VjcmV0" not in repr(destination)


def test_compression_timeout_and_certificate_are_read() -> None:
    """The traces variable goes before the general one, and times are milliseconds."""
    environ = {
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "3000",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "1500",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "/etc/roots.pem",
    }
    (destination,) = destinations(environ)
    assert (destination.gzip, destination.timeout_s, destination.certificate) == (True, 1.5, "/etc/roots.pem")


def test_resource() -> None:
    """OTEL_SERVICE_NAME goes before OTEL_RESOURCE_ATTRIBUTES, which goes before the name in the code."""
    named = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=listed,service.version=2,note=a%2Cb"}
    attributes = resource_attributes("coded", named)
    assert (attributes["service.name"], attributes["service.version"], attributes["note"]) == ("listed", "2", "a,b")
    assert resource_attributes("coded", {**named, "OTEL_SERVICE_NAME": "own"})["service.name"] == "own"
    assert resource_attributes("coded", {})["service.name"] == "coded"


@pytest.mark.parametrize(
    ("name", "argument", "ratio", "parent_based"),
    [
        ("", "", 1.0, True),
        ("always_on", "", 1.0, False),
        ("always_off", "", 0.0, False),
        ("parentbased_always_off", "", 0.0, True),
        ("traceidratio", "0.25", 0.25, False),
        ("parentbased_traceidratio", "0.01", 0.01, True),
    ],
)
def test_samplers(name: str, argument: str, ratio: float, parent_based: bool) -> None:
    """Each sampler of the specification is known by its name."""
    chosen = sampler({"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument}, "service")
    assert (chosen.ratio, chosen.parent_based) == (ratio, parent_based)


def test_limits() -> None:
    """A span's own limits go before the general ones, which hold for events and links as well."""
    chosen = limits(
        {
            "OTEL_ATTRIBUTE_COUNT_LIMIT": "10",
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "20",
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "30",
            "OTEL_SPAN_EVENT_COUNT_LIMIT": "40",
        }
    )
    assert (chosen.span_attributes, chosen.event_attributes, chosen.link_attributes) == (20, 10, 10)
    assert (chosen.span_value_length, chosen.value_length, chosen.events, chosen.links) == (30, 30, 40, 128)


def test_nonsense_is_named_and_replaced(caplog: pytest.LogCaptureFixture) -> None:
    """A value that cannot be used is reported by the variable's name, and the service starts with the default."""
    environ = {
        "OTEL_BSP_MAX_QUEUE_SIZE": "many",
        "OTEL_BSP_SCHEDULE_DELAY": "-5",
        "OTEL_TRACES_SAMPLER": "sometimes",
        "OTEL_RESOURCE_ATTRIBUTES": "no equals sign",
    }
    settings = read_settings("service", environ)
    assert (settings.max_queue_size, settings.schedule_delay_s, settings.sampler.ratio) == (32_768, 0.2, 1.0)
    assert all(name in caplog.text for name in environ)
