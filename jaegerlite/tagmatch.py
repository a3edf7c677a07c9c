# cython: language_level=3, annotation_typing=False
# mypy: disable-error-code="no-any-return"
"""Which spans have an attribute that fits, decided on their bytes: yes, no, or to be read to be certain.

A search over millions of spans makes no object of any of them: a value's text, integer or boolean is compared where it
lies. What is rare and dear to compare (floats, lists, maps, texts beyond ASCII in any case) is left to who reads the
span. Compiled where a C compiler is at hand (`tagmatch.pxd`), the same as plain Python.
"""

import re

import cython

from jaegerlite.columns import I64Array, U8Array
from jaegerlite.wire import FieldReader

VARINT = cython.declare(cython.int, 0)
FIXED64 = cython.declare(cython.int, 1)
BYTES = cython.declare(cython.int, 2)
I64_MAX = cython.declare(cython.longlong, 0x7FFFFFFFFFFFFFFF)
# Below it a float holds every integer.
EXACT_MAX = cython.declare(cython.longlong, 1 << 52)
BLOCK_BYTES = cython.declare(cython.Py_ssize_t, 64)

NO, YES, ASK = 0, 1, 2
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=", "~")
EQUAL = cython.declare(cython.int, 0)
UNEQUAL = cython.declare(cython.int, 1)
LESS = cython.declare(cython.int, 2)
LESS_EQUAL = cython.declare(cython.int, 3)
GREATER = cython.declare(cython.int, 4)
GREATER_EQUAL = cython.declare(cython.int, 5)
HOLDS = cython.declare(cython.int, 6)

EVENT_KEY = b"event"
MESSAGE_KEY = b"otel.status_description"
TRACE_STATE_KEY = b"w3c.tracestate"
# What the texts of floats and booleans are made of.
NUMBER_LIKE = re.compile(r"[-+0-9.aefilnrstu]*")
NUMBER_STARTS = b"0123456789+-. \t\r\n\x0b\x0ciInN_"


