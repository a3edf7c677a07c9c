"""What OTLP messages are in Python, for the few spans that somebody looks at; `otlp_read.py` reads them.

Attribute values are str, bool, int, float, bytes, list or dict, None for an empty value.
"""

import base64
import json
from dataclasses import dataclass, field

Value = str | bool | int | float | bytes | list["Value"] | dict[str, "Value"] | None
Attributes = tuple[tuple[str, Value], ...]


@dataclass(slots=True)
class Event:
    """A span event; the time in nanoseconds since 1970."""

    time_ns: int = 0
    name: str = ""
    attributes: Attributes = ()


@dataclass(slots=True)
class Link:
    """A link to another span; ids as lower-case hex."""

    trace_id: str = ""
    span_id: str = ""
    attributes: Attributes = ()


@dataclass(slots=True)
class SpanRest:
    """What a span has besides the columns."""

    attributes: Attributes = ()
    events: list[Event] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    status_message: str = ""
    trace_state: str = ""


def _jsonable(value: Value) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    return value


def value_text(value: Value) -> str:
    """The text of a value, by which tags are searched: as the collector's `AsString` writes it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, int):
        return str(value)
    return json.dumps(_jsonable(value), separators=(",", ":"), ensure_ascii=False)
