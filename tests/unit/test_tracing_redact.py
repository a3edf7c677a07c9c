"""Nothing sensitive leaves the process, and what is harmless leaves as it is."""

import random
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from shared.ids import first_at
from shared.tracing import ItemAttributes, record_error
from shared.tracing.cards import IN_TEXT, is_card, is_card_as_id
from shared.tracing.console import ConsoleExporter
from shared.tracing.destinations import OTLP_HTTP, THRIFT_HTTP, THRIFT_UDP, Destination
from shared.tracing.jaeger_thrift import JaegerHttpExporter, JaegerUdpExporter
from shared.tracing.otlp_http import OtlpHttpExporter
from shared.tracing.outlet import Exporter
from shared.tracing.redact import (
    PATTERNS,
    is_suspect,
    redact_attributes,
    redact_spans,
    redact_text,
)
from tests.tracing_kit import make_provider

JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJkZW1vIn0.c2lnbmF0dXJlLWhlcmU"
SECRETS = ["hunter2-secret", JWT, "jane.doe@example.com", "4111 1111 1111 1111", "4111111111111111", "c2VjcmV0LWJhc2lj"]


def redacted(attributes: dict[str, Any]) -> dict[str, Any]:
    """The mapping after redaction."""
    redact_attributes(attributes)
    return attributes


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "user.password",
        "http.request.header.authorization",
        "http.request.header.cookie",
        "access_token",
        "api-key",
        "client_secret",
        "card.number",
        "user.email",
        "session_id",
    ],
)
def test_sensitive_keys_hide_their_values(key: str) -> None:
    """Whatever stands under a key that speaks of secrets is hidden, lists and bytes too."""
    assert redacted({key: "short"}) == {key: "REDACTED"}
    assert redacted({key: ("a", "b")}) == {key: "REDACTED"}
    assert redacted({key: b"raw"}) == {key: "REDACTED"}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("mail to jane.doe@example.com now", "mail to REDACTED now"),
        (f"token is {JWT}!", "token is REDACTED!"),
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer REDACTED"),
        ("paid with 4111 1111 1111 1111.", "paid with REDACTED."),
        ("postgresql://user:pa55@host/db", "postgresql://REDACTED@host/db"),
        ('{"password": "hunter2"}', '{"password": REDACTED"}'),
        ("password=hunter2&x=1", "password=REDACTED&x=1"),
    ],
)
def test_patterns_are_hidden_in_any_text(text: str, clean: str) -> None:
    """Credentials and personal data inside a longer text are cut out of it."""
    assert redact_text(text) == clean


def test_statements_lose_their_literals() -> None:
    """Quoted texts and numbers in SQL become question marks; placeholders and names stay."""
    statement = "SELECT * FROM t1 WHERE name = 'O''Hara' AND n > 42.5 AND id = $1"
    expected = "SELECT * FROM t1 WHERE name = ? AND n > ? AND id = $1"
    assert redacted({"db.query.text": statement}) == {"db.query.text": expected}


def test_urls_lose_their_query_values() -> None:
    """The names of query parameters stay, their values go."""
    assert redacted({"url.full": "http://h/p?q=abc&key=1#top", "url.query": "q=abc&key=1"}) == {
        "url.full": "http://h/p?q=REDACTED&key=REDACTED#top",
        "url.query": "q=REDACTED&key=REDACTED",
    }


def test_what_is_harmless_is_left_alone() -> None:
    """Ids, counts, prices, templates and ordinary names pass unchanged."""
    harmless = {
        "order.id": "0192f3c1-7b7e-7cc3-98a4-dc0c0c07398f",
        "user.id": "user-42",
        "order.quantity": 4111111111111111,
        "trade.id": "4111111111111112",
        "took_s": "0.4532015112830366",
        "batch.size": 3,
        "http.route": "/v1/order/{order_id}",
        "trace": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "number": "1234 5678 9012 3456",
        "service.instance.id": "0192f3c1",
        "nested": (1, "two", True),
    }
    assert redacted(dict(harmless)) == harmless


CARDS = [
    "4111111111111111",  # Visa
    "4222222222222",
    "5555555555554444",  # Mastercard
    "2223003122003222",
    "378282246310005",  # American Express
    "30569309025904",  # Diners Club
    "3530111333300000",  # JCB
    "6011111111111117",  # Discover
    "6200000000000005",  # UnionPay
    "6759649826438453",  # Maestro
    "2200000000000004",  # Mir
]
"""Numbers that the issuers publish for tests, or made like them."""


