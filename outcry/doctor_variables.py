"""What the doctor makes of the variables about tracing: some switch it off, say nothing usable, or are misspelt."""

import difflib
import logging
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from opentelemetry import environment_variables as api_variables
from opentelemetry.sdk import environment_variables as sdk_variables

from outcry.doctor_rules import JAEGER_PORTS, Finding
from outcry.settings import Settings
from shared.tracing.settings import TracingSettings, read_settings

LIKE_MIN = 0.85
"""How alike a name must be to one that is known, to be taken for a slip of the pen."""

UNSET = "Unset it, and start the services again: they read their variables once."
CORRECT = "Correct it, and start the services again: they read their variables once."


class Reading(NamedTuple):
    """The settings of tracing, the variables that were asked for, and what was said about them."""

    settings: TracingSettings
    asked: set[str]
    said: list[str]


def read(environment: Mapping[str, str]) -> Reading:
    """What a service that starts with these variables makes of them."""
    asked, said = _Asked(environment), _Said()
    logger = logging.getLogger("shared.tracing")
    logger.addHandler(said)
    logger.propagate = False
    try:
        return Reading(read_settings("doctor", asked), asked.names, said.lines)
    finally:
        logger.removeHandler(said)
        logger.propagate = True


def configuration(settings: Settings, environment: Mapping[str, str]) -> list[Finding]:
    """Whether the variables about tracing make sense together."""
    wrong = [*_switched_off(settings, environment), *_useless(settings, environment)]
    wrong += [(line, CORRECT) for line in read(environment).said]
    wrong += [(f"{name} is read by nobody", f"Is {meant} meant? {CORRECT}") for name, meant in misspelt(environment)]
    where = "jaegerlite here" if settings.embedded_tracing else "another backend"
    return [Finding("settings", False, seen, remedy) for seen, remedy in wrong] or [
        Finding("settings", True, f"variables make sense; spans go to {where}")
    ]


def misspelt(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each variable that nobody knows and that is nearly called like one that is known, and that one."""
    standard = {name for module in (api_variables, sdk_variables) for name in dir(module) if name.startswith("OTEL_")}
    known = standard | read({**environment, "TRACING_RETROACTIVE": "true"}).asked
    for name in sorted(environment.keys() - known):
        for meant in difflib.get_close_matches(name, known, 1, LIKE_MIN):
            yield name, meant


def _switched_off(settings: Settings, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if settings.otel_sdk_disabled:
        yield "OTEL_SDK_DISABLED switches tracing off", UNSET
    if settings.otel_traces_exporter == "none":
        yield "OTEL_TRACES_EXPORTER=none sends no span", UNSET
    sampler = environment.get("OTEL_TRACES_SAMPLER", "")
    if sampler.endswith("always_off"):
        yield f"OTEL_TRACES_SAMPLER={sampler} keeps no trace", UNSET
    propagators = environment.get("OTEL_PROPAGATORS", "tracecontext")
    if "tracecontext" not in propagators:
        yield f"OTEL_PROPAGATORS={propagators} continues nobody's traceparent", "Add tracecontext to it."


def _useless(settings: Settings, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    sampler = environment.get("OTEL_TRACES_SAMPLER", "").removeprefix("parentbased_")
    if environment.get("OTEL_TRACES_SAMPLER_ARG") and sampler in ("", "always_on", "always_off"):
        yield "OTEL_TRACES_SAMPLER_ARG has no effect", "Name a sampler that takes one in OTEL_TRACES_SAMPLER."
    if settings.jaeger_port is not None and settings.jaeger_host is None:
        yield "JAEGER_PORT without JAEGER_HOST has no effect", "Set both."
    if settings.jaeger_host is not None and settings.jaeger_port not in (None, *JAEGER_PORTS):
        known = ", ".join(f"{port} {name}" for port, name in JAEGER_PORTS.items())
        yield f"JAEGER_PORT={settings.jaeger_port} implies no protocol", f"Use one of these: {known}."


class _Asked(dict[str, str]):
    """Variables that remember which of them somebody wanted to know."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.names: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.names.add(name)
        return super().get(name, default)


class _Said(logging.Handler):
    """The warnings of what reads the variables."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage().rstrip("."))
