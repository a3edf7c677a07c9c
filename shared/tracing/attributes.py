# cython: language_level=3, annotation_typing=False
"""Attribute values as OpenTelemetry allows them: checked, copied and cut to the limits when they are set."""

from collections.abc import Mapping, Sequence
from typing import Any

NO_LIMIT = 1 << 62


def clean_value(value: Any, length_limit: int | None) -> Any:
    """The value as it may be kept: strings cut to `length_limit`, sequences as tuples, unknown types as their `str`."""
    kind = type(value)
    if kind is str:
        return value if length_limit is None else value[:length_limit]
    if kind is int or kind is bool or kind is float or value is None or kind is bytes:
        return value
    if isinstance(value, bool | int | float | bytes):
        return value
    if isinstance(value, str):
        return str(value)[:length_limit]
    if isinstance(value, Sequence):
        return tuple([clean_value(item, length_limit) for item in value])
    if isinstance(value, Mapping):
        return {str(key): clean_value(item, length_limit) for key, item in value.items() if key}
    return str(value)[:length_limit]


def clean_attributes(
    attributes: Mapping[str, Any] | None, count_limit: int, length_limit: int | None
) -> tuple[dict[str, Any] | None, int]:
    """(cleaned copy, number dropped). Keys beyond `count_limit` and empty keys are dropped."""
    if not attributes:
        return None, 0
    if type(attributes) is dict and length_limit is None and len(attributes) <= count_limit:
        plain: dict[str, Any] = attributes.copy()
        if are_plain(plain):
            return plain, 0
    cleaned: dict[str, Any] = {}
    dropped = 0
    for key, value in attributes.items():
        if not key or (len(cleaned) >= count_limit and key not in cleaned):
            dropped += 1
            continue
        if type(value) is not str or length_limit is not None:
            value = clean_value(value, length_limit)
        cleaned[key] = value
    return cleaned, dropped


def are_plain(attributes: dict[str, Any]) -> bool:
    """Whether nothing needs to be cleaned: no empty key, and only strings, numbers and booleans as values."""
    for key, value in attributes.items():
        kind = type(value)
        if (kind is not str and kind is not int and kind is not float and kind is not bool) or not key:
            return False
    return True
