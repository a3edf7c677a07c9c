"""Attributes known before their spans, and groups of spans: what is sent is what single spans would have sent."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from shared.tracing import FixedAttributes, ItemAttributes, current_span, describe, item_spans, statement_spans
from shared.tracing.otlp import encode_request
from shared.tracing.provider import TracerProvider
from shared.tracing.sampling import Sampler
from shared.tracing.settings import Limits
from shared.tracing.w3c import format_traceparent, parse_traceparent
from tests.tracing_kit import attributes_of, ended_messages, ended_spans, make_provider

ONE = "00-" + "1" * 32 + "-" + "a" * 16 + "-01"
TWO = "00-" + "2" * 32 + "-" + "b" * 16 + "-01"
NUMBERS = st.integers(min_value=0, max_value=2**64 - 1)


@dataclass(frozen=True)
class Order:
    """An item as services have them."""

    order_id: Any
    symbol: Any
    side: int = 1
    price: int = 0


ORDER = ItemAttributes(
    {
        "order.id": ("order_id", str),
        "order.symbol": "symbol",
        "order.side": ("side", {1: "BUY", 2: "SELL"}),
        "order.price": ("price", lambda price: f"{price / 10_000:.2f}"),
    },
    {"messaging.system": "redis"},
)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> TracerProvider:
    """A fresh provider of ours, global for the test."""
    return install(monkeypatch, make_provider())


def install(monkeypatch: pytest.MonkeyPatch, made: TracerProvider) -> TracerProvider:
    """Make a provider the global one."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", made)
    return made


@given(
    order=st.builds(
        Order,
        order_id=st.integers() | st.text(max_size=20) | st.none(),
        symbol=st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.lists(st.integers(), max_size=3),
        side=st.integers(min_value=0, max_value=3),
        price=st.integers(min_value=0, max_value=10**15),
    )
)
def test_what_is_read_from_an_item_is_sent_as_if_it_had_been_given(order: Order) -> None:
    """Encoded from the item or set as plain attributes, a span's attributes are the same, in the same order."""
    provider = make_provider()
    with pytest.MonkeyPatch.context() as patch:
        install(patch, provider)
        with item_spans("create_order", [ONE], attributes=ORDER, items=[order]):
            pass
        with item_spans("create_order", [ONE], attributes=[ORDER.attributes(order)]):
            pass
    described, given_ = ended_messages(provider)
    assert described.attributes == given_.attributes
    assert dict(ended_spans(provider)[0].attributes) == dict(ended_spans(provider)[1].attributes)


def test_items_and_codes_read_as_text(provider: TracerProvider) -> None:
    """Ids become text, codes their names, and what an item does not have is left out."""
    with item_spans("create_order", [ONE], attributes=ORDER, items=[Order(2**63 - 1, None, 2, 1_500_000)]):
        pass
    assert attributes_of(ended_messages(provider)[0]) == {
        "messaging.system": "redis",
        "order.id": str(2**63 - 1),
        "order.side": "SELL",
        "order.price": "150.00",
    }


def test_a_described_attribute_can_be_set_anew(provider: TracerProvider) -> None:
    """Setting an attribute that was described replaces it: no span has a key twice."""
    with item_spans("create_order", [ONE, TWO], attributes=ORDER, items=[Order(1, "AAPL"), Order(2, "AAPL")]) as spans:
        spans[0].set_attribute("order.symbol", "MSFT")
        spans[0].set_attribute("batch.size", 7)
        spans[1].set_attribute("order.status", "NEW")
    first, second = ended_messages(provider)
    assert len(first.attributes) == len({pair.key for pair in first.attributes})
    assert (attributes_of(first)["order.symbol"], attributes_of(first)["batch.size"]) == ("MSFT", 7)
    assert [pair.key for pair in second.attributes][-2:] == ["batch.size", "order.status"]


def test_an_item_describes_a_span_that_is_open(provider: TracerProvider) -> None:
    """A span takes over an item's attributes later in place of its own of the same name; a second one adds to them."""
    tracer = provider.get_tracer("library")
    with tracer.start_as_current_span("POST", attributes={"order.id": "?", "url.path": "/v1/order"}):
        describe(current_span(), ORDER, Order(7, "AAPL"))
        describe(current_span(), ItemAttributes({"user.id": ("order_id", str)}), Order(9, None))
    assert attributes_of(ended_messages(provider)[0]) == {
        "url.path": "/v1/order",
        "messaging.system": "redis",
        "order.id": "7",
        "order.symbol": "AAPL",
        "order.side": "BUY",
        "order.price": "0.00",
        "user.id": "9",
    }
    describe(current_span(), ORDER, Order(7, "AAPL"))


def test_items_lead_further_in(provider: TracerProvider) -> None:
    """An attribute may come from deep inside an item, and a number may stand in a text."""
    described = ItemAttributes(
        {"first": "0.symbol", "inner": ("1.symbol.order_id", "{}-0"), "made": lambda pair: len(pair), "none": "0.price"}
    )
    item = (Order(1, "AAPL", price=None), Order(2, Order(3, "MSFT")))  # type: ignore[arg-type]
    with item_spans("settle_trade", [ONE], attributes=described, items=[item]):
        pass
    assert attributes_of(ended_messages(provider)[0]) == {"first": "AAPL", "inner": "3-0", "made": 2}


