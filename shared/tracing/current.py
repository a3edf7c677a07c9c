# cython: language_level=3, annotation_typing=False
# mypy: disable-error-code="name-defined,no-any-return"
# ruff: noqa: F821
"""The span that is current: contexts of the OpenTelemetry API, read and made without the detours of the general way."""

from typing import Any

import cython
from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.trace.propagation import _SPAN_KEY

from shared.tracing.span import Span

SPAN_KEY = _SPAN_KEY

# The variable in which the OpenTelemetry API keeps the context; another runtime context is used through the API.
_variable: Any = getattr(context_api._RUNTIME_CONTEXT, "_current_context", None)
_set: Any = context_api.attach if _variable is None else _variable.set
_reset: Any = context_api.detach if _variable is None else _variable.reset


def get_context() -> Context:
    """The context that is current."""
    if _variable is None:
        return context_api.get_current()
    return get_value(_variable) if cython.compiled else _variable.get()


def set_context(context: Context) -> Any:
    """Make a context the current one; gives a token for `reset_context`."""
    return PyContextVar_Set(_variable, context) if cython.compiled and _variable is not None else _set(context)


def reset_context(token: Any) -> None:
    """Go back to the context before. Raises ValueError or RuntimeError for another task's token, or a used one."""
    if cython.compiled and _variable is not None:
        PyContextVar_Reset(_variable, token)
    else:
        _reset(token)


def span_in(context: Context) -> Any:
    """The span that a context holds, None if it holds none."""
    if cython.compiled and isinstance(context, dict):
        # Every context is one, of a class of its own, whose `get` would be looked up as any method.
        return cython.cast(dict, context).get(SPAN_KEY)
    return context.get(SPAN_KEY)


def context_with(outer: Context, span: Span) -> Context:
    """A copy of a context in which `span` is the current one. Contexts refuse changes, but nobody has seen this yet."""
    if cython.compiled:
        # Most contexts hold a span and nothing else: to fill an empty one costs half of a copy.
        alone = not outer or (len(outer) == 1 and SPAN_KEY in outer)
        inner = new_dict(Context) if alone else Context(outer)
        PyDict_SetItem(inner, SPAN_KEY, span)
    else:
        inner = Context(outer)
        dict.__setitem__(inner, SPAN_KEY, span)
    return inner
