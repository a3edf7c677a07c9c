"""Which tags a span has in Jaeger's eyes, and whether it matches the tags of a search.

Jaeger shows OTLP's fields as tags: the attributes, then kind, status, scope and trace state under names of their own.
A search compares tags as text with the span's tags, its process's (the resource's attributes) and the fields of its
logs (events).
"""

from collections.abc import Iterator
from typing import Final

from jaegerlite.otlp import Attributes, SpanRest, Value, value_text
from jaegerlite.series import KIND_NAMES, Series

STATUS_NAMES: Final = ("", "OK", "ERROR")
UNSET: Final = 0
OK: Final = 1
ERROR: Final = 2
RESOURCE_PREFIX: Final = "resource."
COLUMN_KEYS: Final = frozenset({"span.kind", "span.status", "scope.name", "scope.version"})
# What Go's `strconv.ParseBool` takes, as Jaeger does for `error`.
TRUE_TEXTS: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
FALSE_TEXTS: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})


def series_tags(series: Series) -> Iterator[tuple[str, Value]]:
    """The tags that all spans of a series share: scope and kind."""
    if series.scope_name:
        yield "otel.scope.name", series.scope_name
    if series.scope_version:
        yield "otel.scope.version", series.scope_version
    yield from series.scope_attributes
    if series.kind_name:
        yield "span.kind", series.kind_name


def status_tags(status: int) -> Iterator[tuple[str, Value]]:
    """The tags that stand for OTLP's status code."""
    if status:
        yield "otel.status_code", STATUS_NAMES[status]
    if status == ERROR:
        yield "error", True


def rest_tags(rest: SpanRest) -> Iterator[tuple[str, Value]]:
    """The tags of the span itself."""
    yield from rest.attributes
    if rest.status_message:
        yield "otel.status_description", rest.status_message
    if rest.trace_state:
        yield "w3c.tracestate", rest.trace_state


def event_fields(name: str, attributes: Attributes) -> Iterator[tuple[str, Value]]:
    """A log's fields: the event's name under `event`, unless an attribute has that key, then its attributes."""
    if name and all(key != "event" for key, _ in attributes):
        yield "event", name
    yield from attributes


def _scope_and_kind(series: Series, key: str, text: str) -> bool | None:
    if key == "scope.name":
        return series.scope_name == text
    if key == "scope.version":
        return series.scope_version == text
    if key == "span.kind":
        wanted = text.lower()
        return series.kind_name == (wanted if wanted in KIND_NAMES else "")
    return None


def series_has(series: Series, key: str, text: str) -> bool:
    """Whether the resource, the scope or the kind of a series gives its spans this tag.

    `resource.` before a key asks for the resource alone; `scope.name`, `scope.version` and `span.kind` for the fields.
    """
    decided = _scope_and_kind(series, key, text)
    if decided is not None:
        return decided
    wanted = key.removeprefix(RESOURCE_PREFIX)
    if wanted == "service.name":
        return series.service == text
    sources = (series.resource_attributes, () if wanted != key else series_tags(series))
    return any(k == wanted and value_text(v) == text for source in sources for k, v in source)


def status_having(key: str, text: str) -> list[int]:
    """The status codes that give a span this tag; `error=false` asks for OK, as in Jaeger, not for any but ERROR."""
    if key == "error":
        return [ERROR] if text in TRUE_TEXTS else [OK] if text in FALSE_TEXTS else []
    if key == "span.status":
        name = text.upper()
        return [STATUS_NAMES.index(name) if name in STATUS_NAMES else UNSET]
    return [code for code in (OK, ERROR) if any(k == key and value_text(v) == text for k, v in status_tags(code))]


def is_in_columns(key: str) -> bool:
    """Whether series and status alone say which spans have tags of this key."""
    return key in COLUMN_KEYS or key.startswith(RESOURCE_PREFIX)


def rest_has(rest: SpanRest, key: str, text: str) -> bool:
    """Whether the span's own attributes, events or links have this tag."""
    if any(k == key and value_text(v) == text for k, v in rest_tags(rest)):
        return True
    for event in rest.events:
        if any(k == key and value_text(v) == text for k, v in event_fields(event.name, event.attributes)):
            return True
    return any(k == key and value_text(v) == text for link in rest.links for k, v in link.attributes)
