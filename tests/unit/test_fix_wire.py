"""FIX as bytes: what is cut out of a stream, whatever else is in it and however it arrives."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.fix_gateway.wire import DATA_LENGTHS, Framer, Message, fields_of, message_text, printable

ORDER = message_text([(35, "D"), (49, "alice"), (11, "one"), (55, "AAPL")])
BEAT = message_text([(35, "0"), (49, "alice"), (34, "7")])


def cut(data: bytes, message_bytes_max: int = 4096) -> tuple[list[str], int]:
    """The messages of a stream, and how many passages were garbled."""
    framer = Framer(message_bytes_max)
    return framer.feed(data), framer.garbled


def test_a_message_carries_its_length_and_checksum() -> None:
    """Length counts from after its own field to before the checksum, which is the sum of all bytes before it."""
    text = message_text([(35, "0"), (49, "A"), (56, "")])
    assert text == "8=FIX.4.4\x019=10\x0135=0\x0149=A\x0110=187\x01"
    assert fields_of(text) == [(8, "FIX.4.4"), (9, "10"), (35, "0"), (49, "A"), (10, "187")]


@given(st.lists(st.integers(1, len(ORDER + BEAT) - 1), max_size=6))
def test_messages_are_the_same_however_they_arrive(places: list[int]) -> None:
    """A stream that is cut anywhere gives the same messages."""
    data, framer, found = (ORDER + BEAT).encode(), Framer(4096), []
    for start, end in zip([0, *sorted(places)], [*sorted(places), len(data)], strict=True):
        found += framer.feed(data[start:end])
    assert (found, framer.garbled) == ([ORDER, BEAT], 0)


@given(st.binary(max_size=40).filter(lambda data: b"8=FIX" not in data + b"8=FIX"[:4]))
@settings(max_examples=50)
def test_what_is_no_message_is_passed_over(garbage: bytes) -> None:
    """After garbage the next message is found again."""
    assert cut(garbage + ORDER.encode())[0] == [ORDER]


def test_garbled_messages_are_passed_over_and_counted() -> None:
    """A wrong checksum, a wrong length, one that is no number or too large: none of them takes the next one along."""
    wrong_sum = ORDER[:-4] + ("000" if ORDER[-4:-1] != "000" else "001") + "\x01"
    length = f"9={len(ORDER.split(chr(1), 2)[2]) - 7}"
    for wrong in (
        wrong_sum,
        ORDER.replace(length, "9=3"),
        ORDER.replace(length, "9=x"),
        ORDER.replace(length, "9=99999999"),
        ORDER.replace("9=", "7="),
        "8=FIX",
        "8=FIX.4.4\x01" + "9" * 50,
    ):
        found, garbled = cut((wrong + BEAT).encode())
        assert found == [BEAT], wrong
        assert garbled >= 1, wrong


def test_a_length_that_is_too_long_costs_the_message_after_it_only_time() -> None:
    """It is waited for, then found to be wrong, and what came meanwhile is read."""
    framer = Framer(4096)
    assert framer.feed((ORDER.replace("9=", "9=1", 1) + BEAT).encode()) == []
    found = []
    for _ in range(20):
        found += framer.feed(BEAT.encode())
    assert found == [BEAT] * 21


def test_bytes_that_are_not_ascii_are_garbled() -> None:
    """FIX 4.4 is ASCII; a message with anything else is passed over."""
    body = b"35=D\x0158=" + bytes([233]) + b"\x01"
    head = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    assert cut(head + b"10=%03d\x01" % (sum(head) % 256) + BEAT.encode())[0] == [BEAT]


def test_data_is_as_long_as_it_says() -> None:
    """A field of data may hold anything but ends where its length says; QuickFIX would read on beyond the message."""
    for tag, length in DATA_LENGTHS.items():
        right = message_text([(35, "B"), (length, "7"), (tag, "a\x01355=b"), (58, "x")])
        assert cut((right + BEAT).encode()) == ([right, BEAT], 0), tag
        for wrong in ("6", "8", "9", "100000000", "4294967303", "9" * 30, "-5", "", "x"):
            garbled = message_text([(35, "B"), (length, wrong), (tag, "a\x01355=b"), (58, "x")])
            assert cut((garbled + BEAT).encode())[0] == [BEAT], (tag, wrong)
    alone = message_text([(35, "B"), (355, "abc")])
    elsewhere = message_text([(35, "B"), (354, "3"), (58, "x"), (355, "abc")])
    disguised = message_text([(35, "B"), (354, "99")]).replace("354=99\x01", "354=99\x0100355=abc\x01")
    body = disguised.split("\x01", 2)[2].rpartition("10=")[0]
    disguised = f"8=FIX.4.4\x019={len(body)}\x01{body}"
    disguised += f"10={sum(disguised.encode()) % 256:03d}\x01"
    for wrong in (alone, elsewhere, disguised):
        assert cut((wrong + BEAT).encode())[0] == [BEAT], wrong


def test_a_tag_that_is_no_number_of_a_field_is_none() -> None:
    """However long: it is left out."""
    assert fields_of("9" * 5000 + "=x\x01" + "58=y\x01") == [(58, "y")]


def test_a_message_tells_its_fields() -> None:
    """The first value of a tag, all values of one in a group, and whether it may have come before."""
    message = Message(message_text([(35, "V"), (55, "AAPL"), (55, "AMZN"), (97, "Y")]))
    assert (message.type, message.get(55), message.all(55), message.get(1)) == ("V", "AAPL", ["AAPL", "AMZN"], "")
    assert message.may_be_known
    assert not Message(BEAT).may_be_known


def test_text_is_ascii_without_control_characters() -> None:
    """Nothing that a Text says can end its field or begin another."""
    assert printable("caf\u00e9\x01 35=D\n") == "caf?? 35=D?"
