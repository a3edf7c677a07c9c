"""Conditions decided on a span's bytes, compiled and as plain Python, against reading the span."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from jaegerlite.columns import SpanColumns
from jaegerlite.decode import decode_request
from jaegerlite.find import leaves
from jaegerlite.find.language import AnyText, Condition
from jaegerlite.otlp import value_text
from jaegerlite.otlp_read import read_rest
from jaegerlite.series import SeriesRegistry
from jaegerlite.store import Store
from jaegerlite.tagmatch import ASK, COMPARISONS, NO, YES
from jaegerlite.tags import rest_has
from tests.unit.test_jaegerlite_decode import INSTALLED, PLAIN, SOME_TIME, export_requests

BOTH = (INSTALLED.tagmatch, PLAIN.tagmatch)
WORDS = ("", "a", "5", "true", "-1", "0.5", "rejected", "é")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store without spans: no series decides anything."""
    empty = Store(tmp_path_factory.mktemp("tagmatch"))
    yield empty
    empty.close()


def _rests(request: ExportTraceServiceRequest) -> list[bytes]:
    columns = SpanColumns()
    decode_request(request.SerializeToString(), columns, SeriesRegistry())
    return [columns.rest(row) for row in range(columns.count)]


def _borders(rests: list[bytes]) -> Any:
    return np.concatenate([[0], np.cumsum([len(rest) for rest in rests])]).astype(np.int64)


def _drawn_tag(data: st.DataObject, rests: list[bytes]) -> tuple[str, str]:
    """A key, and a text to compare its value with: often those of an attribute that is there, or part of them."""
    spans = [read_rest(rest) for rest in rests]
    given = [pair for span in spans for pair in span.attributes]
    given += [pair for span in spans for each in (*span.events, *span.links) for pair in each.attributes]
    named = [("event", event.name) for span in spans for event in span.events]
    pairs = [*given, *named, ("otel.status_description", "a"), ("w3c.tracestate", "a"), ("missing", "5")]
    key, value = data.draw(st.sampled_from(pairs))
    text = value_text(value)
    cut = data.draw(st.integers(0, len(text)))
    return key, data.draw(st.sampled_from((text, text.swapcase(), text[cut:], *WORDS)))


@SOME_TIME
@given(request=export_requests(), data=st.data())
def test_a_verdict_is_never_wrong(store: Store, request: ExportTraceServiceRequest, data: st.DataObject) -> None:
    """What is decided on the bytes is what reading the span says, and a span that is left open is read anyway."""
    rests = _rests(request)
    key, text = _drawn_tag(data, rests)
    comparison = data.draw(st.sampled_from(COMPARISONS))
    number = _number_of(text) if comparison != "~" else None
    if number is None and comparison in ("<", "<=", ">", ">="):
        number, text = 1.5, "1.5"
    condition = Condition(key or "missing", comparison, text, number)
    either: tuple[Condition | AnyText, ...] = (condition, AnyText(text or "a"))
    wanted = data.draw(st.sampled_from(either))
    for module in BOTH:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("TagMatcher", "match_rows", "rows_holding"):
                patch.setattr(leaves, name, getattr(module, name))
            leaf = leaves.Leaf(store, wanted)
            verdicts = leaf.verdicts(b"".join(rests), _borders(rests)).tolist()
        for rest, verdict in zip(rests, verdicts, strict=True):
            assert verdict == ASK or verdict == (YES if leaf.rest_fits(read_rest(rest)) else NO)


def _number_of(text: str) -> int | float | None:
    """The number that the search language makes of a text."""
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return None


@SOME_TIME
@given(request=export_requests(), data=st.data())
def test_tags_match_by_their_text(request: ExportTraceServiceRequest, data: st.DataObject) -> None:
    """A tag of Jaeger's search is decided as comparing the texts of all values decides it."""
    rests = _rests(request)
    key, text = _drawn_tag(data, rests)
    for module in BOTH:
        verdicts = np.ones(len(rests), np.uint8)
        module.match_rows(b"".join(rests), _borders(rests), module.tag_matcher(key, text), verdicts)
        for rest, verdict in zip(rests, verdicts.tolist(), strict=True):
            assert verdict == ASK or verdict == (YES if rest_has(read_rest(rest), key, text) else NO)


@pytest.mark.parametrize("module", BOTH, ids=["installed", "plain"])
def test_a_text_is_found_wherever_it_stands(module: Any) -> None:
    """A text is found at the very begin and end of a span, across blocks, in any case, and never across two spans."""
    rests = [b"Needle" + b"." * 200, b"x" * 61 + b"nEEdle", b"nee", b"dle" + b"n" * 130, b"", b"." * 700 + b"NEEDLE"]
    for anchor in range(len(b"needle")):
        found = np.zeros(len(rests), np.uint8)
        module.rows_holding(b"".join(rests), _borders(rests), b"needle", anchor, found)
        assert [row for row in (0, 1, 5) if not found[row]] == []
        assert not found[4]
