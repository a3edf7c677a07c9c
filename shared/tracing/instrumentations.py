"""The official OpenTelemetry instrumentations that are installed, turned on as `opentelemetry-instrument` would.

Whoever wants the calls of asyncpg, redis, httpx, requests, SQLAlchemy and others traced installs
`opentelemetry-instrumentation-...` and that is all; nothing here needs any of them.
"""

import logging
import os
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from shared.tracing.environment import names

logger = logging.getLogger(__name__)

GROUP = "opentelemetry_instrumentor"

OURS = frozenset({"asgi", "fastapi", "starlette"})
"""What `instrument_fastapi` does: with both, each request would have two server spans."""

OPTIONS: Mapping[str, dict[str, Any]] = {"logging": {"inject_trace_context": True}}
"""Log records get the ids of their span as attributes; the format of the log stays what it is."""


def instrument_installed(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Turn on what is installed; the names of what is on now. `OTEL_PYTHON_DISABLED_INSTRUMENTATIONS` switches off.

    One that cannot be turned on is reported, and the others are.
    """
    disabled = set(names(environ, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"))
    if "*" in disabled:
        return []
    found = [point for point in entry_points(group=GROUP) if point.name not in OURS | disabled]
    return [point.name for point in found if _turn_on(point)]


def _turn_on(point: EntryPoint) -> bool:
    try:
        instrumentor = point.load()()
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(raise_exception_on_conflict=True, **OPTIONS.get(point.name, {}))
    except Exception as error:
        if _library_is_missing(error):
            return False
        logger.exception("The instrumentation of %s could not be turned on; its calls make no spans.", point.name)
        return False
    return True


def _library_is_missing(error: Exception) -> bool:
    """An instrumentation without its library, or with one that it does not know, is nothing to report."""
    return isinstance(error, ModuleNotFoundError) or type(error).__name__ == "DependencyConflictError"
