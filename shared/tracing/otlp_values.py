# cython: language_level=3, annotation_typing=False
"""Attributes to OTLP: KeyValue fields and AnyValue messages (`common/v1/common.proto`), last field first like all."""

from collections.abc import Mapping
from typing import Any

from shared.tracing.wire import Writer


def write_attributes(writer: Writer, tag: int, attributes: Mapping[str, Any] | None) -> None:
    """All attributes of a message, each as one KeyValue field."""
    if not attributes:
        return
    plain = attributes if type(attributes) is dict else dict(attributes)
    # Two lists cost a third of a list of pairs.
    keys, values = list(plain.keys()), list(plain.values())
    for index in range(len(keys) - 1, -1, -1):
        write_key_value(writer, tag, keys[index], values[index])


def write_key_value(writer: Writer, tag: int, key: str, value: Any) -> None:
    """One KeyValue field."""
    if type(value) is str:
        writer.text_attribute(tag, key, value)
        return
    start = writer.size
    write_value(writer, value)
    writer.close(0x12, start)
    writer.text_field(0x0A, key)
    writer.close(tag, start)


def write_value(writer: Writer, value: Any) -> None:
    """The AnyValue message of a cleaned value. Integers beyond 64 bits go as text, as the specification says."""
    kind = type(value)
    if kind is str:
        writer.text_field(0x0A, value)
    elif kind is bool:
        writer.byte(1 if value else 0)
        writer.byte(0x10)
    elif kind is int:
        if writer.signed(value):
            writer.byte(0x18)
        else:
            writer.text_field(0x0A, str(value))
    elif kind is float:
        writer.float64(value)
        writer.byte(0x21)
    elif value is not None:
        write_nested_value(writer, value)


def write_nested_value(writer: Writer, value: Any) -> None:
    """Bytes, mappings and sequences."""
    start = writer.size
    if isinstance(value, bytes):
        writer.raw(value)
        writer.close(0x3A, start)
    elif isinstance(value, Mapping):
        for key, item in reversed(list(value.items())):
            write_key_value(writer, 0x0A, key, item)
        writer.close(0x32, start)
    else:
        for item in reversed(value):
            inner = writer.size
            write_value(writer, item)
            writer.close(0x0A, inner)
        writer.close(0x2A, start)