class TagMatcher:
    """One wanted tag. After `span`: `verdict`, which is NO (0), YES (1) or ASK (2) for a span that has to be read."""

    def __init__(
        self, key: bytes | None, comparison: str, text: bytes, *, whole: int | None, number: float, in_numbers: bool
    ) -> None:
        """Prepare a comparison.

        Args:
            key: the tag's key, UTF-8; None for any.
            comparison: one of `COMPARISONS`; `~` is for a value that holds the text, in any case.
            text: the text to compare with, UTF-8; in lower case for `~`.
            whole: the integer that an integer value has to be for `=`; None for none.
            number: what `<` and the like compare with.
            in_numbers: whether the text of a float or a boolean may be, or hold, this text.
        """
        self.any_key = key is None
        self.key = key or b""
        self.is_event_key = key is None or key == EVENT_KEY
        self.how = COMPARISONS.index(comparison)
        self.text = text
        self.key_bytes = self.key
        self.text_bytes = text
        self.is_ascii = text.isascii()
        self.has_whole = whole is not None and -(1 << 63) <= whole < 1 << 63
        self.whole = whole if self.has_whole else 0
        self.number = number
        self.in_numbers = in_numbers
        self.verdict = 0
        self.reader = FieldReader(b"")
        self.buf = b""

    def begin(self, data: bytes) -> None:
        """Look into other bytes from now on."""
        self.reader = FieldReader(data)
        self.buf = data

    def is_key(self, start: int, stop: int) -> bool:
        """Whether the wanted key stands here."""
        if self.any_key:
            return True
        size = len(self.key)
        if stop - start != size:
            return False
        # Keys begin alike more often than they end alike.
        at = size - 1
        while at >= 0:
            if self.buf[start + at] != self.key_bytes[at]:
                return False
            at -= 1
        return True

    def is_text(self, start: int, stop: int) -> bool:
        """Whether the wanted text stands here."""
        size = len(self.text)
        if stop - start != size:
            return False
        at = 0
        while at < size:
            if self.buf[start + at] != self.text_bytes[at]:
                return False
            at += 1
        return True

    def holds(self, start: int, stop: int) -> bool:
        """Whether these bytes hold the wanted text, letters of ASCII in any case."""
        size = len(self.text)
        while start + size <= stop:
            at = 0
            while at < size:
                byte = self.buf[start + at]
                if 65 <= byte <= 90:
                    byte += 32
                if byte != self.text_bytes[at]:
                    break
                at += 1
            if at == size:
                return True
            start += 1
        return False

    def of_text(self, start: int, stop: int) -> int:
        """The verdict on a text."""
        if self.how == EQUAL:
            return 1 if self.is_text(start, stop) else 0
        if self.how == UNEQUAL:
            return 0 if self.is_text(start, stop) else 1
        if self.how == HOLDS:
            if self.is_ascii:
                return 1 if self.holds(start, stop) else 0
            while start < stop:
                if self.buf[start] > 127:
                    return 2
                start += 1
            return 0
        if start == stop:
            return 0
        return 2 if self.buf[start] > 127 or self.buf[start] in NUMBER_STARTS else 0

    def of_integer(self, value: int) -> int:
        """The verdict on an integer."""
        if self.how == EQUAL:
            return 1 if self.has_whole and value == self.whole else 0
        if self.how == UNEQUAL:
            return 0 if self.has_whole and value == self.whole else 1
        if self.how == HOLDS:
            return 1 if self.in_numbers and self.text in b"%d" % value else 0
        if not -EXACT_MAX < value < EXACT_MAX:
            return 2
        return 1 if self.is_in_order(value) else 0

    def of_boolean(self, value: int) -> int:
        """The verdict on a boolean, which is 1 or 0."""
        if self.how == EQUAL or self.how == UNEQUAL:
            same = self.text == (b"true" if value else b"false")
            return 1 if same == (self.how == EQUAL) else 0
        if self.how == HOLDS:
            return 1 if self.in_numbers and self.text in (b"true" if value else b"false") else 0
        return 1 if self.is_in_order(value) else 0

    def is_in_order(self, value: float) -> bool:
        """Whether `<` and the like hold."""
        if self.how == LESS:
            return value < self.number
        if self.how == LESS_EQUAL:
            return value <= self.number
        if self.how == GREATER:
            return value > self.number
        return value >= self.number

    def of_other(self, wire: int, number: int) -> int:
        """The verdict on a float, a list, a map or bytes."""
        if wire == FIXED64 and number == 4:
            if self.how == EQUAL or self.how == HOLDS:
                return 2 if self.in_numbers else 0
            if self.how == UNEQUAL:
                return 2 if self.in_numbers else 1
            return 2
        if wire == BYTES and 5 <= number <= 7:
            return 2 if self.how == EQUAL or self.how == UNEQUAL or self.how == HOLDS else 0
        return 2

    def of_value(self, pos: int, end: int) -> int:
        """The verdict on an `AnyValue`; an empty one has to be read."""
        reader = self.reader
        verdict = 2
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 1 and reader.wire == BYTES:
                verdict = self.of_text(reader.start, reader.stop)
            elif reader.number == 2 and reader.wire == VARINT:
                verdict = self.of_boolean(1 if reader.value else 0)
            elif reader.number == 3 and reader.wire == VARINT:
                signed = cython.cast(cython.longlong, reader.value)
                if not cython.compiled and signed > I64_MAX:
                    signed -= 1 << 64
                verdict = self.of_integer(signed)
            else:
                verdict = self.of_other(reader.wire, reader.number)
        return verdict

    def note(self, verdict: int) -> int:
        """Take in the verdict on one of the values: one that fits is enough."""
        if verdict == 1 or (verdict == 2 and self.verdict == 0):
            self.verdict = verdict
        return 0

    def attribute(self, pos: int, end: int) -> int:
        """A `KeyValue`; whether its key is the wanted one."""
        reader = self.reader
        is_wanted = self.any_key or not self.key
        value_start = value_stop = 0
        while pos < end:
            pos = reader.read(pos, end)
            if reader.wire == BYTES:
                if reader.number == 1:
                    is_wanted = self.is_key(reader.start, reader.stop)
                elif reader.number == 2:
                    value_start = reader.start
                    value_stop = reader.stop
        if is_wanted:
            self.note(self.of_value(value_start, value_stop))
        return 1 if is_wanted else 0

    def nested(self, pos: int, end: int, number: int) -> int:
        """The attributes of an event or a link, in its fields of this number."""
        reader = self.reader
        seen = 0
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == number and reader.wire == BYTES:
                seen |= self.attribute(reader.start, reader.stop)
        return seen

    def event(self, pos: int, end: int) -> int:
        """An event: its attributes, and its name, which counts as its attribute `event` unless it has one."""
        seen = self.nested(pos, end, 3)
        if not self.is_event_key:
            return 0
        reader = self.reader
        verdict = 0
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 2 and reader.wire == BYTES:
                verdict = self.of_text(reader.start, reader.stop) if reader.stop > reader.start else 0
        # Of any key, or where there is such an attribute, the name may not count: who reads the event knows.
        return self.note(2 if verdict and seen else verdict)

    def status(self, pos: int, end: int) -> int:
        """A `Status`, whose text counts as an attribute."""
        reader = self.reader
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 2 and reader.wire == BYTES and reader.stop > reader.start:
                self.note(self.of_text(reader.start, reader.stop))
        return 0

    def span(self, pos: int, end: int) -> int:
        """The kept part of a span."""
        reader = self.reader
        self.verdict = 0
        while pos < end and self.verdict != 1:
            pos = reader.read(pos, end)
            if reader.wire != BYTES:
                continue
            if reader.number == 9:
                self.attribute(reader.start, reader.stop)
            elif reader.number == 11:
                self.event(reader.start, reader.stop)
            elif reader.number == 13:
                self.nested(reader.start, reader.stop, 4)
            elif reader.number == 15:
                if self.any_key or self.key == MESSAGE_KEY:
                    self.status(reader.start, reader.stop)
            elif reader.number == 3 and (self.any_key or self.key == TRACE_STATE_KEY) and reader.stop > reader.start:
                self.note(self.of_text(reader.start, reader.stop))
        return self.verdict


