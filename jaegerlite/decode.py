# cython: language_level=3, annotation_typing=False
"""The hot path of every span: one walk over an OTLP request that writes columns, without an object per span.

Field numbers are those of opentelemetry-proto `trace/v1`, `common/v1` and `resource/v1`. Unknown fields are passed
over, as protobuf asks; a field of an unexpected wire type counts as unknown. Compiled where a C compiler is at hand
(`decode.pxd` has the types), slow but the same as plain Python.
"""

import cython

from jaegerlite.columns import SpanColumns
from jaegerlite.series import Context, SeriesRegistry
from jaegerlite.wire import FieldReader, MalformedError

__all__ = ["MalformedError", "decode_request"]

# Wire types of protobuf, and kinds of message of `FieldReader.check`: constants of C in each module that is compiled.
VARINT = cython.declare(cython.int, 0)
FIXED64 = cython.declare(cython.int, 1)
BYTES = cython.declare(cython.int, 2)
KEY_VALUE = cython.declare(cython.int, 1)
KEY_VALUE_LIST = cython.declare(cython.int, 4)
EVENT = cython.declare(cython.int, 5)
LINK = cython.declare(cython.int, 6)

# Tags of the fields of `Span` that have columns: number and wire type in one byte.
TRACE_ID_TAG = cython.declare(cython.int, 0x0A)
SPAN_ID_TAG = cython.declare(cython.int, 0x12)
PARENT_ID_TAG = cython.declare(cython.int, 0x22)
NAME_TAG = cython.declare(cython.int, 0x2A)
KIND_TAG = cython.declare(cython.int, 0x30)
START_TAG = cython.declare(cython.int, 0x39)
STOP_TAG = cython.declare(cython.int, 0x41)

I64_MAX = cython.declare(cython.ulonglong, 0x7FFFFFFFFFFFFFFF)
KIND_MAX = cython.declare(cython.int, 5)
STATUS_MAX = cython.declare(cython.int, 2)


