"""OTLP requests made from the recorded spans of the exchange, as many as wanted, each trace with values of its own.

A recorded trace is a template: its bytes are copied, and what differs between two orders is written over them — trace
and span ids, times (stretched by a factor per trace), order ids, users, symbols, prices, message ids. So sizes, shapes
and repetitions are those of the exchange's spans, and nothing compresses better than theirs would. A request holds the
spans of one service out of many traces, as an exporter sends them.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import zstandard
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from jaegerlite.otlp_write import bytes_field

RECORDING: Final = Path(__file__).parent.parent / "tests" / "data" / "exchange_traces.otlp.zst"
SPANS_MAX: Final = 60
SYMBOLS: Final = (b"AAPL", b"MSFT", b"NVDA", b"AMZN", b"META", b"TSLA", b"ORCL", b"INTC")
# What gets values of its own in each copy: a pattern of the bytes, and the kind of value.
NUMBER_TEXT: Final = re.compile(rb"order\.id\x12.\n.(\d{18})|user\.id\x12.\n.(\d{4})|message\.id\x12.\n.(\d+)-0")
SYMBOL_TEXT: Final = re.compile(rb"order\.symbol\x12\x06\n\x04(AAPL|NVDA|TSLA)")
PRICE_TEXT: Final = re.compile(rb"order\.price\x12\x08\n\x06\d(\d\d\.\d\d)")
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Part:
    """The spans of one service in a template: their bytes, and where in them what is written over lies."""

    resource: bytes
    scope: bytes
    content: Bytes
    spans: int
    trace_at: list[int]
    ids_at: list[tuple[int, int]]
    times_at: list[tuple[int, int]]
    digits_at: list[tuple[int, int]]
    symbols_at: list[int]


class Template:
    """One recorded trace, cut into the parts that its services send."""

    def __init__(self, spans: list[tuple[bytes, bytes, Any]]) -> None:
        self.spans = len(spans)
        self._start_ns = min(span.start_time_unix_nano for _, _, span in spans)
        self.duration_ns = max(span.end_time_unix_nano for _, _, span in spans) - self._start_ns
        self._place = {span.span_id: place for place, (_, _, span) in enumerate(spans)}
        by_service: dict[tuple[bytes, bytes], list[Any]] = defaultdict(list)
        for resource, scope, span in spans:
            by_service[resource, scope].append(span)
        self._parts = [self._part(*key, inside) for key, inside in by_service.items()]

    def _part(self, resource: bytes, scope: bytes, spans: list[Any]) -> Part:
        content = b"".join(bytes_field(2, span.SerializeToString()) for span in spans)
        ids_at, times_at = [], []
        for span_id, place in self._place.items():
            ids_at += [(match.start(), place) for match in re.finditer(re.escape(span_id), content)]
        for span in spans:
            for time_ns in {span.start_time_unix_nano, span.end_time_unix_nano}:
                pattern = re.escape(time_ns.to_bytes(8, "little"))
                times_at += [(m.start(), time_ns - self._start_ns) for m in re.finditer(pattern, content)]
        numbers = [m.span(m.lastindex or 0) for m in NUMBER_TEXT.finditer(content)]
        prices = [at for m in PRICE_TEXT.finditer(content) for at in ((m.start(1), m.start(1) + 2),)]
        return Part(
            resource,
            scope,
            np.frombuffer(content, np.uint8),
            len(spans),
            [match.start() for match in re.finditer(re.escape(spans[0].trace_id), content)],
            ids_at,
            sorted(set(times_at)),
            numbers + prices,
            [match.start(1) for match in SYMBOL_TEXT.finditer(content)],
        )

    def copies(
        self,
        random: np.random.Generator,
        trace_ids: Bytes,
        starts_ns: npt.NDArray[np.int64],
        orders: npt.NDArray[np.int64],
        users: npt.NDArray[np.int64],
    ) -> Iterator[tuple[tuple[bytes, bytes], bytes, int]]:
        """For each service: resource and scope, the spans of all copies as fields of a `ScopeSpans`, their number.

        Args:
            random: where the values come from.
            trace_ids: a row of 16 bytes per copy.
            starts_ns: when each copy begins, in nanoseconds since 1970.
            orders: a number for each copy that no other has, of which its order id is made.
            users: a number of four digits for each copy.
        """
        count = len(starts_ns)
        span_ids = random.integers(0, 256, (count, self.spans, 8), np.uint8)
        stretch = random.lognormal(0, 0.4, count)
        digits = {18: _digits(orders, 18), 4: _digits(users, 4)}
        for size in (1, 2, 3, 5, 6):
            digits[size] = _digits(random.integers(0, 10**size, count), size)
        symbols = np.frombuffer(b"".join(SYMBOLS), np.uint8).reshape(-1, 4)[random.integers(0, len(SYMBOLS), count)]
        for part in self._parts:
            made = np.tile(part.content, (count, 1))
            for at in part.trace_at:
                made[:, at : at + 16] = trace_ids
            for at, place in part.ids_at:
                made[:, at : at + 8] = span_ids[:, place]
            for at, offset_ns in part.times_at:
                times = starts_ns + (offset_ns * stretch).astype(np.int64)
                made[:, at : at + 8] = times.view(np.uint8).reshape(count, 8)
            for begin, end in part.digits_at:
                made[:, begin:end] = digits[end - begin]
            for at in part.symbols_at:
                made[:, at : at + 4] = symbols
            yield (part.resource, part.scope), made.tobytes(), part.spans * count


def _digits(numbers: npt.NDArray[np.int64], size: int) -> Bytes:
    """Numbers as rows of decimal digits in ASCII."""
    powers = 10 ** np.arange(size - 1, -1, -1, dtype=np.int64)
    return (numbers[:, None] // powers % 10 + ord("0")).astype(np.uint8)


def templates() -> list[Template]:
    """The recorded traces of an ordinary size."""
    request = ExportTraceServiceRequest.FromString(zstandard.decompress(RECORDING.read_bytes()))
    traces: dict[bytes, list[tuple[bytes, bytes, Any]]] = defaultdict(list)
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                resource, scope = resource_spans.resource.SerializeToString(), scope_spans.scope.SerializeToString()
                traces[span.trace_id].append((resource, scope, span))
    return [Template(spans) for spans in traces.values() if len(spans) <= SPANS_MAX]


class ExchangeSpans:
    """Requests without end; `recent` holds trace ids of the last batch."""

    def __init__(self, seed: int, start_ns: int, traces_per_s: float, *, traces_at_once: int = 400) -> None:
        """`traces_per_s` is how close the traces lie in time, whatever the speed at which they are made."""
        self.recent: Bytes = np.empty((0, 16), np.uint8)
        self._random = np.random.default_rng(seed)
        self._templates = templates()
        self._next_ns = float(start_ns)
        self._gap_ns = 1e9 / traces_per_s
        self._at_once = traces_at_once
        self._order = 251_809_334_512_582_656

    @property
    def reached_ns(self) -> int:
        """When the next trace begins, in nanoseconds since 1970."""
        return int(self._next_ns)

    def batch(self) -> list[tuple[bytes, int]]:
        """The spans of some hundreds of traces as requests, one per service, each with the number of its spans."""
        random = self._random
        self.recent = random.integers(0, 256, (self._at_once, 16), np.uint8)
        chosen = random.integers(0, len(self._templates), self._at_once)
        users = random.integers(1000, 9999, self._at_once)
        starts_ns = (self._next_ns + np.arange(self._at_once) * self._gap_ns).astype(np.int64)
        self._next_ns += self._at_once * self._gap_ns
        inside: dict[tuple[bytes, bytes], list[bytes]] = defaultdict(list)
        counts: dict[tuple[bytes, bytes], int] = defaultdict(int)
        for number in np.unique(chosen):
            places = np.flatnonzero(chosen == number)
            orders = self._order + places * 131
            for key, content, spans in self._templates[number].copies(
                random, self.recent[places], starts_ns[places], orders, users[places]
            ):
                inside[key].append(content)
                counts[key] += spans
        self._order += self._at_once * 131
        return [(_request(*key, b"".join(contents)), counts[key]) for key, contents in inside.items()]

    def large_trace(self, spans: int, at_ns: int) -> tuple[bytes, list[tuple[bytes, int]]]:
        """One trace of at least so many spans, made of many templates; its id as bytes, and its requests."""
        trace_id = self._random.integers(0, 256, (1, 16), np.uint8)
        # Of a user that nobody else is: a search for one finds ordinary traces.
        nobody = np.zeros(1, np.int64)
        requests: list[tuple[bytes, int]] = []
        made = 0
        while made < spans:
            template = self._templates[int(self._random.integers(0, len(self._templates)))]
            start = np.array([at_ns + made * 100_000], np.int64)
            for key, content, count in template.copies(self._random, trace_id, start, np.array([made]), nobody):
                requests.append((_request(*key, content), count))
            made += template.spans
        return trace_id.tobytes(), requests


def _request(resource: bytes, scope: bytes, spans: bytes) -> bytes:
    scope_spans = bytes_field(2, bytes_field(1, scope) + spans)
    return bytes_field(1, bytes_field(1, resource) + scope_spans)
