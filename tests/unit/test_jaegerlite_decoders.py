"""No bytes that a stranger sends end in anything but spans or a reason."""

import gzip
import json
import time
import tracemalloc
from typing import Final

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from jaegerlite.columns import SpanColumns
from jaegerlite.decode import decode_request
from jaegerlite.receive.intake import RefusedError
from jaegerlite.receive.unpack import unpack
from jaegerlite.series import BYTES_MAX, SeriesRegistry
from shared.tracing.thrift import I32, I64, LIST, STRING, STRUCT, BinaryWriter, CompactWriter
from tests.decoders import DECODERS, survives
from tests.jaegerlite_process import otlp_spans


def _batch(writer: BinaryWriter | CompactWriter) -> bytes:
    """A batch with a tag of each type, an event and a reference."""
    writer.begin()
    writer.field(1, STRUCT)
    writer.begin()
    writer.field(1, STRING)
    writer.text(b"shop")
    writer.end()
    writer.field(2, LIST)
    writer.structs(1)
    writer.begin()
    for number, value in ((1, 5), (2, 6), (3, 7), (4, 8)):
        writer.field(number, I64)
        writer.integer(value)
    writer.field(5, STRING)
    writer.text(b"GET /")
    writer.field(6, LIST)
    writer.structs(1)
    writer.begin()
    writer.field(1, I32)
    writer.integer(1)
    writer.field(2, I64)
    writer.integer(3)
    writer.end()
    for number, value in ((8, 1000), (9, 5)):
        writer.field(number, I64)
        writer.integer(value)
    writer.field(10, LIST)
    writer.structs(2)
    for key, kind in ((b"otel.status_code", 0), (b"flag", 2)):
        writer.begin()
        writer.field(1, STRING)
        writer.text(key)
        writer.field(2, I32)
        writer.integer(kind)
        if kind:
            writer.bool_field(5, True)
        else:
            writer.field(3, STRING)
            writer.text(b"ERROR")
        writer.end()
    writer.field(11, LIST)
    writer.structs(1)
    writer.begin()
    writer.field(1, I64)
    writer.integer(1001)
    writer.end()
    writer.end()
    writer.end()
    return bytes(writer.out)


def _otlp_json() -> bytes:
    values = [{"stringValue": "x"}, {"intValue": "5"}, {"doubleValue": 0.5}, {"arrayValue": {"values": [{}]}}]
    span = {
        "traceId": "0a" * 16, "spanId": "0b" * 8, "name": "n", "kind": 2, "startTimeUnixNano": "5",
        "attributes": [{"key": "k", "value": value} for value in values],
        "events": [{"name": "e", "timeUnixNano": 6}], "status": {"code": 2, "message": "m"},
    }  # fmt: skip
    return json.dumps({"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": [span]}]}]}).encode()


def _zipkin() -> bytes:
    span = {
        "traceId": "0a" * 8, "id": "0b" * 8, "parentId": "0c" * 8, "name": "n", "kind": "CLIENT", "timestamp": 5,
        "duration": 6, "localEndpoint": {"serviceName": "s", "ipv4": "10.0.0.1"}, "remoteEndpoint": {"port": 80},
        "annotations": [{"timestamp": 6, "value": "v"}], "tags": {"error": "yes", "k": "v"}, "shared": True,
    }  # fmt: skip
    return json.dumps([span]).encode()


COMPACT_HEAD, BINARY_HEAD = (
    b"\x82\x81\x00\x09emitBatch\x1c",
    b"\x80\x01\x00\x04\x00\x00\x00\x09emitBatch\0\0\0\0\x0c\0\x01",
)
VALID: Final = {
    "otlp-protobuf": otlp_spans("shop", 1, 2),
    "otlp-json": _otlp_json(),
    "thrift-binary": _batch(BinaryWriter()),
    "thrift-compact": _batch(CompactWriter()),
    "udp-binary": BINARY_HEAD + _batch(BinaryWriter()) + b"\0",
    "udp-compact": COMPACT_HEAD + _batch(CompactWriter()) + b"\0",
    "zipkin-json": _zipkin(),
    "gzip": gzip.compress(b"spans" * 100),
    "zstd": zstandard.compress(b"spans" * 100),
    "query-language": b'a = "b c" AND (duration > 5ms OR NOT status = error) trace.spans >= 3 ~',
}


