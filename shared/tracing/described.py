# cython: language_level=3, annotation_typing=False
"""Attributes that are known before there is a span: `FixedAttributes`, always the same, and `ItemAttributes`, read
from the item that a span is about.

Both are cleaned of what is sensitive by themselves. What is fixed is encoded once; what is read from an item is read
when its span is encoded, so until then the span only notes which item it is about.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shared.tracing.attributes import NO_LIMIT, clean_attributes, clean_value
from shared.tracing.cards import is_card_as_id
from shared.tracing.otlp_values import write_attributes, write_key_value, write_value
from shared.tracing.redact import REDACTED, is_plain, is_suspect, kind_of_key, redact_attributes, redact_value
from shared.tracing.wire import Writer, put_back, take_writer

logger = logging.getLogger(__name__)

Source = str | Callable[[Any], Any]
Form = str | Callable[[Any], Any] | Mapping[Any, str]

SPAN_ATTRIBUTE, KEY, VALUE, TEXT = 0x4A, 0x0A, 0x12, 0x0A
"""Tags of the fields that an attribute is made of: in the span, its key, its value, and a value that is text."""

AS_IS, DIGITS, TABLE, CONVERTED = 0, 1, 2, 3


class FixedAttributes:
    """Attributes that many spans share, as a mapping that never changes."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        cleaned, _ = clean_attributes(attributes, NO_LIMIT, None)
        self.known: dict[str, Any] = cleaned or {}
        redact_attributes(self.known)
        self.counts_messages = "messaging.system" in self.known
        writer = take_writer()
        write_attributes(writer, SPAN_ATTRIBUTE, self.known)
        self.encoded = writer.finish()
        put_back(writer)

    def keys(self) -> Any:
        """Their names."""
        return self.known.keys()

    def items(self) -> Any:
        """Names and values."""
        return self.known.items()

    def __getitem__(self, key: str) -> Any:
        return self.known[key]

    def __contains__(self, key: object) -> bool:
        return key in self.known

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


Mapping.register(FixedAttributes)

NOTHING = FixedAttributes({})


class Field:
    """One attribute of an item: its key, and how its value is read and written."""

    def __init__(self, key: str, source: Source, form: Form | None) -> None:
        self.key = key
        self.kind = kind_of_key(key)
        self.path: tuple[Any, ...] = ()
        self.read: Callable[[Any], Any] | None = None
        if isinstance(source, str):
            self.path = tuple([int(step) if step.isdigit() else step for step in source.split(".")])
        else:
            self.read = source
        self.table: dict[Any, str] | None = None
        self.convert: Callable[[Any], Any] | None = None
        self.before, self.after = b"", b""
        self.form = AS_IS
        if isinstance(form, str):
            before, _, after = form.partition("{}")
            self.before, self.after = before.encode(), after.encode()
            self.form = DIGITS
        elif isinstance(form, Mapping):
            self.form = TABLE
            self.table = dict(form)
        elif form is not None:
            self.form = DIGITS if form is str else CONVERTED
            self.convert = form
        writer = take_writer()
        writer.text_field(KEY, key)
        self.head = writer.finish()
        # A code's name is known, so its whole attribute is.
        self.written: dict[Any, bytes] = {}
        for code, name in (self.table or {}).items():
            write_key_value(writer, SPAN_ATTRIBUTE, key, redact_value(self.kind, clean_value(name, None)))
            self.written[code] = writer.finish()
        put_back(writer)

    def raw(self, item: Any) -> Any:
        """What the item has, before it is brought into form."""
        if self.read is not None:
            return self.read(item)
        for step in self.path:
            item = getattr(item, step) if type(step) is str else item[step]
        return item

    def value(self, value: Any) -> Any:
        """What the item has as it may leave the process."""
        if value is None:
            return None
        if self.form == DIGITS:
            if type(value) is int and is_plain(self.kind):
                return REDACTED if is_card_as_id(value) else f"{self.before.decode()}{value}{self.after.decode()}"
            value = f"{self.before.decode()}{value}{self.after.decode()}"
        elif self.form == TABLE:
            value = self.table.get(value, str(value))  # type: ignore[union-attr]
        elif self.form == CONVERTED:
            value = self.convert(value)  # type: ignore[misc]
        if type(value) is not str:
            value = clean_value(value, None)
        elif is_plain(self.kind) and not is_suspect(value):
            return value
        return redact_value(self.kind, value)


class ItemAttributes:
    """How the attributes of a span are read from the item it is about, which must not change any more.

    `fields` says for each attribute where it comes from: the name of one of the item's own (`a.b` leads further in, a
    number into a tuple) or a function of the item; or a pair of that and the form it takes: `str` for ids and other
    numbers that are shown as text, a text with `{}` for them, a mapping for codes that have names, any other function.
    What is None is left out. `fixed` go before them.
    """

    def __init__(
        self, fields: Mapping[str, Source | tuple[Source, Form]], fixed: Mapping[str, Any] | None = None
    ) -> None:
        self.fixed = FixedAttributes(fixed or {})
        self.fields: list[Field] = []
        for key, described in fields.items():
            source, form = described if isinstance(described, tuple) else (described, None)
            self.fields.append(Field(key, source, form))
        self.keys = frozenset(fields) | frozenset(self.fixed)
        self.count = len(self.keys)

    def attributes(self, item: Any) -> dict[str, Any]:
        """The attributes of one item, cleaned of what is sensitive."""
        found = dict(self.fixed.known)
        for field in self.fields:
            value = field_value(field, item)
            if value is not None:
                found[field.key] = value
        return found

    def write(self, writer: Writer, item: Any) -> None:
        """The same as the attribute fields of an OTLP span."""
        for index in range(len(self.fields) - 1, -1, -1):
            write_field(writer, self.fields[index], item)
        writer.raw(self.fixed.encoded)


def field_value(field: Field, item: Any) -> Any:
    """A field's value, None where it can't be read: that must not cost other spans their way out."""
    try:
        return field.value(field.raw(item))
    except Exception:
        logger.exception("The attribute %s can't be read from a %s.", field.key, type(item).__name__)
        return None


def write_field(writer: Writer, field: Field, item: Any) -> None:
    """One attribute field."""
    start = writer.size
    try:
        value = field.raw(item)
        if field.form == TABLE and (known := field.written.get(value)) is not None:
            writer.raw(known)
            return
        if field.form == DIGITS and type(value) is int and is_plain(field.kind) and not is_card_as_id(value):
            # What most attributes are, ids, needs no text of its own.
            writer.raw(field.after)
            writer.digits(value)
            writer.raw(field.before)
            writer.close(TEXT, start)
        else:
            value = field.value(value)
            if value is None:
                return
            write_value(writer, value)
    except Exception:
        logger.exception("The attribute %s can't be read from a %s.", field.key, type(item).__name__)
        writer.take_back(start)
        return
    writer.close(VALUE, start)
    writer.raw(field.head)
    writer.close(SPAN_ATTRIBUTE, start)
