# cython: language_level=3, annotation_typing=False
# mypy: disable-error-code="name-defined"
# ruff: noqa: F821
"""The span that is current: contexts of the OpenTelemetry API, read and made without the detours of the general way."""

from collections.abc import Callable
from typing import Any

import cython
from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.trace.propagation import _SPAN_KEY

from shared.tracing.span import Span

# The variable in which the OpenTelemetry API keeps the context; another runtime context is used through the API.
_variable = getattr(context_api._RUNTIME_CONTEXT, "_current_context", None)
get_context: Callable[[], Context] = _variable.get if _variable is not None else context_api.get_current
set_context: Callable[[Context], Any] = _variable.set if _variable is not None else context_api.attach
reset_context: Callable[[Any], None] = _variable.reset if _variable is not None else context_api.detach


def span_in(context: Context) -> Any:
    """The span that a context holds, None if it holds none."""
    if cython.compiled and isinstance(context, dict):
        # Every context is one, of a class of its own, whose `get` would be looked up as any method.
        return cython.cast(dict, context).get(_SPAN_KEY)
    return context.get(_SPAN_KEY)


def context_with(outer: Context, span: Span) -> Context:
    """A copy of a context in which `span` is the current one. Contexts refuse changes, but nobody has seen this yet."""
    if cython.compiled:
        # Most contexts hold a span and nothing else: to fill an empty one costs half of a copy.
        inner = Context() if not outer or (len(outer) == 1 and _SPAN_KEY in outer) else Context(outer)
        PyDict_SetItem(inner, _SPAN_KEY, span)
    else:
        inner = Context(outer)
        dict.__setitem__(inner, _SPAN_KEY, span)
    return inner
