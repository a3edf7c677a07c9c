"""Tracing without a line of code, by the ways in which OpenTelemetry lets the environment choose an implementation.

    OTEL_PYTHON_TRACER_PROVIDER=outcry python script.py        the API asks the provider of that name
    OTEL_PYTHON_CONFIGURATOR=outcry opentelemetry-instrument python script.py

Both are entry points of the distribution. The service is called what `OTEL_SERVICE_NAME` says.
"""

import os
import sys
from pathlib import Path

from opentelemetry import trace
from opentelemetry.environment_variables import OTEL_PYTHON_TRACER_PROVIDER

from shared.tracing.environment import text

NAME = "outcry"
"""What the entry points are called."""


def is_chosen() -> bool:
    """Whether the environment says that the API should ask `tracer_provider`."""
    return text(os.environ, OTEL_PYTHON_TRACER_PROVIDER) == NAME


def unnamed_service() -> str:
    """What a service is called that nobody gave a name, as the specification has it."""
    return f"unknown_service:{Path(sys.executable).name or 'python'}"


def tracer_provider() -> trace.TracerProvider:
    """Our provider, set up as the environment says."""
    from shared.tracing.setup import setup_tracing

    setup_tracing(unnamed_service())
    return trace.get_tracer_provider()


class Configurator:
    """What `opentelemetry-instrument` runs before the program; instrumentations it turns on by itself."""

    def configure(self, **_: object) -> None:
        """Set up tracing."""
        from shared.tracing.setup import setup_tracing

        setup_tracing(unnamed_service(), instrument=False)
