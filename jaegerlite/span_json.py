# cython: language_level=3, annotation_typing=False
# mypy: disable-error-code="name-defined,attr-defined,no-any-return"
# ruff: noqa: F821
"""Spans in Jaeger's JSON, written from their bytes without making objects of them.

Nearly all spans have attributes of plain text, integers and booleans, and nothing else that Jaeger shows: these are
written here, in a tenth of the time that it takes to read them and encode what was read. All others, and all spans
where no C compiler was at hand (`span_json.pxd` has the types), are left to `jaeger_json.py`, which makes the same.
"""

import cython

from jaegerlite.wire import FieldReader

VARINT = cython.declare(cython.int, 0)
BYTES = cython.declare(cython.int, 2)
TAGS_MAX = cython.declare(cython.int, 64)
JS_INTEGER_MAX = cython.declare(cython.longlong, (1 << 53) - 1)
# What stands around a key and a value is shorter.
TAG_BYTES_MAX = cython.declare(cython.Py_ssize_t, 80)
# Two ids and two times as text, and what stands before the times.
NUMBERS_BYTES_MAX = cython.declare(cython.Py_ssize_t, 128)
NS_PER_US = cython.declare(cython.ulonglong, 1000)

MADE = cython.declare(cython.int, 0)
TEXT = cython.declare(cython.int, 1)
BOOLEAN = cython.declare(cython.int, 2)
INTEGER = cython.declare(cython.int, 3)


Made = tuple[bytes, bytes]
"""A key, and the tag with it as JSON."""


