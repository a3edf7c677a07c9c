"""What applications hand to spans by mistake: nothing of it may stop the recorder, the redactor or an exporter."""

import enum
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import StatusCode

from shared.tracing.destinations import THRIFT_UDP, Destination
from shared.tracing.export import failing
from shared.tracing.jaeger_thrift import JaegerUdpExporter
from shared.tracing.redact import redact_spans
from shared.tracing.span_group import Ended
from tests.tracing_kit import attributes_of, ended_messages, make_provider


class Color(enum.Enum):
    """A member is no value of OpenTelemetry."""

    RED = "red"


class Size(enum.StrEnum):
    """A member is a string, and more."""

    LARGE = "large"


class Text(str):
    """A string that is none exactly."""

    __slots__ = ()


class Ratio(float):
    """A number that is none exactly."""


class Mute:
    """Has no text."""

    def __str__(self) -> str:
        raise ValueError("no text")


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)

ODD: list[Any] = [
    *(HTTPStatus.OK, Color.RED, Size.LARGE, Text("text"), Ratio(0.5), Mute(), ENDLESS, None, {1, 2}, bytearray(b"ab")),
    *([HTTPStatus.OK, {"a": Size.LARGE, 2: Mute()}], {"a": {"b": ENDLESS, 3: 4}}, object(), -1, 1 << 80, float("nan")),
]
ANYTHING = st.one_of(st.sampled_from(ODD), st.integers(), st.floats(), st.text(), st.binary(), st.none())
HASHABLE = st.sampled_from([1, None, "", "key", Text("key"), Size.LARGE, HTTPStatus.OK, (1, 2), "pässword"])


@given(name=ANYTHING, key=HASHABLE, value=ANYTHING, time_ns=st.integers() | st.floats(0, 1e18))
def test_whatever_is_given_leaves_the_process(name: Any, key: Any, value: Any, time_ns: Any) -> None:
    """A span to which anything at all was given is redacted, encoded and read by the official classes."""
    provider = make_provider()
    tracer = provider.get_tracer(name, name, name, {key: value})
    with tracer.start_as_current_span(name, attributes={key: value}, start_time=time_ns) as span:
        span.set_attribute(key, value)
        span.set_attributes({key: value, "more": value})
        span.add_event(name, {key: value}, time_ns)
        span.add_link(span.get_span_context(), {key: value})
        span.update_name(name)
        span.set_status(StatusCode.ERROR, value)
        span.end(time_ns)
    redact_spans(provider.buffer.ended)
    (message,) = ended_messages(provider)
    assert message.name == span.name
    assert attributes_of(message).keys() >= {"more"}
    exporter = JaegerUdpExporter(Destination(THRIFT_UDP, "udp://127.0.0.1:6831"))
    assert sum(count for count, _ in exporter.encode(list(provider.buffer.ended))) == 1


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (HTTPStatus.OK, 200),
        (Size.LARGE, "large"),
        (Ratio(0.5), 0.5),
        (Color.RED, "Color.RED"),
        ([HTTPStatus.OK, Text("a")], [200, "a"]),
        ({"a": {1: 2, "b": Size.LARGE}}, {"a": {"b": "large"}}),
        (Mute(), "<Mute>"),
    ],
)
def test_values_are_kept_as_what_they_stand_for(value: Any, kept: Any) -> None:
    """Members of enumerations and other subclasses arrive as plain values, whichever way they were set."""
    provider = make_provider()
    with provider.get_tracer("library").start_as_current_span("a", attributes={"given": value}) as span:
        span.set_attribute("set", value)
    assert attributes_of(ended_messages(provider)[0]) == {"given": kept, "set": kept}


def test_keys_that_are_no_text_are_dropped_and_counted() -> None:
    """A number as the key of an attribute costs that attribute only."""
    provider = make_provider()
    keys: dict[Any, str] = {1: "a", "": "b", "kept": "c"}
    with provider.get_tracer("library").start_as_current_span("a", attributes=keys) as span:
        span.set_attribute(None, "d")
    (message,) = ended_messages(provider)
    assert attributes_of(message) == {"kept": "c"}
    assert message.dropped_attributes_count == 3


def test_one_bad_span_takes_no_other_with_it() -> None:
    """What can't be done with one span of a batch is done with all others, and tells which one it was."""
    provider = make_provider()
    for number in range(9):
        provider.get_tracer("library").start_span(str(number)).end()
    done: list[Ended] = []

    def work(batch: Any) -> None:
        if any(entry.span_name == "5" for entry in batch):
            raise ValueError("bad")
        done.extend(batch)

    batch = list(provider.buffer.ended)
    assert [entry.span_name for entry in failing(work, batch)] == ["5"]
    assert [entry.span_name for entry in done] == [str(number) for number in range(9) if number != 5]