@pytest.mark.parametrize("name", [name for name in VALID if not name.startswith(("udp", "query"))])
def test_what_is_whole_is_taken(name: str) -> None:
    """The messages that the tests below damage are taken as they are."""
    assert survives(name, VALID[name])


@pytest.mark.parametrize("name", DECODERS)
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_damaged_messages_are_refused_or_survived(name: str, data: st.DataObject) -> None:
    """A message that is cut, or has bytes changed, taken out or put in, is taken or refused and nothing else."""
    message = bytearray(VALID[name])
    for _ in range(data.draw(st.integers(1, 4))):
        if not message:
            break
        at = data.draw(st.integers(0, len(message) - 1))
        what = data.draw(st.sampled_from(("set", "cut", "drop", "put")))
        if what == "set":
            message[at] = data.draw(st.integers(0, 255))
        elif what == "cut":
            del message[at:]
        elif what == "drop":
            del message[at : at + data.draw(st.integers(1, 8))]
        else:
            message[at:at] = data.draw(st.binary(max_size=12))
    survives(name, bytes(message))


@pytest.mark.parametrize("name", DECODERS)
@given(body=st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_refused_or_survived(name: str, body: bytes) -> None:
    """Bytes of any kind are taken or refused, and nothing else happens."""
    survives(name, body)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("otlp-json", b"[" * 200_000),
        ("otlp-json", b'{"resourceSpans":[' + b'{"scopeSpans":[' * 50_000),
        ("otlp-json", b'{"resourceSpans":[' + b"{}," * 300_000 + b"{}]}"),
        ("zipkin-json", b"[" + b"{}," * 300_000 + b"{}]"),
        ("zipkin-json", b"[" * 3_000_000),
        ("thrift-binary", b"\x0c\x00\x01" * 1_000_000),
        ("thrift-compact", b"\x1c" * 3_000_000),
        ("thrift-binary", b"\x0f\x00\x02\x0c\x00\x2d\xc6\xc0" + bytes(3_000_000)),
        ("thrift-compact", b"\x19\xfc\xc0\x84\x3d" + bytes(1_000_001)),
        ("thrift-binary", b"\x0b\x00\x01\x7f\xff\xff\xff"),
        ("thrift-compact", b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
        ("gzip", gzip.compress(bytes(200_000_000), 1)),
        ("zstd", zstandard.compress(bytes(1_000_000_000))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hostile_messages_cost_little(name: str, body: bytes) -> None:
    """Deep nesting, huge lengths, many empty values and bombs are refused, or taken, without much memory or time."""
    tracemalloc.start()
    began_s = time.process_time()
    survives(name, body)
    took_s = time.process_time() - began_s
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 250_000_000
    assert took_s < 20


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_packed_bodies_end_where_they_say(encoding: str) -> None:
    """What follows behind a packed body is not passed over in silence."""
    packed = gzip.compress(b"a") if encoding == "gzip" else zstandard.compress(b"a")
    with pytest.raises(RefusedError, match="behind"):
        unpack(packed + b"x", encoding, 100)
    with pytest.raises(RefusedError, match="early"):
        unpack(packed[:-1], encoding, 100)
    assert unpack(packed, encoding, 1) == b"a"


def test_names_without_end_are_refused_in_time() -> None:
    """A sender that gives every span a name of its own fills the dictionary to its limit, and no further."""
    registry, columns = SeriesRegistry(), SpanColumns()
    request = otlp_spans("shop", 1)
    refused = sent = 0
    while not refused:
        for _ in range(1000):
            _, refused = decode_request(request.replace(b"by hand", b"%07d" % sent), columns, registry)
            sent += 1
        assert sent < 500_000
    known = otlp_spans("shop", 1).replace(b"by hand", b"0000005")
    assert decode_request(known, columns, registry) == (1, 0)
    assert 50_000 < len(registry.all) < BYTES_MAX / 500
