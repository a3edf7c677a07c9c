"""FIX as bytes: messages cut out of a stream, read as fields, and made of fields. No I/O, and no engine."""

import re
from collections.abc import Iterable, Iterator

SOH = "\x01"
BEGIN = b"8=FIX"
TRAILER_BYTES = len("10=000") + 1
HEAD_BYTES_MAX = 32
"""``8=FIX.4.4``, ``9=`` and a length fit into this, or it is none."""

TAG_DIGITS_MAX = 9
"""A longer tag is none: FIX 4.4 knows none beyond 9999."""

DATA_LENGTHS = {89: 93} | {
    tag: tag - 1 for tag in (91, 96, 213, 349, 351, 353, 355, 357, 359, 361, 363, 365, 446, 619, 622)
}
"""FIX 4.4's fields of data, which may hold anything, and the tag of the field before each that says how long it is."""

DATA = re.compile(SOH + "0*(" + "|".join(map(str, DATA_LENGTHS)) + ")=")

Fields = list[tuple[int, str]]
"""Tags and values in their order: repeating groups are told by it."""


class Framer:
    """Cuts messages out of a stream. What is garbled (FIX 4.4, volume 2) is passed over, and counted."""

    def __init__(self, message_bytes_max: int) -> None:
        self._buffer = bytearray()
        self._message_bytes_max = message_bytes_max
        self.garbled = 0

    def feed(self, data: bytes) -> list[str]:
        """The messages that are whole now: body length, checksum and the lengths of data are right."""
        self._buffer += data
        found: list[str] = []
        while (end := self._end()) is not None:
            raw = bytes(self._buffer[:end])
            right_sum = raw.endswith(b"10=%03d\x01" % (sum(raw[:-TRAILER_BYTES]) % 256))
            if right_sum and raw.isascii() and has_right_data(text := raw.decode("ascii")):
                found.append(text)
                del self._buffer[:end]
            else:
                self._pass_over(1)
        return found

    def _end(self) -> int | None:
        """Where the message at the beginning of the buffer ends; None where it is not there as a whole yet."""
        while True:
            if not self._buffer.startswith(BEGIN):
                if BEGIN.startswith(self._buffer):
                    return None
                self._pass_over(0)
                continue
            length = self._length()
            if length is None:
                return None
            if length == 0:
                self._pass_over(1)
                continue
            return length if len(self._buffer) >= length else None

    def _length(self) -> int | None:
        """Length of the message at the beginning in bytes, 0 where it has no right one, None where it is not known."""
        head = bytes(self._buffer[:HEAD_BYTES_MAX])
        parts = head.split(b"\x01")
        if len(parts) < 3:
            return None if len(head) < HEAD_BYTES_MAX else 0
        name, _, digits = parts[1].partition(b"=")
        if name != b"9" or not digits.isdigit():
            return 0
        length = len(parts[0]) + len(parts[1]) + 2 + int(digits) + TRAILER_BYTES
        return length if length <= self._message_bytes_max else 0

    def _pass_over(self, at_least: int) -> None:
        """Forgets what is before the next message, or before what may become its beginning."""
        self.garbled += 1
        start = self._buffer.find(BEGIN, at_least)
        if start < 0:
            kept = next(n for n in range(len(BEGIN) - 1, -1, -1) if self._buffer.endswith(BEGIN[:n]))
            start = max(len(self._buffer) - kept, at_least)
        del self._buffer[:start]


class Message:
    """A message that was received, as its fields."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.fields = fields_of(text)
        self._first: dict[int, str] = {}
        for tag, value in self.fields:
            self._first.setdefault(tag, value)

    @property
    def type(self) -> str:
        return self._first.get(35, "")

    def get(self, tag: int) -> str:
        """The first value of a tag, empty without one."""
        return self._first.get(tag, "")

    def all(self, tag: int) -> list[str]:
        """All values of a tag that is in a repeating group."""
        return [value for name, value in self.fields if name == tag]

    @property
    def may_be_known(self) -> bool:
        """Whether its sender says that it may have come before: PossDupFlag or PossResend."""
        return "Y" in (self.get(43), self.get(97))


def fields_of(text: str) -> Fields:
    """A message's fields; what is not ``number=value`` is left out."""
    return list(_fields(text))


def _fields(text: str) -> Iterator[tuple[int, str]]:
    for part in text.split(SOH):
        tag, is_one, value = part.partition("=")
        if is_one and len(tag) <= TAG_DIGITS_MAX and tag.isascii() and tag.isdigit():
            yield int(tag), value


def has_right_data(text: str) -> bool:
    """Whether each field of data ends where the field right before it says.

    QuickFIX 1.16 believes that length, and reads on beyond the end of a message whose data is shorter.
    """
    at = 0
    while (found := DATA.search(text, at)) is not None:
        before = text[text.rfind(SOH, 0, found.start()) + 1 : found.start()]
        tag, _, digits = before.partition("=")
        if tag != str(DATA_LENGTHS[int(found[1])]) or not digits.isdigit() or len(digits) > TAG_DIGITS_MAX:
            return False
        at = found.end() + int(digits)
        if text[at : at + 1] != SOH:
            return False
    return True


def message_text(fields: Iterable[tuple[int, str]], begin_string: str = "FIX.4.4") -> str:
    """A message of these fields, of which MsgType is the first, with length and checksum. Empty ones are left out."""
    body = "".join(f"{tag}={value}{SOH}" for tag, value in fields if value)
    head = f"8={begin_string}{SOH}9={len(body)}{SOH}{body}"
    return f"{head}10={sum(head.encode()) % 256:03d}{SOH}"


def printable(text: str) -> str:
    """Text as a FIX field can carry it: ASCII without control characters."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)
