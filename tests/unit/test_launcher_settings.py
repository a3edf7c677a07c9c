"""What the launcher accepts from its environment, and how it refuses the rest."""

import pytest

from outcry import settings
from outcry.settings import WrongSettingsError


def test_defaults_are_the_documented_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any variable each process listens on the port that the documentation names."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    loaded = settings.load()
    assert (loaded.ports_of("client-gateway"), loaded.ports_of("wallet-service")) == ((8347,), (8651,))
    assert (loaded.jaegerlite_query_port, loaded.jaegerlite_otlp_http_port) == (16686, 4318)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLIENT_GATEWAY_PORT", "many"),
        ("WALLET_SERVICE_PORT", "0"),
        ("REPORTING_PORT", "65536"),
        ("DATABASE_URL", "mysql://admin:topsecret@host/db"),
        ("REDIS_URL", "topsecret"),
        ("JAEGER_PORT", "-1"),
        ("OUTCRY_START_TIMEOUT_S", "nan"),
    ],
)
def test_a_wrong_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The refusal opens with the variable's name and never repeats an address, which may hold a password."""
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongSettingsError) as refusal:
        settings.load()
    assert str(refusal.value).startswith(f"{name}: ")
    assert "topsecret" not in str(refusal.value)


def test_one_port_for_two_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes on one port are refused before anything starts, and both variables are named."""
    monkeypatch.setenv("REPORTING_PORT", "9243")
    with pytest.raises(
        WrongSettingsError, match=r"NOTIFICATION_PORT.*REPORTING_PORT|REPORTING_PORT.*NOTIFICATION_PORT"
    ):
        settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JAEGER_HOST", "jaeger"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318/v1/traces"),
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ],
)
def test_an_existing_backend_replaces_the_embedded_one(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """jaegerlite stays out as soon as the spans are told to go elsewhere, or nowhere."""
    for variable in ("JAEGER_HOST", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(variable, raising=False)
    assert settings.load().embedded_tracing
    monkeypatch.setenv(name, value)
    assert not settings.load().embedded_tracing
