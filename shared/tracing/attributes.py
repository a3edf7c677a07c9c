# cython: language_level=3, annotation_typing=False
"""What applications hand to a span, brought into the form in which it may be kept and sent.

Attribute values become what OpenTelemetry allows, copied and cut to the limits; keys and names exact strings, times
whole nanoseconds. Whatever is given here, an ended span can be redacted and encoded.
"""

from collections.abc import Mapping, Sequence
from typing import Any

NO_LIMIT = 1 << 62
TIME_MAX_NS = (1 << 63) - 1

DEPTH_MAX = 16
"""Lists and mappings inside one another. What lies deeper, a list in itself for one, becomes text."""


def clean_value(value: Any, length_limit: int | None, depth: int = 0) -> Any:
    """The value as it may be kept: strings cut to `length_limit`, sequences as tuples, unknown types as their `str`.

    Of subclasses, enumerations for instance, the plain value stays: exporters know nothing else.
    """
    kind = type(value)
    if kind is str:
        return value if length_limit is None else value[:length_limit]
    if kind is int or kind is bool or kind is float or value is None or kind is bytes:
        return value
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, bytes):
        return b"".join((value,))
    if not isinstance(value, str) and depth < DEPTH_MAX:
        if isinstance(value, Sequence):
            return tuple([clean_value(item, length_limit, depth + 1) for item in value])
        if isinstance(value, Mapping):
            cleaned = [(clean_key(key), clean_value(item, length_limit, depth + 1)) for key, item in value.items()]
            return {key: item for key, item in cleaned if key}
    return clean_text(value)[:length_limit]


def clean_text(value: Any) -> str:
    """Anything as a plain string."""
    if type(value) is str:
        return value
    try:
        return str.__str__(value if isinstance(value, str) else str(value))
    except Exception:
        return f"<{type(value).__name__}>"


def clean_key(key: Any) -> str:
    """A plain string, "" for what may not be a key."""
    return clean_text(key) if isinstance(key, str) else ""


def clean_time(time_ns: Any) -> int:
    """Nanoseconds since the Unix epoch, as the exporters have them."""
    return min(max(int(time_ns), 0), TIME_MAX_NS)


def clean_attributes(
    attributes: Mapping[str, Any] | None, count_limit: int, length_limit: int | None
) -> tuple[dict[str, Any] | None, int]:
    """(cleaned copy, number dropped). Keys beyond `count_limit`, empty ones and those that are no text are dropped."""
    if not attributes:
        return None, 0
    if type(attributes) is dict and length_limit is None and len(attributes) <= count_limit:
        plain: dict[str, Any] = attributes.copy()
        if are_plain(plain):
            return plain, 0
    cleaned: dict[str, Any] = {}
    dropped = 0
    for given, value in attributes.items():
        key = clean_key(given)
        if not key or (len(cleaned) >= count_limit and key not in cleaned):
            dropped += 1
            continue
        if type(value) is not str or length_limit is not None:
            value = clean_value(value, length_limit)
        cleaned[key] = value
    return cleaned, dropped


def are_plain(attributes: dict[str, Any]) -> bool:
    """Whether nothing needs to be cleaned: only strings as keys, and strings, numbers and booleans as values."""
    for key, value in attributes.items():
        kind = type(value)
        if type(key) is not str or (kind is not str and kind is not int and kind is not float and kind is not bool):
            return False
        text = key
        if not text:
            return False
    return True
