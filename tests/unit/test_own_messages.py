"""How a connection is told its user's own messages: each once and in order, wherever the line was cut."""

from collections.abc import Mapping
from typing import Any, cast

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.client_gateway.connection import Connection
from services.client_gateway.frames import text_frame
from services.client_gateway.own_messages import Follower, Heard
from shared.contracts.notifications import ReducedMessage

CHANNELS = frozenset({"orders", "fills"})


class FakeConnection:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[bytes] = []
        self.notes: list[Mapping[str, Any]] = []

    def write(self, frame: bytes) -> None:
        self.told.append(frame)

    write_large = write

    def send(self, message: Mapping[str, Any]) -> None:
        self.notes.append(message)


def message(seq: int, number: int) -> ReducedMessage:
    return ReducedMessage(
        seq=seq, time_us=1, trace_id="", order_id=str(number), symbol="AAPL", side="BUY", quantity=1, open_quantity=1
    )


def frame_of(one: ReducedMessage) -> bytes:
    return text_frame(msgspec.json.encode(one))


def hear(follower: Follower, messages: list[ReducedMessage]) -> None:
    for one in messages:
        follower.hear(Heard(type="reduced", seq=one.seq), frame_of(one))


@given(st.lists(st.integers(1, 3), min_size=1, max_size=8), st.data())
def test_each_message_is_told_once_wherever_the_line_is_cut(sizes: list[int], data: st.DataObject) -> None:
    """Messages may stop in the middle of an event, and come live while those that were missed are read."""
    told = [message(3 * seq, number) for seq, size in enumerate(sizes, 1) for number in range(size)]
    connection = FakeConnection()
    follower = Follower(cast("Connection", connection), CHANNELS)
    follower.begin(0)
    follower.go_on(0)
    cut = data.draw(st.integers(0, len(told)), "heard before the interruption")
    heard_from = data.draw(st.integers(cut, len(told)), "first heard again")
    hear(follower, told[:cut])
    follower.hold()
    # What is heard again is stored by then from its first message's event on, and all before that.
    first = told[heard_from].seq if heard_from < len(told) else 3 * len(sizes)
    stored_to = max(first, data.draw(st.sampled_from([3 * seq for seq in range(len(sizes) + 1)]), "stored up to"))
    hear(follower, told[heard_from:])
    follower.tell([one for one in told if follower.after < one.seq <= stored_to])
    follower.go_on(stored_to)
    assert connection.told == [frame_of(one) for one in told]


@given(st.integers(0, 3))
def test_signing_in_again_goes_on_where_it_was(heard: int) -> None:
    """A follower that replaces another of its connection tells what comes after what that has told."""
    told = [message(3, number) for number in range(3)]
    connection = FakeConnection()
    first = Follower(cast("Connection", connection), CHANNELS)
    first.begin(0)
    first.go_on(0)
    hear(first, told[:heard])
    second = Follower(cast("Connection", connection), CHANNELS)
    second.take_over(first)
    second.tell([one for one in told if one.seq > second.after])
    second.go_on(3)
    assert connection.told == [frame_of(one) for one in told]


def test_only_the_channels_that_are_followed_are_told() -> None:
    """A follower of fills hears of no order, live or afterwards, and is told once of an interruption."""
    connection = FakeConnection()
    follower = Follower(cast("Connection", connection), frozenset({"fills"}))
    follower.begin(0)
    follower.go_on(0)
    hear(follower, [message(1, 1)])
    follower.hear(Heard(type="trade", seq=2), b"trade")
    follower.hold()
    follower.hold()
    follower.tell([message(3, 1)])
    follower.go_on(3)
    assert connection.told == [b"trade"]
    assert [note["type"] for note in connection.notes] == ["interrupted"]
