# cython: language_level=3, annotation_typing=False
# mypy: disable-error-code="name-defined"
# ruff: noqa: F821
"""Attributes to OTLP: KeyValue fields and AnyValue messages (`common/v1/common.proto`), last field first like all."""

from collections.abc import Mapping
from typing import Any

import cython

from shared.tracing.wire import Writer


def write_attributes(writer: Writer, tag: int, attributes: Mapping[str, Any] | None) -> None:
    """All attributes of a message, each as one KeyValue field."""
    if not attributes:
        return
    plain = attributes if type(attributes) is dict else dict(attributes)
    if cython.compiled and len(plain) <= ITEMS_MAX:
        # What is encoded has ended and does not change, so its keys and values need not be held meanwhile.
        read_items(plain, cython.address(items))
        for index in range(items.count - 1, -1, -1):
            key, value = cython.cast(object, items.keys[index]), cython.cast(object, items.values[index])
            write_key_value(writer, tag, key, value)
        return
    for key, value in reversed(plain.items()):
        write_key_value(writer, tag, key, value)


def write_key_value(writer: Writer, tag: int, key: str, value: Any) -> None:
    """One KeyValue field."""
    if type(value) is str:
        writer.text_attribute(tag, key, value)
        return
    start = writer.size
    write_value(writer, value)
    writer.key_value(tag, key, start)


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
    elif isinstance(value, dict):
        write_attributes(writer, 0x0A, value)
        writer.close(0x32, start)
    else:
        for item in reversed(value):
            inner = writer.size
            write_value(writer, item)
            writer.close(0x0A, inner)
        writer.close(0x2A, start)
