# cython: language_level=3
"""The hot path: one walk over an OTLP request, and over a span's attributes for the tag filter.

`decode_request` checks the whole message and writes one row per span into `SpanColumns`, without an object per span.
`fill_tag_filter` hashes every attribute of a span into a Bloom filter, by which a search skips chunks.

The source is plain Python in Cython's annotation style: compiled where a C compiler is at hand, slow but the same
where not. Field numbers are those of opentelemetry-proto `trace/v1`, `common/v1` and `resource/v1`; the encoding is
protobuf's. Unknown fields are passed over, as protobuf asks; a field of an unexpected wire type counts as unknown.
"""

import cython

from jaegerlite.columns import I64Array, SpanColumns, U8Array
from jaegerlite.series import Context, SeriesRegistry

VARINT = cython.declare(cython.int, 0)
FIXED64 = cython.declare(cython.int, 1)
BYTES = cython.declare(cython.int, 2)
FIXED32 = cython.declare(cython.int, 5)

U64_MASK = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)
FNV_OFFSET = cython.declare(cython.ulonglong, 0xCBF29CE484222325)
FNV_PRIME = cython.declare(cython.ulonglong, 0x100000001B3)
MIX_PRIME = cython.declare(cython.ulonglong, 0xFF51AFD7ED558CCD)
I64_MAX = cython.declare(cython.ulonglong, 0x7FFFFFFFFFFFFFFF)

# Kinds of nested message, for `_check`.
LEAF = cython.declare(cython.int, 0)
KEY_VALUE = cython.declare(cython.int, 1)
ANY_VALUE = cython.declare(cython.int, 2)
ARRAY = cython.declare(cython.int, 3)
KEY_VALUE_LIST = cython.declare(cython.int, 4)
EVENT = cython.declare(cython.int, 5)
LINK = cython.declare(cython.int, 6)

# An attribute value may hold values; no sender of good will goes deeper.
DEPTH_MAX = cython.declare(cython.int, 32)
ROW_REJECTED = cython.declare(cython.int, 0)
ROW_WRITTEN = cython.declare(cython.int, 1)


class MalformedError(ValueError):
    """The bytes are no OTLP trace request; the text says where and why."""


@cython.cclass
class Field:
    """The field that was read last: its number, wire type, value (numbers) or borders (bytes)."""

    number: cython.int
    wire: cython.int
    start: cython.Py_ssize_t
    stop: cython.Py_ssize_t
    value: cython.ulonglong