@pytest.mark.parametrize("card", CARDS)
def test_card_numbers_are_known_by_issuer_and_check_digit(card: str) -> None:
    """In one piece or in groups, in text or as a number in an id's place; with another check digit it is no card."""
    other = f"{card[:-1]}{(int(card[-1]) + 1) % 10}"
    assert is_card(card)
    assert not is_card(other)
    grouped = " ".join(card[at : at + 4] for at in range(0, len(card), 4))
    if card.startswith("3") and len(card) < 16:
        grouped = f"{card[:4]}-{card[4:10]}-{card[10:]}"
    for written in (card, grouped):
        assert redact_text(f"paid with {written}, thanks") == "paid with REDACTED, thanks"
    assert redact_text(f"paid with {other}, thanks") == f"paid with {other}, thanks"
    assert redacted({"order.id": card, "user.id": int(card)}) == {"order.id": "REDACTED", "user.id": "REDACTED"}
    assert redacted({"order.id": other, "user.id": int(other)}) == {"order.id": other, "user.id": int(other)}
    item = SimpleNamespace(order_id=int(card), other=int(other))
    described = ItemAttributes({"order.id": ("order_id", str), "user.id": ("other", str)})
    assert described.attributes(item) == {"order.id": "REDACTED", "user.id": other}


@given(st.datetimes(datetime(2026, 1, 1), datetime(2032, 1, 1)), st.integers(0, 2**22 - 1))
def test_an_order_id_is_never_taken_for_a_card(made: datetime, rest: int) -> None:
    """Whatever its check digit: ids of a clock have a length of their own, in years to come, too."""
    order_id = first_at(int(made.replace(tzinfo=UTC).timestamp() * 1e6)) | rest
    assert not is_card_as_id(order_id)
    attributes = {"order.id": str(order_id), "trade.id": order_id}
    assert redacted(dict(attributes)) == attributes


@given(st.integers(-(2**70), 2**70))
def test_any_number_in_an_ids_place_is_judged_as_its_digits_are(number: int) -> None:
    """The quick look at a number says what the digits say, also beyond 64 bits."""
    assert is_card_as_id(number) == (is_card(str(number)) and len(str(number)) != 18)


def test_few_random_numbers_look_like_cards() -> None:
    """Of numbers of a card's length one in 20 at most is hidden, not one in ten as by the check digit alone."""
    source = random.Random(7)
    for digits in (13, 16, 19):
        hidden = sum(is_card(str(source.randrange(10 ** (digits - 1), 10**digits))) for _ in range(20_000))
        assert hidden < 20_000 / 20


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    """A redacted text is clean: a second pass leaves it as it is."""
    once = redact_text(text)
    assert redact_text(once) == once


EXPORTERS = [
    OtlpHttpExporter(Destination(OTLP_HTTP, "http://here/v1/traces")),
    JaegerUdpExporter(Destination(THRIFT_UDP, "udp://here:6831")),
    JaegerHttpExporter(Destination(THRIFT_HTTP, "http://here:14268/api/traces")),
    ConsoleExporter(),
]


@pytest.mark.parametrize("exporter", EXPORTERS, ids=lambda exporter: type(exporter).__name__)
def test_secrets_leave_no_byte_in_what_is_sent(exporter: Exporter) -> None:
    """Secrets planted in every place a span has are in none of the bytes that go out, whatever the protocol."""
    provider = make_provider()
    tracer = provider.get_tracer("library")
    for secret in SECRETS:
        loud = f"password={secret}" if secret == SECRETS[0] else secret
        loud = f"Basic {secret}" if secret == SECRETS[-1] else loud
        state = TraceState([("vendor", secret)]) if redact_text(secret) != secret else None
        caller = SpanContext(1, 2, True, TraceFlags(1), state)
        span = tracer.start_span(
            f"GET {loud}",
            trace.set_span_in_context(NonRecordingSpan(caller)),
            attributes={"token": secret, "note": f"see {loud}"},
        )
        span.set_attribute("list", [loud, "other"])
        span.set_attribute("map", {"inner": loud, "secret": secret})
        span.set_attribute("raw", loud.encode())
        span.add_event(f"event {loud}", {"cookie": secret, "text": loud})
        span.add_link(caller, {"why": loud, "authorization": secret})
        record_error(span, ValueError(f"failed for {loud}"))
        span.end()
    spans = list(provider.buffer.ended)
    redact_spans(spans)
    sent = b"".join(payload for _, payload in exporter.encode(spans))
    assert sent.count(b"GET ") == len(SECRETS)
    assert [secret for secret in SECRETS if secret.encode() in sent] == []


@given(st.text(st.sampled_from("eyJrcBb -@:=.0123456789\tx"), max_size=40))
def test_the_first_look_never_misses_what_the_patterns_find(text: str) -> None:
    """A text that the quick check passes is one that no pattern would have changed."""
    if not is_suspect(text):
        for pattern, replacement in PATTERNS:
            assert pattern.sub(replacement, text) == text
        assert IN_TEXT.search(text) is None