class SpanWriter:
    """Writes the spans of one series in one trace.

    The tags of the span at hand are kept by their places in its bytes, in order of arrival and then of their keys;
    those of the series come first.
    """

    def __init__(self, trace_id: bytes, operation: bytes, process: bytes, tags: list[Made], sort: bool) -> None:
        """What all of the spans share.

        Args:
            trace_id: in hex.
            operation: the name of the spans as JSON.
            process: the name of their process in this trace.
            tags: those of the series.
            sort: whether to order all tags of a span by their keys.
        """
        self.opening = b'{"traceID":"%s","spanID":"' % trace_id
        self.without_parent = b'","operationName":%s,"references":[' % operation
        self.with_parent = b'%s{"refType":"CHILD_OF","traceID":"%s","spanID":"' % (self.without_parent, trace_id)
        self.closing = b'],"logs":[],"processID":"%s","warnings":null}' % process
        self.shared = tags
        self.sorting = sort
        self.frame = len(self.opening) + len(self.with_parent) + len(self.closing) + NUMBERS_BYTES_MAX
        self.room = 0
        self.count = 0
        self.at = 0
        self.written = b""
        self.fitting = cython.compiled
        if cython.compiled:
            self.reader = FieldReader(b"")
            for key, text in tags:
                self.fitting = self.fitting and self.made(key, text)
        self.shared_count = self.count
        self.shared_room = self.room

    def made(self, key: bytes, text: bytes) -> bool:
        """Add a tag whose JSON is there already and stays; say whether there is room for it."""
        if self.count == TAGS_MAX:
            return False
        at = self.count
        self.how[at] = MADE
        self.key[at] = PyBytes_AS_STRING(key)
        self.key_size[at] = len(key)
        self.text[at] = PyBytes_AS_STRING(text)
        self.size[at] = len(text)
        self.room += len(text) + 1
        self.count = at + 1
        return True

    def is_plain(self, start: int, stop: int) -> bool:
        """Whether JSON writes this text as it is."""
        bad = 0
        for pos in range(start, stop):
            byte = self.buf[pos]
            bad |= (byte < 32) | (byte > 126) | (byte == 34) | (byte == 92)
        return bad == 0

    def value(self, pos: int, end: int, at: int) -> bool:
        """Take an `AnyValue` for the tag at a place; say whether it is of a plain kind."""
        reader = self.reader
        self.how[at] = MADE
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 1 and reader.wire == BYTES:
                self.how[at] = TEXT
                self.text[at] = cython.cast("const char*", self.buf) + reader.start
                self.size[at] = reader.stop - reader.start
                if not self.is_plain(reader.start, reader.stop):
                    return False
            elif reader.number == 2 and reader.wire == VARINT:
                self.how[at] = BOOLEAN
                self.number[at] = reader.value != 0
            elif reader.number == 3 and reader.wire == VARINT:
                self.how[at] = INTEGER
                self.number[at] = cython.cast(cython.longlong, reader.value)
                if not -JS_INTEGER_MAX <= self.number[at] <= JS_INTEGER_MAX:
                    return False
            else:
                return False
        return self.how[at] != MADE

    def attribute(self, pos: int, end: int) -> bool:
        """Add a `KeyValue`; say whether it is of a plain kind, and there was room for it."""
        if self.count == TAGS_MAX:
            return False
        reader = self.reader
        at = self.count
        self.key_size[at] = 0
        self.size[at] = 0
        value_start = value_stop = 0
        while pos < end:
            pos = reader.read(pos, end)
            if reader.wire == BYTES:
                if reader.number == 1:
                    self.key[at] = cython.cast("const char*", self.buf) + reader.start
                    self.key_size[at] = reader.stop - reader.start
                    if not self.is_plain(reader.start, reader.stop):
                        return False
                elif reader.number == 2:
                    value_start = reader.start
                    value_stop = reader.stop
        if not self.value(value_start, value_stop, at):
            return False
        self.room += self.key_size[at] + self.size[at] + TAG_BYTES_MAX
        self.count = at + 1
        return True

    def has_message(self, pos: int, end: int) -> bool:
        """Whether a `Status` has a text."""
        reader = self.reader
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 2 and reader.wire == BYTES and reader.stop > reader.start:
                return True
        return False

    def span(self, end: int) -> bool:
        """Add the attributes of a span; say whether they are all that Jaeger shows of its kept part, and plain."""
        reader = self.reader
        pos = 0
        while pos < end:
            pos = reader.read(pos, end)
            if reader.wire != BYTES:
                continue
            if reader.number == 9:
                if not self.attribute(reader.start, reader.stop):
                    return False
            elif reader.number == 11 or reader.number == 13:
                return False
            elif reader.number == 15:
                if self.has_message(reader.start, reader.stop):
                    return False
            elif reader.number == 3 and reader.stop > reader.start:
                return False
        return True

    def is_behind(self, one: int, other: int) -> bool:
        """Whether the key of one tag is greater than that of another."""
        size = min(self.key_size[one], self.key_size[other])
        order = memcmp(self.key[one], self.key[other], size) if size else 0
        return order > 0 or (order == 0 and self.key_size[one] > self.key_size[other])

    def sort(self) -> int:
        """Put the tags in order of their keys; those of one key stay in order of arrival."""
        for tag in range(1, self.count):
            place = tag
            while place > 0 and self.is_behind(self.order[place - 1], tag):
                self.order[place] = self.order[place - 1]
                place -= 1
            self.order[place] = tag
        return 0

    def put(self, text: bytes, size: int) -> int:
        """Write bytes."""
        memcpy(self.out + self.at, text, size)
        self.at += size
        return 0

    def put_number(self, number: int) -> int:
        """Write an integer in decimal digits."""
        if number < 0:
            self.put(b"-", 1)
            number = -number
        size = 1
        power = 10
        while number >= power:
            power *= 10
            size += 1
        place = self.at + size
        self.at = place
        while size:
            place -= 1
            size -= 1
            self.out[place] = 48 + number % 10
            number //= 10
        return 0

    def put_id(self, number: int) -> int:
        """Write an id of 16 hex digits."""
        for place in range(16):
            digit = (number >> (60 - 4 * place)) & 15
            self.out[self.at + place] = 48 + digit if digit < 10 else 87 + digit
        self.at += 16
        return 0

    def put_tag(self, tag: int) -> int:
        """Write a tag."""
        how = self.how[tag]
        if how == MADE:
            return self.put(self.text[tag], self.size[tag])
        self.put(b'{"key":"', 8)
        if self.key_size[tag]:
            self.put(self.key[tag], self.key_size[tag])
        if how == TEXT:
            self.put(b'","type":"string","value":"', 27)
            self.put(self.text[tag], self.size[tag])
            return self.put(b'"}', 2)
        if how == INTEGER:
            self.put(b'","type":"int64","value":', 25)
            self.put_number(self.number[tag])
            return self.put(b"}", 1)
        self.put(b'","type":"bool","value":', 24)
        return self.put(b"true}", 5) if self.number[tag] else self.put(b"false}", 6)

    def collect(self, data: bytes, status: list[Made]) -> bool:
        """Find the tags of a span; say whether they are all that it has to show, and plain."""
        self.reader.data = data
        self.reader.buf = data
        self.buf = data
        self.count = self.shared_count
        self.room = self.shared_room
        if not self.span(len(data)):
            return False
        for key, text in status:
            if not self.made(key, text):
                return False
        for tag in range(self.count):
            self.order[tag] = tag
        if self.sorting:
            self.sort()
        return True

    def write(
        self, span_id: int, parent_id: int, start_ns: int, duration_ns: int, data: bytes, status: list[Made]
    ) -> bytes | None:
        """A span as JSON; None if its tags are not of the plain kind.

        Args:
            span_id: its id.
            parent_id: the id of its parent, 0 for none.
            start_ns: since 1970, 0 or more.
            duration_ns: 0 or more.
            data: its kept part, as `decode_request` left it.
            status: the tags that its status gives it, which come last.
        """
        if not self.fitting or not self.collect(data, status):
            return None
        if len(self.written) < self.room + self.frame:
            self.written = PyBytes_FromStringAndSize(cython.NULL, 2 * (self.room + self.frame))
        self.out = PyBytes_AS_STRING(self.written)
        self.at = 0
        self.put(self.opening, len(self.opening))
        self.put_id(span_id)
        if parent_id:
            self.put(self.with_parent, len(self.with_parent))
            self.put_id(parent_id)
            self.put(b'"}', 2)
        else:
            self.put(self.without_parent, len(self.without_parent))
        self.put(b'],"startTime":', 14)
        self.put_number(start_ns // NS_PER_US)
        self.put(b',"duration":', 12)
        self.put_number(duration_ns // NS_PER_US)
        self.put(b',"tags":[', 9)
        for tag in range(self.count):
            if tag:
                self.put(b",", 1)
            self.put_tag(self.order[tag])
        self.put(self.closing, len(self.closing))
        return PyBytes_FromStringAndSize(self.out, self.at)