@cython.cfunc
@cython.inline
@cython.exceptval(-1)
def _varint(
    buf: cython.p_const_uchar, pos: cython.Py_ssize_t, end: cython.Py_ssize_t, field: Field
) -> cython.Py_ssize_t:
    value: cython.ulonglong = 0
    shift: cython.int = 0
    byte: cython.ulonglong
    while pos < end:
        byte = buf[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            field.value = value & U64_MASK
            return pos
        shift += 7
        if shift > 63:
            raise MalformedError(f"a number at byte {pos} is longer than ten bytes")
    raise MalformedError(f"the message ends within a number at byte {pos}")


@cython.cfunc
@cython.inline
def _fixed(buf: cython.p_const_uchar, pos: cython.Py_ssize_t, count: cython.int) -> cython.ulonglong:
    value: cython.ulonglong = 0
    i: cython.int
    byte: cython.ulonglong
    for i in range(count):
        byte = buf[pos + i]
        value |= byte << (8 * i)
    return value


@cython.cfunc
@cython.inline
def _big_endian(buf: cython.p_const_uchar, pos: cython.Py_ssize_t) -> cython.ulonglong:
    value: cython.ulonglong = 0
    i: cython.int
    byte: cython.ulonglong
    for i in range(8):
        byte = buf[pos + i]
        value = (value << 8) | byte
    return value & U64_MASK


@cython.cfunc
@cython.exceptval(-1)
def _next(buf: cython.p_const_uchar, pos: cython.Py_ssize_t, end: cython.Py_ssize_t, field: Field) -> cython.Py_ssize_t:
    """Read the field at `pos` and return the position behind it. The caller has made sure that `pos < end`."""
    pos = _varint(buf, pos, end, field)
    if field.value >> 32:
        raise MalformedError(f"a field number before byte {pos} is out of range")
    field.number = field.value >> 3
    field.wire = field.value & 7
    if field.number == 0:
        raise MalformedError(f"a field number before byte {pos} is zero")
    if field.wire == BYTES:
        pos = _varint(buf, pos, end, field)
        if field.value > cython.cast(cython.ulonglong, end - pos):
            raise MalformedError(f"a field of {field.value} bytes at byte {pos} runs past its message")
        field.start = pos
        field.stop = pos + cython.cast(cython.Py_ssize_t, field.value)
        return field.stop
    if field.wire == VARINT:
        return _varint(buf, pos, end, field)
    if field.wire == FIXED64 or field.wire == FIXED32:
        width: cython.int = 8 if field.wire == FIXED64 else 4
        if end - pos < width:
            raise MalformedError(f"the message ends within a number at byte {pos}")
        field.value = _fixed(buf, pos, width)
        return pos + width
    raise MalformedError(f"wire type {field.wire} before byte {pos} is not used by OTLP")


@cython.cfunc
@cython.inline
def _child(kind: cython.int, number: cython.int) -> cython.int:
    """The kind of message that a field of a message of this kind holds; LEAF where it holds none."""
    if kind == KEY_VALUE:
        return ANY_VALUE if number == 2 else LEAF
    if kind == ANY_VALUE:
        return ARRAY if number == 5 else KEY_VALUE_LIST if number == 6 else LEAF
    if kind == ARRAY:
        return ANY_VALUE if number == 1 else LEAF
    if kind == KEY_VALUE_LIST:
        return KEY_VALUE if number == 1 else LEAF
    if kind == EVENT:
        return KEY_VALUE if number == 3 else LEAF
    if kind == LINK:
        return KEY_VALUE if number == 4 else LEAF
    return LEAF


@cython.cfunc
@cython.exceptval(-1)
def _check(
    buf: cython.p_const_uchar,
    pos: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    kind: cython.int,
    depth: cython.int,
    field: Field,
) -> cython.int:
    """Walk a nested message to its leaves, so that whoever reads it later need not fear it."""
    child: cython.int
    if depth > DEPTH_MAX:
        raise MalformedError(f"a value at byte {pos} is nested deeper than {DEPTH_MAX} levels")
    while pos < end:
        pos = _next(buf, pos, end, field)
        if field.wire == BYTES:
            child = _child(kind, field.number)
            if child != LEAF:
                _check(buf, field.start, field.stop, child, depth + 1, field)
    return 0


@cython.cclass
class _Writer:
    """The columns as typed views, for the length of one request."""

    trace_hi: cython.ulonglong[:]
    trace_lo: cython.ulonglong[:]
    span_id: cython.ulonglong[:]
    parent_id: cython.ulonglong[:]
    start_ns: cython.longlong[:]
    duration_ns: cython.longlong[:]
    rest_start: cython.longlong[:]
    rest_stop: cython.longlong[:]
    series: cython.int[:]
    status: cython.uchar[:]
    row: cython.Py_ssize_t
    base: cython.Py_ssize_t
    rejected: cython.Py_ssize_t

    def __init__(self, columns: SpanColumns) -> None:
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
        self.row = columns.count
        self.base = len(columns.payload)
        self.rejected = 0


@cython.cfunc
@cython.exceptval(-1)
def _status_code(buf: cython.p_const_uchar, pos: cython.Py_ssize_t, end: cython.Py_ssize_t, field: Field) -> cython.int:
    code: cython.int = 0
    while pos < end:
        pos = _next(buf, pos, end, field)
        if field.number == 3 and field.wire == VARINT:
            code = cython.cast(cython.int, field.value) if field.value <= 2 else 0
    return code


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
@cython.exceptval(-1)
def _span(
    data: bytes,
    buf: cython.p_const_uchar,
    pos: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    context: Context,
    registry: SeriesRegistry,
    out: _Writer,
    field: Field,
) -> cython.int:
    """Check one span and write its row; ROW_REJECTED where its ids or times make it unusable."""
    # Serialisers write fields in order of their numbers: the fixed ones first, then the rest in one run. What lies from
    # the first other field to the end is kept as it is; a fixed field in there is simply read past again.
    row: cython.Py_ssize_t = out.row
    here: cython.Py_ssize_t
    rest: cython.Py_ssize_t = -1
    trace: cython.Py_ssize_t = -1
    name_start: cython.Py_ssize_t = 0
    name_stop: cython.Py_ssize_t = 0
    span_id: cython.ulonglong = 0
    parent_id: cython.ulonglong = 0
    start: cython.ulonglong = 0
    stop: cython.ulonglong = 0
    kind: cython.int = 0
    status: cython.int = 0
    number: cython.int
    child: cython.int
    while pos < end:
        here = pos
        pos = _next(buf, pos, end, field)
        number = field.number
        if field.wire == BYTES:
            if number == 9 or number == 11 or number == 13:
                child = KEY_VALUE if number == 9 else EVENT if number == 11 else LINK
                _check(buf, field.start, field.stop, child, 0, field)
            elif number == 15:
                status = _status_code(buf, field.start, field.stop, field)
            elif number == 1:
                trace = field.start if field.stop - field.start == 16 else -1
                continue
            elif number == 2:
                span_id = _big_endian(buf, field.start) if field.stop - field.start == 8 else 0
                continue
            elif number == 4:
                parent_id = _big_endian(buf, field.start) if field.stop - field.start == 8 else 0
                continue
            elif number == 5:
                name_start = field.start
                name_stop = field.stop
                continue
        elif number == 6 and field.wire == VARINT:
            kind = cython.cast(cython.int, field.value) if field.value <= 5 else 0
            continue
        elif number == 7 and field.wire == FIXED64:
            start = field.value
            continue
        elif number == 8 and field.wire == FIXED64:
            stop = field.value
            continue
        if rest < 0:
            rest = here
    if trace < 0 or span_id == 0 or start > I64_MAX or stop > I64_MAX:
        return ROW_REJECTED
    out.trace_hi[row] = _big_endian(buf, trace)
    out.trace_lo[row] = _big_endian(buf, trace + 8)
    if out.trace_hi[row] == 0 and out.trace_lo[row] == 0:
        return ROW_REJECTED
    out.span_id[row] = span_id
    out.parent_id[row] = parent_id
    out.start_ns[row] = start
    out.duration_ns[row] = stop - start if stop > start else 0
    out.rest_start[row] = out.base + (rest if rest >= 0 else end)
    out.rest_stop[row] = out.base + end
    out.status[row] = status
    name = data[name_start:name_stop]
    series = context.names_by_kind[kind].get(name)
    if series is None:
        series = registry.add(context, kind, name)
    out.series[row] = series
    out.row = row + 1
    return ROW_WRITTEN


@cython.cfunc
@cython.exceptval(-1)
def _scope_spans(
    data: bytes,
    buf: cython.p_const_uchar,
    begin: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    resource: bytes,
    registry: SeriesRegistry,
    out: _Writer,
    field: Field,
) -> cython.int:
    pos: cython.Py_ssize_t = begin
    scope: bytes = b""
    while pos < end:
        pos = _next(buf, pos, end, field)
        if field.number == 1 and field.wire == BYTES:
            scope = data[field.start : field.stop]
            _check(buf, field.start, field.stop, EVENT, 0, field)  # a scope's attributes are field 3, as an event's are
    context = registry.context(resource, scope)
    pos = begin
    while pos < end:
        pos = _next(buf, pos, end, field)
        if (
            field.number == 2
            and field.wire == BYTES
            and _span(data, buf, field.start, field.stop, context, registry, out, field) == ROW_REJECTED
        ):
            out.rejected += 1
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _resource_spans(
    data: bytes,
    buf: cython.p_const_uchar,
    begin: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    registry: SeriesRegistry,
    out: _Writer,
    field: Field,
) -> cython.int:
    pos: cython.Py_ssize_t = begin
    resource: bytes = b""
    while pos < end:
        pos = _next(buf, pos, end, field)
        if field.number == 1 and field.wire == BYTES:
            resource = data[field.start : field.stop]
            _check(buf, field.start, field.stop, KEY_VALUE_LIST, 0, field)  # attributes are field 1, as in a list
    pos = begin
    while pos < end:
        pos = _next(buf, pos, end, field)
        if field.number == 2 and field.wire == BYTES:
            _scope_spans(data, buf, field.start, field.stop, resource, registry, out, field)
    return 0


def decode_request(data: bytes, columns: SpanColumns, registry: SeriesRegistry) -> tuple[int, int]:
    """Append the spans of an `ExportTraceServiceRequest` to the columns; all of them or, if it is malformed, none.

    Args:
        data: the message, protobuf, not compressed.
        columns: a `SpanColumns`.
        registry: a `SeriesRegistry`, which learns new series.

    Returns:
        The number of spans taken and of those refused for a missing or zero id or a time after the year 2262.

    Raises:
        MalformedError: with the reason; the columns are as they were.
    """
    columns.reserve_for(len(data))
    out: _Writer = _Writer(columns)
    field: Field = Field()
    buf: cython.p_const_uchar = data
    pos: cython.Py_ssize_t = 0
    end: cython.Py_ssize_t = len(data)
    while pos < end:
        pos = _next(buf, pos, end, field)
        if field.number == 1 and field.wire == BYTES:
            _resource_spans(data, buf, field.start, field.stop, registry, out, field)
    accepted = out.row - columns.count
    if accepted:
        columns.payload += data
        columns.count = out.row
    return accepted, out.rejected


@cython.cfunc
@cython.inline
def _fnv(
    buf: cython.p_const_uchar, pos: cython.Py_ssize_t, end: cython.Py_ssize_t, state: cython.ulonglong
) -> cython.ulonglong:
    """FNV-1a, the byte-wise hash of Fowler, Noll and Vo, which is the same in both modes."""
    while pos < end:
        state = ((state ^ buf[pos]) * FNV_PRIME) & U64_MASK
        pos += 1
    return state


@cython.cfunc
@cython.inline
def _mix(state: cython.ulonglong) -> cython.ulonglong:
    """Spread a hash over all 64 bits, since the filter takes three slices of it."""
    state ^= state >> 33
    state = (state * MIX_PRIME) & U64_MASK
    return state ^ (state >> 33)


@cython.cfunc
@cython.inline
def _signed(value: cython.ulonglong) -> cython.longlong:
    """An OTLP int64 from its 64 bits in two's complement."""
    if value > I64_MAX:
        return -cython.cast(cython.longlong, U64_MASK - value) - 1
    return value


@cython.cfunc
@cython.exceptval(-1)
def _hash_value(
    buf: cython.p_const_uchar, pos: cython.Py_ssize_t, end: cython.Py_ssize_t, key: cython.ulonglong, field: Field
) -> cython.int:
    """Hash an AnyValue's text on top of its key's hash, into `field.value`.

    Texts that are dear to make (floats, lists, maps, bytes) hash to the bare key: a search for any value looks there
    too.
    """
    separated: cython.ulonglong = (key * FNV_PRIME) & U64_MASK
    result: cython.ulonglong = key
    text: bytes
    while pos < end:
        pos = _next(buf, pos, end, field)
        if field.number == 1 and field.wire == BYTES:
            result = _fnv(buf, field.start, field.stop, separated)
        elif field.number == 2 and field.wire == VARINT:
            text = b"true" if field.value else b"false"
            result = _fnv(text, 0, len(text), separated)
        elif field.number == 3 and field.wire == VARINT:
            text = b"%d" % _signed(field.value)
            result = _fnv(text, 0, len(text), separated)
        else:
            result = key
    field.value = result
    return 0


@cython.cclass
class _Sink:
    """Where the hashes of attributes go: into a filter, or into a comparison with one wanted tag."""

    bits: cython.uchar[:]
    mask: cython.ulonglong
    filling: cython.bint
    pair: cython.ulonglong
    bare: cython.ulonglong
    hit: cython.bint

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.exceptval(-1)
    def see(self, state: cython.ulonglong) -> cython.int:
        mixed: cython.ulonglong
        place: cython.ulonglong
        i: cython.int
        if not self.filling:
            if state == self.pair or state == self.bare:
                self.hit = True
            return 0
        mixed = _mix(state)
        for i in range(3):
            place = (mixed >> (21 * i)) & self.mask
            self.bits[place >> 3] |= cython.cast(cython.uchar, 1 << (place & 7))
        return 0


@cython.cfunc
@cython.exceptval(-1)
def _see_attribute(
    buf: cython.p_const_uchar, pos: cython.Py_ssize_t, end: cython.Py_ssize_t, sink: _Sink, field: Field
) -> cython.int:
    key: cython.ulonglong = FNV_OFFSET
    value_start: cython.Py_ssize_t = 0
    value_stop: cython.Py_ssize_t = 0
    while pos < end:
        pos = _next(buf, pos, end, field)
        if field.number == 1 and field.wire == BYTES:
            key = _fnv(buf, field.start, field.stop, FNV_OFFSET)
        elif field.number == 2 and field.wire == BYTES:
            value_start = field.start
            value_stop = field.stop
    _hash_value(buf, value_start, value_stop, key, field)
    return sink.see(field.value)


@cython.cfunc
@cython.exceptval(-1)
def _see_nested(
    buf: cython.p_const_uchar,
    pos: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    kind: cython.int,
    sink: _Sink,
    field: Field,
) -> cython.int:
    """The attributes of an event or a link; an event's name counts as its attribute `event`, as Jaeger shows it."""
    while pos < end:
        pos = _next(buf, pos, end, field)
        if field.wire != BYTES:
            continue
        if _child(kind, field.number) == KEY_VALUE:
            _see_attribute(buf, field.start, field.stop, sink, field)
        elif kind == EVENT and field.number == 2:
            key: cython.ulonglong = (_fnv(b"event", 0, 5, FNV_OFFSET) * FNV_PRIME) & U64_MASK
            sink.see(_fnv(buf, field.start, field.stop, key))
    return 0


@cython.cfunc
@cython.exceptval(-1)
def _see_span(
    buf: cython.p_const_uchar, pos: cython.Py_ssize_t, end: cython.Py_ssize_t, sink: _Sink, field: Field
) -> cython.int:
    while pos < end:
        pos = _next(buf, pos, end, field)
        if field.wire != BYTES:
            continue
        if field.number == 9:
            _see_attribute(buf, field.start, field.stop, sink, field)
        elif field.number == 11:
            _see_nested(buf, field.start, field.stop, EVENT, sink, field)
        elif field.number == 13:
            _see_nested(buf, field.start, field.stop, LINK, sink, field)
    return 0


def fill_tag_filter(rests: bytes, lengths: I64Array, bits: U8Array) -> None:
    """Put the attributes of spans into a Bloom filter of three bits per attribute.

    Args:
        rests: the kept parts of the spans, one after the other, as `decode_request` left them.
        lengths: their lengths in bytes, int64.
        bits: the filter, uint8, its length a power of two; 2 bytes per span keep false hits at a few per cent.
    """
    data: bytes = rests
    buf: cython.p_const_uchar = data
    sizes: cython.longlong[:] = lengths
    sink: _Sink = _Sink()
    field: Field = Field()
    pos: cython.Py_ssize_t = 0
    row: cython.Py_ssize_t
    sink.filling = True
    sink.bits = bits
    sink.mask = 8 * len(bits) - 1
    for row in range(len(lengths)):
        _see_span(buf, pos, pos + sizes[row], sink, field)
        pos += sizes[row]


def rows_with_tag(rests: bytes, borders: I64Array, key: bytes, value: bytes, found: U8Array) -> None:
    """Set `found` (uint8, one per span) to 1 where a span may have this tag: surely, but for hash accidents and for
    values without a cheap text, which the caller reads to be certain.

    Args:
        rests: bytes that hold the kept parts of the spans.
        borders: where they begin and end in there: int64, one more than there are spans.
        key: the tag's key, UTF-8.
        value: the text of its value, UTF-8.
        found: the result.
    """
    data: bytes = rests
    buf: cython.p_const_uchar = data
    places: cython.longlong[:] = borders
    hits: cython.uchar[:] = found
    sink: _Sink = _Sink()
    field: Field = Field()
    row: cython.Py_ssize_t
    sink.filling = False
    sink.bare = _fnv(key, 0, len(key), FNV_OFFSET)
    sink.pair = _fnv(value, 0, len(value), (sink.bare * FNV_PRIME) & U64_MASK)
    for row in range(len(found)):
        sink.hit = False
        _see_span(buf, places[row], places[row + 1], sink, field)
        hits[row] = 1 if sink.hit else 0


def tag_places(key: bytes, value: bytes, filter_bytes: int) -> tuple[list[int], list[int]]:
    """The bits to look at in a filter of this size: those of the pair, and those of a value that has no cheap text."""
    state: cython.ulonglong = _fnv(key, 0, len(key), FNV_OFFSET)
    pair: cython.ulonglong = _mix(_fnv(value, 0, len(value), (state * FNV_PRIME) & U64_MASK))
    bare: cython.ulonglong = _mix(state)
    mask: cython.ulonglong = 8 * filter_bytes - 1
    return [(pair >> (21 * i)) & mask for i in range(3)], [(bare >> (21 * i)) & mask for i in range(3)]