def test_what_is_described_is_redacted(provider: TracerProvider) -> None:
    """Secrets in items and in fixed attributes do not leave, card numbers in place of ids neither; ids stay."""
    described = ItemAttributes(
        {"session.token": "symbol", "note": "symbol", "order.id": ("order_id", str), "price": ("price", str)},
        {"db.query.text": "SELECT 'x' WHERE id = 5", "password": "hunter2"},
    )
    order = Order(4111111111111111, "ada@example.org", price=411111111111111111)
    with item_spans("login", [ONE], attributes=described, items=[order]):
        pass
    assert attributes_of(ended_messages(provider)[0]) == {
        "db.query.text": "SELECT ? WHERE id = ?",
        "password": "REDACTED",
        "session.token": "REDACTED",
        "note": "REDACTED",
        "order.id": "REDACTED",
        "price": "411111111111111111",
    }


def test_an_item_that_cannot_be_read_costs_only_its_attribute(
    provider: TracerProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """A described attribute that its item lacks is logged and left out; the span and all others are sent."""
    with item_spans("create_order", [ONE], attributes=ORDER, items=[object()]):
        pass
    assert attributes_of(ended_messages(provider)[0]) == {"messaging.system": "redis"}
    assert "order.symbol" in caplog.text


@pytest.mark.parametrize("limits", [Limits(span_attributes=3), Limits(span_value_length=2)])
def test_limits_hold_for_what_is_described(monkeypatch: pytest.MonkeyPatch, limits: Limits) -> None:
    """Items and statements obey the limits on the number and the length of attributes."""
    provider = install(monkeypatch, make_provider(limits))
    fixed = FixedAttributes({"a": "long", "b": "long", "c": "long"})
    with (
        item_spans("create_order", [ONE, TWO], attributes=ORDER, items=[Order(1234, "AAPL")] * 2) as spans,
        statement_spans(spans, "INSERT order", fixed),
    ):
        pass
    for message in ended_messages(provider):
        values = attributes_of(message).values()
        assert len(values) <= limits.span_attributes
        assert all(len(value) <= (limits.span_value_length or 10) for value in values if isinstance(value, str))
        assert message.dropped_attributes_count == (len(values) == 3) * (1 if message.name == "INSERT order" else 3)


def test_a_sampler_sees_what_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sampler that decides for every span is shown the attributes that its item will give it."""
    seen: list[Any] = []

    class Looks(Sampler):
        def keep(self, trace_low: int, name: str, kind: Any, attributes: Any) -> bool:
            seen.append(attributes)
            return True

    provider = install(monkeypatch, make_provider(sampler=Looks(parent_based=False)))
    with item_spans("create_order", [ONE], attributes=ORDER, items=[Order(1, "AAPL")]):
        pass
    assert seen[0]["order.symbol"] == "AAPL"
    assert len(ended_messages(provider)) == 1


@pytest.mark.parametrize("attributes", [None, {"db.system.name": "x"}, FixedAttributes({"messaging.system": "redis"})])
def test_a_group_is_sent_as_the_spans_it_stands_for(provider: TracerProvider, attributes: Any) -> None:
    """What one statement left in many traces reads the same whether it is encoded at once or span by span."""
    with item_spans("create_order", [ONE, TWO, ""]) as spans, statement_spans(spans, "INSERT order", attributes):
        pass
    together = encode_request(provider.resource, provider.buffer.ended)
    assert together == encode_request(provider.resource, ended_spans(provider))
    statements = ended_messages(provider)[:3]
    assert len({message.span_id for message in statements}) == 3
    parents = [f"{span.get_span_context().span_id:016x}" for span in spans]
    assert [message.parent_span_id.hex() for message in statements] == parents


def test_a_statement_carries_the_tracestate_of_its_trace(provider: TracerProvider) -> None:
    """The tracestate that came with one of the traces is in its statement's span, and in no other's."""
    remote = SpanContext(5, 6, True, TraceFlags(1), TraceState([("vendor", "value")]))
    stated = provider.get_tracer("library").start_span("stated", trace.set_span_in_context(NonRecordingSpan(remote)))
    with item_spans("create_order", [ONE]) as spans, statement_spans([*spans, stated], "INSERT order"):
        pass
    statements = [message for message in ended_messages(provider) if message.name == "INSERT order"]
    assert [message.trace_state for message in statements] == ["", "vendor=value"]


def test_a_full_buffer_counts_the_spans_of_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a group has to go, as many spans are counted as dropped as it stood for."""
    provider = install(monkeypatch, make_provider(max_queue_size=2))
    with item_spans("create_order", [ONE, TWO]) as spans, statement_spans(spans, "INSERT order"):
        pass
    assert (provider.buffer.recorded, provider.buffer.dropped) == (4, 2)


def test_a_statement_is_no_part_of_a_trace_that_was_sampled_out(provider: TracerProvider) -> None:
    """Of two items, one of them sampled out, only the other gets the statement's span."""
    with item_spans("create_order", [ONE[:-1] + "0", TWO]) as spans, statement_spans(spans, "INSERT order"):
        pass
    assert [(message.name, message.trace_id.hex()) for message in ended_messages(provider)] == [
        ("INSERT order", "2" * 32),
        ("create_order", "2" * 32),
    ]


@given(high=NUMBERS, low=NUMBERS, span_id=NUMBERS, flags=st.integers(min_value=0, max_value=255))
def test_traceparents_are_read_as_they_are_written(high: int, low: int, span_id: int, flags: int) -> None:
    """Any ids come out of a header as they went in; ids of zeros are none."""
    header = format_traceparent(high, low, span_id, flags)
    assert header == f"00-{high:016x}{low:016x}-{span_id:016x}-{flags:02x}"
    assert parse_traceparent(header) == ((high, low, span_id, flags) if span_id and (high or low) else None)