class RowWriter:
    """Writes the spans of one request into columns; holds the fixed fields of the span that it is at."""

    def __init__(self, data: bytes, columns: SpanColumns, registry: SeriesRegistry) -> None:
        self.reader = FieldReader(data)
        self.registry = registry
        self.trace_hi = columns.trace_hi
        self.trace_lo = columns.trace_lo
        self.span_id = columns.span_id
        self.parent_id = columns.parent_id
        self.start_ns = columns.start_ns
        self.duration_ns = columns.duration_ns
        self.rest_start = columns.rest_start
        self.rest_stop = columns.rest_stop
        self.series = columns.series
        self.status = columns.status
        self.names_by_kind: list[dict[bytes, int]] = []
        self.base = columns.bodies_bytes
        self.row = columns.count
        self.rejected = 0

    def resource_spans(self, begin: int, end: int) -> int:
        """A `ResourceSpans` message; its resource may come after its spans, hence two walks."""
        reader = self.reader
        pos = begin
        resource = b""
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 1 and reader.wire == BYTES:
                resource = reader.data[reader.start : reader.stop]
                # A resource's attributes are field 1, as in a list of attributes.
                reader.check(reader.start, reader.stop, KEY_VALUE_LIST, 0)
        pos = begin
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 2 and reader.wire == BYTES:
                self.scope_spans(reader.start, reader.stop, resource)
        return 0

    def scope_spans(self, begin: int, end: int, resource: bytes) -> int:
        """A `ScopeSpans` message."""
        reader = self.reader
        pos = begin
        scope = b""
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 1 and reader.wire == BYTES:
                scope = reader.data[reader.start : reader.stop]
                # A scope's attributes are field 3, as those of an event.
                reader.check(reader.start, reader.stop, EVENT, 0)
        context = self.registry.context(resource, scope)
        self.names_by_kind = context.names_by_kind
        pos = begin
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 2 and reader.wire == BYTES:
                self.scan(reader.start, reader.stop)
                self.write_row(pos, context)
        return 0

    def scan(self, pos: int, end: int) -> int:
        """Check a `Span` message and take its fixed fields.

        Serialisers write fields in order of their numbers: the fixed ones first, then the rest in one run. What lies
        from the first other field to the end is kept as it is; a fixed field in there is read past again later.
        """
        self.trace = self.rest = -1
        self.name_start = self.name_stop = 0
        self.span = self.parent = self.start = self.stop = 0
        self.kind = self.code = 0
        reader = self.reader
        pos = self.take_plain_head(pos, end)
        while pos < end:
            here = pos
            pos = reader.past_plain_attributes(pos, end)
            if pos == here:
                pos = reader.read(pos, end)
                if self.take_head_field():
                    continue
                if reader.wire == BYTES:
                    self.check_rest_field()
            if self.rest < 0:
                self.rest = here
        return 0

    def take_plain_head(self, pos: int, end: int) -> int:
        """Take the fields that have columns where they stand as nearly always; return the position behind those taken.

        That is in order, the ids first and of the right size. The general way takes whatever does not.
        """
        reader = self.reader
        buf = reader.buf
        if end - pos < 28 or buf[pos] != TRACE_ID_TAG or buf[pos + 1] != 16:
            return pos
        if buf[pos + 18] != SPAN_ID_TAG or buf[pos + 19] != 8:
            return pos
        self.trace = pos + 2
        self.span = reader.big_endian(pos + 20)
        pos += 28
        if end - pos >= 10 and buf[pos] == PARENT_ID_TAG and buf[pos + 1] == 8:
            self.parent = reader.big_endian(pos + 2)
            pos += 10
        if end - pos >= 2 and buf[pos] == NAME_TAG and buf[pos + 1] < 0x80 and buf[pos + 1] <= end - pos - 2:
            self.name_start = pos + 2
            self.name_stop = self.name_start + buf[pos + 1]
            pos = self.name_stop
        if end - pos < 20 or buf[pos] != KIND_TAG or buf[pos + 1] > KIND_MAX:
            return pos
        if buf[pos + 2] != START_TAG or buf[pos + 11] != STOP_TAG:
            return pos
        self.kind = buf[pos + 1]
        self.start = reader.little_endian(pos + 3, 8)
        self.stop = reader.little_endian(pos + 12, 8)
        return pos + 20

    def take_head_field(self) -> bool:
        """Take the field that was read if it is one that has a column; say whether it is."""
        reader = self.reader
        if reader.wire == BYTES:
            if reader.number == 1:
                self.trace = reader.start if reader.stop - reader.start == 16 else -1
            elif reader.number == 2:
                self.span = reader.big_endian(reader.start) if reader.stop - reader.start == 8 else 0
            elif reader.number == 4:
                self.parent = reader.big_endian(reader.start) if reader.stop - reader.start == 8 else 0
            elif reader.number == 5:
                self.name_start = reader.start
                self.name_stop = reader.stop
            else:
                return False
        elif reader.number == 6 and reader.wire == VARINT:
            self.kind = reader.value if reader.value <= KIND_MAX else 0
        elif reader.number == 7 and reader.wire == FIXED64:
            self.start = reader.value
        elif reader.number == 8 and reader.wire == FIXED64:
            self.stop = reader.value
        else:
            return False
        return True

    def check_rest_field(self) -> int:
        """Check the field that was read: attributes, events and links to their leaves; take the code of the status."""
        reader = self.reader
        number = reader.number
        if number == 9 or number == 11 or number == 13:
            child = KEY_VALUE if number == 9 else EVENT if number == 11 else LINK
            reader.check(reader.start, reader.stop, child, 0)
        elif number == 15:
            self.code = self.status_code(reader.start, reader.stop)
        return 0

    def status_code(self, pos: int, end: int) -> int:
        """The code of a `Status` message; one that OTLP does not know counts as unset."""
        reader = self.reader
        code = 0
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 3 and reader.wire == VARINT:
                code = reader.value if reader.value <= STATUS_MAX else 0
        return code

    @cython.boundscheck(False)
    @cython.wraparound(False)
    def write_row(self, end: int, context: Context) -> int:
        """Write the span that was scanned, which ends at `end`; or count it out if its ids or times are unusable."""
        reader = self.reader
        row = self.row
        if self.trace < 0 or self.span == 0 or self.start > I64_MAX or self.stop > I64_MAX:
            self.rejected += 1
            return 0
        hi = reader.big_endian(self.trace)
        lo = reader.big_endian(self.trace + 8)
        if hi == 0 and lo == 0:
            self.rejected += 1
            return 0
        self.trace_hi[row] = hi
        self.trace_lo[row] = lo
        self.span_id[row] = self.span
        self.parent_id[row] = self.parent
        self.start_ns[row] = self.start
        self.duration_ns[row] = self.stop - self.start if self.stop > self.start else 0
        self.rest_start[row] = self.base + (self.rest if self.rest >= 0 else end)
        self.rest_stop[row] = self.base + end
        self.status[row] = self.code
        name = reader.buf[self.name_start : self.name_stop]
        names: dict[bytes, int] = self.names_by_kind[self.kind]
        series = names.get(name)
        if series is None:
            if self.registry.is_full:
                self.rejected += 1
                return 0
            series = self.registry.add(context, self.kind, name)
        self.series[row] = series
        self.row = row + 1
        return 0


def decode_request(data: bytes, columns: SpanColumns, registry: SeriesRegistry) -> tuple[int, int]:
    """Append the spans of an `ExportTraceServiceRequest` to the columns; all of them or, if it is malformed, none.

    Args:
        data: the message, protobuf, not compressed.
        columns: gets a row per span.
        registry: learns new series.

    Returns:
        The number of spans taken and of those refused: for a missing or zero id, a time after the year 2262, or one
        name more than the registry has room for.

    Raises:
        MalformedError: with the reason; the columns are as they were.
    """
    columns.reserve_for(len(data))
    rows = RowWriter(data, columns, registry)
    reader = rows.reader
    pos = 0
    end = len(data)
    while pos < end:
        pos = reader.read(pos, end)
        if reader.number == 1 and reader.wire == BYTES:
            rows.resource_spans(reader.start, reader.stop)
    taken = rows.row - columns.count
    if taken:
        columns.add_body(data)
        columns.count = rows.row
    return taken, rows.rejected
