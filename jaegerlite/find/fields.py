"""Tests of one field or attribute at one level, which Jaeger's structured filters are made of.

Unlike the conditions of our own language, which look for a key wherever a tag of Jaeger's may come from, each asks one
place alone: the span, its resource, its scope, any of its events or of its links.
"""

import functools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np

from jaegerlite.chunk_reader import ChunkColumns
from jaegerlite.columns import BoolArray, I64Array, U8Array
from jaegerlite.find.language import Atom, Condition, FieldTest, Some, holds
from jaegerlite.find.leaves import NAMES, Leaf
from jaegerlite.otlp import Attributes, Event, Link, SpanRest, Value, value_text
from jaegerlite.series import Series
from jaegerlite.sql import number_list
from jaegerlite.store import Store
from jaegerlite.tagmatch import ASK, NO

_ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
# What SQL compares of a span's times, in nanoseconds.
_TIMES: Final = {"duration": "duration_ns", "startTime": "start_ns", "endTime": "(start_ns + duration_ns)"}
_STATUSES: Final = ("unset", "ok", "error")


def matches(test: FieldTest, value: Value) -> bool:
    """Whether a value is what a test asks for. A test without a type takes values of any, numbers by their value."""
    if test.comparison == "exists":
        return True
    compare = _ORDERS[test.comparison]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if test.type in ("int", "double"):
        wanted = int if test.type == "int" else float
        return is_number and isinstance(value, wanted) and compare(value, test.number)
    if test.type == "bool":
        return isinstance(value, bool) and compare(value_text(value), test.text)
    if test.type == "string":
        return isinstance(value, str) and compare(value, test.text)
    if test.number is not None and is_number:
        return compare(value, test.number)
    if test.comparison == "=":
        return value_text(value) == test.text
    return test.number is None and isinstance(value, str) and compare(value, test.text)


class FieldLeaf:
    """A test prepared for a store, as `Leaf` is a condition: decided by columns, or by the rest of a span."""

    def __init__(self, store: Store, test: FieldTest | Some) -> None:
        self._test = test
        self._times = _TIMES.get(test.name) if isinstance(test, FieldTest) and _is_field(test, "span") else None
        self._statuses: list[int] = []
        self._series: list[int] = []
        self.asks_rest = False
        if isinstance(test, Some):
            self.asks_rest = True
        elif _is_field(test, "span") and test.name == "status":
            self._statuses = [code for code, name in enumerate(_STATUSES) if matches(test, name)]
        elif self._times is None:
            self.asks_rest = not _is_of_series(test)
            if not self.asks_rest:
                all_series = store.registry.all
                self._series = [one.number for one in all_series if _any(test, _series_values(test, one))]
        # Jaeger's tags come from more places than one, so a condition on tags rules out, and no more.
        self._outer = _outer(store, test) if self.asks_rest else ()
        self.asks_columns = not self.asks_rest
        self.pair = self._outer[0].pair if len(self._outer) == 1 else None

    @property
    def sql(self) -> str:
        """SQL for the spans that pass by their columns; only numbers enter the text."""
        if self._times and isinstance(self._test, FieldTest):
            return f"{self._times} {self._test.comparison} {int(self._test.number or 0):d}"
        series, statuses = number_list(self._series), number_list(self._statuses)
        return f"coalesce(series IN ({series}) OR status IN ({statuses}), FALSE)"

    def by_columns(self, spans: ChunkColumns) -> BoolArray:
        """Which spans pass by their columns."""
        if self._times and isinstance(self._test, FieldTest):
            start_ns = spans.start_ns if self._test.name != "duration" else 0
            length_ns = spans.duration_ns if self._test.name != "startTime" else 0
            found = _ORDERS[self._test.comparison](start_ns + length_ns, int(self._test.number or 0))
            return np.asarray(found, np.bool_)
        return np.isin(spans.series, self._series) | np.isin(spans.status, self._statuses)

    def verdicts(self, rests: bytes, borders: I64Array) -> U8Array:
        """For each span whether it has to be read: NO or ASK of `tagmatch`."""
        found: U8Array = np.full(len(borders) - 1, NO if self._outer else ASK, np.uint8)
        for leaf in self._outer:
            found[leaf.verdicts(rests, borders) != NO] = ASK
        return found

    def rest_fits(self, rest: SpanRest) -> bool:
        """Whether what a span has besides its columns passes."""
        if isinstance(self._test, Some):
            elements: Iterable[Event | Link] = rest.events if self._test.level == "event" else rest.links
            part = self._test.part
            return any(holds(part, functools.partial(_element_fits, element)) for element in elements)
        return _any(self._test, _rest_values(self._test, rest))


def _is_field(test: FieldTest, level: str) -> bool:
    return test.level == level and not test.is_attribute


def _is_of_series(test: FieldTest) -> bool:
    return test.level in ("resource", "scope") or (_is_field(test, "span") and test.name in ("name", "kind"))


def _any(test: FieldTest, values: Iterable[Value]) -> bool:
    return any(matches(test, value) for value in values)


def _series_values(test: FieldTest, series: Series) -> Iterator[Value]:
    if test.is_attribute:
        attributes = series.resource_attributes if test.level == "resource" else series.scope_attributes
        yield from _of_key(attributes, test.name)
        return
    fields: dict[tuple[str, str], str] = {
        ("span", "name"): series.name,
        ("span", "kind"): series.kind_name or "unspecified",
        ("resource", "service"): series.service,
        ("scope", "name"): series.scope_name,
        ("scope", "version"): series.scope_version,
    }
    yield from _given(fields[test.level, test.name])


def _rest_values(test: FieldTest, rest: SpanRest) -> Iterator[Value]:
    if test.level == "event":
        yield from (value for event in rest.events for value in _element_values(test, event))
    elif test.level == "link":
        yield from (value for link in rest.links for value in _element_values(test, link))
    elif test.is_attribute:
        yield from _of_key(rest.attributes, test.name)
    else:
        yield from _given(rest.trace_state if test.name == "traceState" else rest.status_message)


def _element_values(test: FieldTest, element: Event | Link) -> Iterator[Value]:
    """The values of an event, or of a link."""
    if test.is_attribute:
        yield from _of_key(element.attributes, test.name)
    elif isinstance(element, Event):
        yield from _given(element.name if test.name == "name" else element.time_ns)
    else:
        yield from _given(element.trace_id if test.name == "traceID" else element.span_id)


def _element_fits(element: Event | Link, test: Atom) -> bool:
    assert isinstance(test, FieldTest)
    return _any(test, _element_values(test, element))


def _of_key(attributes: Attributes, key: str) -> Iterator[Value]:
    return (value for name, value in attributes if name == key)


def _given(value: str | int) -> Iterator[Value]:
    """A field's value; OTLP knows none that is empty."""
    if value:
        yield value


def _outer(store: Store, test: FieldTest | Some) -> tuple[Leaf, ...]:
    """Conditions on tags of which a span that passes has one; empty where none can be said."""
    if isinstance(test, Some) or not test.is_attribute or test.name in NAMES:
        return ()
    if test.comparison == "exists":
        conditions = [Condition(test.name, comparison, "") for comparison in ("=", "!=")]
    elif test.comparison == "=" or test.number is not None:
        conditions = [Condition(test.name, test.comparison, test.text, test.number)]
    else:
        return ()
    leaves = tuple(Leaf(store, condition) for condition in conditions)
    return leaves if all(leaf.asks_rest for leaf in leaves) else ()