def tag_matcher(key: str, text: str) -> TagMatcher:
    """What Jaeger means by a tag: the text of a value is this text, whatever the value's type."""
    is_whole = text.removeprefix("-").isdecimal() and len(text) <= 20 and str(int(text)) == text
    return TagMatcher(
        key.encode("utf-8", "replace"),
        "=",
        text.encode("utf-8", "replace"),
        whole=int(text) if is_whole else None,
        number=0.0,
        in_numbers=NUMBER_LIKE.fullmatch(text) is not None,
    )


@cython.boundscheck(False)
@cython.wraparound(False)
def match_rows(rests: bytes, borders: I64Array, matcher: TagMatcher, verdicts: U8Array) -> None:
    """The verdict on each span whose place in `verdicts` is not 0 yet; those of 0 stay so.

    Args:
        rests: bytes that hold the kept parts of the spans.
        borders: where they begin and end in there, one more than there are spans.
        matcher: what is wanted.
        verdicts: which spans to look at, and then what was found; one per span.
    """
    wanted = matcher
    wanted.begin(rests)
    # Plain Python counts without bounds only in its own integers.
    places = borders if cython.compiled else borders.tolist()
    found = verdicts
    for row in range(len(found)):
        if found[row]:
            found[row] = wanted.span(places[row], places[row + 1])


@cython.boundscheck(False)
@cython.wraparound(False)
def rows_holding(rests: bytes, borders: I64Array, text: bytes, anchor: int, found: U8Array) -> None:
    """Set `found` to 1 for each span whose bytes hold an ASCII text, in any case.

    Args:
        rests: bytes that hold the kept parts of the spans.
        borders: where they begin and end in there, one more than there are spans.
        text: the text in lower case.
        anchor: the place of a character in the text that is rare in `rests`: blocks without it are passed over.
        found: the result, one per span.
    """
    buf, wanted, places, marks = rests, text, borders, found
    size = len(text)
    lower = wanted[anchor]
    upper = lower - 32 if 97 <= lower <= 122 else lower
    at = places[0] + anchor
    end = places[len(marks)] - size + anchor + 1
    row = 0
    while at < end:
        if end - at >= BLOCK_BYTES:
            hits = 0
            for place in range(BLOCK_BYTES):
                hits |= (buf[at + place] == lower) | (buf[at + place] == upper)
            if not hits:
                at += BLOCK_BYTES
                continue
        stop = min(at + BLOCK_BYTES, end)
        while at < stop:
            byte = buf[at]
            if byte in (lower, upper):
                place = 0
                while place < size:
                    byte = buf[at - anchor + place]
                    if 65 <= byte <= 90:
                        byte += 32
                    if byte != wanted[place]:
                        break
                    place += 1
                if place == size:
                    while places[row + 1] <= at:
                        row += 1
                    marks[row] = 1
            at += 1
