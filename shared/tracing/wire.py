# cython: language_level=3, annotation_typing=False
# mypy: disable-error-code="name-defined,attr-defined,no-any-return"
# ruff: noqa: F821
"""A protobuf writer that works from the end to the beginning.

A nested message is preceded by its length. Written backwards, last field first, the length is known when it is due, so
one pass over the data is enough. Compiled, the bytes go into one C buffer (`wire.pxd` imports memcpy and the like); in
plain Python into a list of chunks that is turned around in the end.
https://protobuf.dev/programming-guides/encoding/
"""

import struct

import cython

_double = struct.Struct("<d")

FIRST_CAPACITY = 64 * 1024
KEPT_CAPACITY_MAX = 4 * 1024 * 1024


class Writer:
    """Collects one message, last byte first. `size` is the number of bytes so far."""

    def __init__(self) -> None:
        self.size = 0
        if cython.compiled:
            self.capacity = FIRST_CAPACITY
            self.data = cython.cast("unsigned char *", malloc(self.capacity))
            if not self.data:
                raise MemoryError
        else:
            self.chunks: list[bytes] = []

    def __dealloc__(self) -> None:
        if cython.compiled:
            free(self.data)

    def reserve(self, count: int) -> int:
        """Make room for `count` more bytes in front (compiled form only)."""
        if self.size + count > self.capacity:
            capacity = (self.size + count) * 2
            data = cython.cast("unsigned char *", malloc(capacity))
            if not data:
                raise MemoryError
            memcpy(data + capacity - self.size, self.data + self.capacity - self.size, self.size)
            free(self.data)
            self.data = data
            self.capacity = capacity
        return 0

    def byte(self, value: int) -> None:
        """One byte, e.g. a field's tag."""
        if cython.compiled:
            if self.size >= self.capacity:
                self.reserve(1)
            self.size += 1
            self.data[self.capacity - self.size] = value
        else:
            self.size += 1
            self.chunks.append(bytes((value,)))

    def varint(self, number: int) -> None:
        """A base-128 number, 0 <= number < 2**64."""
        if cython.compiled:
            self.reserve(10)
            count = 1
            rest = number >> 7
            while rest:
                count += 1
                rest >>= 7
            self.size += count
            place = self.data + self.capacity - self.size
            while number >= 0x80:
                place[0] = (number & 0x7F) | 0x80
                number >>= 7
                place += 1
            place[0] = number
        elif number < 0x80:
            self.byte(number)
        else:
            out = bytearray()
            while number >= 0x80:
                out.append((number & 0x7F) | 0x80)
                number >>= 7
            out.append(number)
            self.raw(bytes(out))

    def fixed64_field(self, tag: int, number: int) -> None:
        """A whole field of eight bytes, little-endian."""
        if cython.compiled:
            self.reserve(9)
            self.size += 9
            place = self.data + self.capacity - self.size
            place[0] = tag
            for index in range(8):
                place[index + 1] = (number >> (8 * index)) & 0xFF
        else:
            self.raw(bytes((tag,)) + number.to_bytes(8, "little"))

    def id_field(self, tag: int, number: int) -> None:
        """A whole field of the eight bytes of a span id."""
        if cython.compiled:
            self.reserve(10)
            self.size += 10
            place = self.data + self.capacity - self.size
            place[0] = tag
            place[1] = 8
            for index in range(8):
                place[9 - index] = (number >> (8 * index)) & 0xFF
        else:
            self.raw(bytes((tag, 8)) + number.to_bytes(8, "big"))

    def wide_id_field(self, tag: int, high: int, low: int) -> None:
        """A whole field of the sixteen bytes of a trace id."""
        if cython.compiled:
            self.reserve(18)
            self.size += 18
            place = self.data + self.capacity - self.size
            place[0] = tag
            place[1] = 16
            for index in range(8):
                place[9 - index] = (high >> (8 * index)) & 0xFF
            for index in range(8):
                place[17 - index] = (low >> (8 * index)) & 0xFF
        else:
            self.raw(bytes((tag, 16)) + high.to_bytes(8, "big") + low.to_bytes(8, "big"))

    def signed(self, number: int) -> bool:
        """An int64 as protobuf has it: two's complement as a varint. False, and nothing written, if it does not fit."""
        if cython.compiled:
            overflow = 0
            signed_number = PyLong_AsLongLongAndOverflow(number, cython.address(overflow))
            if overflow:
                return False
            self.varint(signed_number)
        else:
            if not -(1 << 63) <= number < 1 << 63:
                return False
            self.varint(number & 0xFFFFFFFFFFFFFFFF)
        return True

    def digits(self, number: int) -> None:
        """A number as decimal text."""
        if cython.compiled:
            overflow = 0
            signed_number = PyLong_AsLongLongAndOverflow(number, cython.address(overflow))
            if overflow or signed_number < 0:
                self.text(str(number))
                return
            rest = signed_number
            self.reserve(20)
            while True:
                self.size += 1
                self.data[self.capacity - self.size] = 48 + rest % 10
                rest = rest // 10
                if not rest:
                    break
        else:
            self.text(str(number))

    def float64(self, value: float) -> None:
        """Eight bytes, IEEE 754, little-endian."""
        self.raw(_double.pack(value))

    def raw(self, chunk: bytes) -> None:
        """Bytes as they are."""
        if cython.compiled:
            count = len(chunk)
            if self.size + count > self.capacity:
                self.reserve(count)
            self.size += count
            memcpy(self.data + self.capacity - self.size, PyBytes_AS_STRING(chunk), count)
        else:
            self.size += len(chunk)
            self.chunks.append(chunk)

    def text(self, value: str) -> None:
        """UTF-8; what cannot be encoded (lone surrogates) becomes a question mark rather than losing the span."""
        if cython.compiled:
            count = 0
            try:
                source = PyUnicode_AsUTF8AndSize(value, cython.address(count))
            except UnicodeEncodeError:
                self.raw(value.encode("utf-8", "replace"))
                return
            self.reserve(count)
            self.size += count
            memcpy(self.data + self.capacity - self.size, source, count)
        else:
            self.raw(value.encode("utf-8", "replace"))

    def close(self, tag: int, start: int) -> None:
        """Put length and tag before what was written since the size was `start`: it becomes a field."""
        length = self.size - start
        if cython.compiled and length < 0x80 and self.size + 2 <= self.capacity:
            self.size += 2
            self.data[self.capacity - self.size + 1] = length
            self.data[self.capacity - self.size] = tag
            return
        self.varint(length)
        self.byte(tag)

    def take_back(self, start: int) -> None:
        """Forget what was written since the size was `start`."""
        while not cython.compiled and self.size > start:
            self.size -= len(self.chunks.pop())
        self.size = start

    def text_field(self, tag: int, value: str) -> None:
        """A whole string field."""
        start = self.size
        self.text(value)
        self.close(tag, start)

    def key_value(self, tag: int, key: str, start: int) -> None:
        """Put key, lengths and tags before a value written since the size was `start`: it becomes a KeyValue field."""
        if cython.compiled and key.isascii():
            key_size = len(key)
            size = self.size - start
            whole = key_size + size + 4
            if whole < 0x80:
                self.reserve(key_size + 6)
                self.size += key_size + 6
                place = self.data + self.capacity - self.size
                place[0] = tag
                place[1] = whole
                place[2] = 0x0A
                place[3] = key_size
                memcpy(place + 4, PyUnicode_1BYTE_DATA(key), key_size)
                place[key_size + 4] = 0x12
                place[key_size + 5] = size
                return
        self.close(0x12, start)
        self.text_field(0x0A, key)
        self.close(tag, start)

    def text_attribute(self, tag: int, key: str, value: str) -> None:
        """A whole KeyValue field whose value is text: what most attributes are, and at once where it is short."""
        start = self.size
        if cython.compiled and value.isascii():
            size = len(value)
            if size < 0x7E:
                self.reserve(size + 2)
                self.size += size + 2
                place = self.data + self.capacity - self.size
                place[0] = 0x0A
                place[1] = size
                memcpy(place + 2, PyUnicode_1BYTE_DATA(value), size)
                self.key_value(tag, key, start)
                return
        self.text_field(0x0A, value)
        self.key_value(tag, key, start)

    def finish(self) -> bytes:
        """The message; the writer can be used for the next one."""
        if cython.compiled:
            message = PyBytes_FromStringAndSize(cython.cast("char *", self.data + self.capacity - self.size), self.size)
        else:
            message = b"".join(reversed(self.chunks))
            self.chunks.clear()
        self.size = 0
        return message


_spare: list[Writer] = []


def take_writer() -> Writer:
    """An empty writer, if possible one whose memory has been used before: fresh pages cost more than filling them."""
    try:
        return _spare.pop()
    except IndexError:
        return Writer()


def put_back(writer: Writer) -> None:
    """Keep an empty writer for the next one who needs it."""
    if len(_spare) < 4 and (not cython.compiled or writer.capacity <= KEPT_CAPACITY_MAX):
        _spare.append(writer)
