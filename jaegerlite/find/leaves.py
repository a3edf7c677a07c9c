"""Single conditions: which series and status codes decide them, and what the rest of a span has to be asked for."""

import functools
import math
import operator
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from jaegerlite.chunk_reader import ChunkColumns
from jaegerlite.columns import BoolArray, I64Array, U8Array
from jaegerlite.find.language import DURATION_KEYS, AnyText, Condition
from jaegerlite.otlp import SpanRest, Value, value_text
from jaegerlite.search import UNFILTERED_KEYS
from jaegerlite.series import Series
from jaegerlite.store import Store
from jaegerlite.tagmatch import NUMBER_LIKE, TagMatcher, match_rows, rows_holding
from jaegerlite.tags import event_fields, is_in_columns, rest_tags, series_has, series_tags, status_having, status_tags

_ORDERS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_DURATIONS: Final[dict[str, Callable[[Any, Any], Any]]] = {**_ORDERS, "=": operator.eq, "!=": operator.ne}
# So many bytes show which of a needle's characters are rare.
_SAMPLE_BYTES: Final = 16_384
STATUSES: Final = (0, 1, 2)
NAMES: Final[dict[str, str]] = {"name": "operation", "kind": "span.kind", "status": "span.status"}


class Leaf:
    """A condition on one span, prepared: by columns as far as they go, by the rest of the span where they do not.

    `sql` says which spans have it by their columns; `asks_rest` whether a span without it by columns may still have it.
    """

    def __init__(self, store: Store, condition: Condition | AnyText) -> None:
        self.condition = condition
        if isinstance(condition, AnyText):
            self.key, self.comparison, self.text, self.number = "", "~", condition.text, None
        else:
            self.key = NAMES.get(condition.key, condition.key)
            self.comparison, self.text, self.number = condition.comparison, condition.text, condition.number
        self._needle = self.text.lower()
        self.is_duration = self.key in DURATION_KEYS
        is_field = self.key in ("service", "operation", "error") or is_in_columns(self.key)
        self.asks_rest = not self.is_duration and not is_field
        self.series: set[int] = set()
        self.statuses: set[int] = set()
        if not self.is_duration:
            self.series = {series.number for series in store.registry.all if self._series_fits(series)}
            self.statuses = {status for status in STATUSES if self._status_fits(status)}

    @property
    def sql(self) -> str:
        """SQL for the spans that have it by their columns; only numbers enter the text."""
        if self.is_duration:
            comparison = "<>" if self.comparison == "!=" else self.comparison
            return f"duration_ns {comparison} {int(self.number or 0):d}"
        series = ",".join(map(str, sorted(self.series))) or "NULL"
        statuses = ",".join(map(str, sorted(self.statuses))) or "NULL"
        return f"coalesce(series IN ({series}) OR status IN ({statuses}), FALSE)"

    @property
    def asks_columns(self) -> bool:
        """Whether a span may have it by its columns."""
        return self.is_duration or bool(self.series or self.statuses)

    def by_columns(self, spans: ChunkColumns) -> BoolArray:
        """Which spans have it by their columns."""
        if self.is_duration:
            return np.asarray(_DURATIONS[self.comparison](spans.duration_ns, self.number), np.bool_)
        return np.isin(spans.series, list(self.series)) | np.isin(spans.status, list(self.statuses))

    def _series_fits(self, series: Series) -> bool:
        if self.key == "":
            return self._needle in series.name.lower() or self._any_fits(self._series_values(series))
        if self.key in ("service", "operation"):
            return self._compare(series.service if self.key == "service" else series.name)
        if self.key in ("span.status", "error"):
            return False
        if self.comparison in ("=", "!=") and is_in_columns(self.key):
            return series_has(series, self.key, self.text) == (self.comparison == "=")
        if is_in_columns(self.key):
            return any(self._compare(value) for value in self._field_values(series))
        return self._any_fits(self._series_values(series))

    def _field_values(self, series: Series) -> list[Value]:
        fields: dict[str, Value] = {
            "scope.name": series.scope_name,
            "scope.version": series.scope_version,
            "span.kind": series.kind_name,
        }
        wanted = self.key.removeprefix("resource.")
        return [fields[self.key]] if self.key in fields else [v for k, v in series.resource_attributes if k == wanted]

    def _series_values(self, series: Series) -> Iterator[tuple[str, Value]]:
        yield "service.name", series.service
        yield from series.resource_attributes
        yield from series_tags(series)

    def _status_fits(self, status: int) -> bool:
        if self.key in ("span.status", "error"):
            having = status_having(self.key, self.text)
            return (status in having) == (self.comparison != "!=")
        return self.key != "" and not is_in_columns(self.key) and self._any_fits(status_tags(status))

    def rest_fits(self, rest: SpanRest) -> bool:
        """Whether the attributes of a span, its events or its links have it."""
        if self._any_fits(rest_tags(rest)):
            return True
        if any(self._any_fits(event_fields(event.name, event.attributes)) for event in rest.events):
            return True
        return any(self._any_fits(link.attributes) for link in rest.links)

    def _any_fits(self, tags: Iterator[tuple[str, Value]] | tuple[tuple[str, Value], ...]) -> bool:
        return any((self.key in ("", key)) and self._compare(value) for key, value in tags)

    def _compare(self, value: Value) -> bool:
        if self.comparison == "=":
            return value_text(value) == self.text if self.number is None else self._is_number(value)
        if self.comparison == "!=":
            return value_text(value) != self.text if self.number is None else not self._is_number(value)
        if self.comparison == "~":
            return any(self._needle in text.lower() for text in _texts(value))
        try:
            number = float(value) if isinstance(value, int | float | str) else None
        except ValueError:
            return False
        return number is not None and self.number is not None and _ORDERS[self.comparison](number, self.number)

    def _is_number(self, value: Value) -> bool:
        """Equality with a text that reads as a number: of numbers by value, of all else by text."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return value == self.number if is_number else value_text(value) == self.text

    @property
    def pair(self) -> tuple[bytes, bytes] | None:
        """Key and text, if it asks for one key with one text, which is what the filters of tags know."""
        number = self.number
        has_own_text = number is None or (number == number // 1 and self.text == str(int(number)))
        if self.comparison != "=" or not has_own_text or self.key in UNFILTERED_KEYS:
            return None
        return self.key.encode("utf-8", "replace"), self.text.encode("utf-8", "replace")

    def verdicts(self, rests: bytes, borders: I64Array) -> U8Array:
        """For each span whether its attributes have it: NO, YES or ASK of `tagmatch`."""
        matcher = self._matcher
        found: U8Array = np.ones(len(borders) - 1, np.uint8)
        needle = self._needle.encode("utf-8", "replace")
        if self.comparison == "~" and self._needle.isascii() and not NUMBER_LIKE.fullmatch(self._needle):
            found[:] = 0
            rows_holding(rests, borders, needle, _rarest(needle, rests), found)
        match_rows(rests, borders, matcher, found)
        return found

    @functools.cached_property
    def _matcher(self) -> TagMatcher:
        number = self.number
        is_whole = number is not None and math.isfinite(number) and number == int(number)
        return TagMatcher(
            self.key.encode("utf-8", "replace") if self.key else None,
            self.comparison,
            (self._needle if self.comparison == "~" else self.text).encode("utf-8", "replace"),
            whole=int(number) if number is not None and is_whole else None,
            number=float(number or 0),
            in_numbers=number is not None or NUMBER_LIKE.fullmatch(self._needle) is not None,
        )


def _rarest(needle: bytes, among: bytes) -> int:
    """The place of the character of a text (ASCII, lower case) that is rarest among these bytes."""
    counts = np.bincount(np.frombuffer(among[:_SAMPLE_BYTES], np.uint8), minlength=256)
    text = np.frombuffer(needle, np.uint8)
    is_letter = (text >= ord("a")) & (text <= ord("z"))
    return int(np.argmin(counts[text] + counts[text - 32] * is_letter))


def _texts(value: Value) -> Iterator[str]:
    """The texts in a value; those of lists and maps one by one, none of bytes."""
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif not isinstance(value, bytes):
        yield value_text(value)
