# cython: language_level=3, annotation_typing=False
# mypy: disable-error-code="name-defined,no-any-return"
# ruff: noqa: F821
"""The W3C Trace Context header `traceparent`: `version-traceid-parentid-flags` in lower-case hexadecimal digits.

Compiled, the digits are read and written by two loops in C (`w3c.pxd`).
https://www.w3.org/TR/trace-context-2/#traceparent-header
"""

import cython

MASK_64 = 0xFFFFFFFFFFFFFFFF
HEX_DIGITS = frozenset("0123456789abcdef")


class ParentIds:
    """What a `traceparent` says; to be used again for the next."""

    def __init__(self) -> None:
        self.trace_high = 0
        self.trace_low = 0
        self.span_id = 0
        self.flags = 0

    def read(self, header: str) -> bool:
        """Take over what a header says; False, and ids that mean nothing, if it is malformed.

        Versions above 00 may carry more fields behind the four; version ff and ids of zeros are invalid.
        """
        length = len(header)
        if length < 55 or not header.isascii() or header[2] != "-" or header[35] != "-" or header[52] != "-":
            return False
        if length > 55 and (header[55] != "-" or header[:2] == "00"):
            return False
        return self.read_digits(header) and self.span_id != 0 and (self.trace_high != 0 or self.trace_low != 0)

    def read_digits(self, header: str) -> bool:
        """The numbers of a header that has the right form."""
        if cython.compiled:
            size = 0
            version = 0
            text = PyUnicode_AsUTF8AndSize(header, cython.address(size))
            return (
                read_hex(text, 2, cython.address(version))
                and version != 0xFF
                and read_hex(text + 3, 16, cython.address(self.trace_high))
                and read_hex(text + 19, 16, cython.address(self.trace_low))
                and read_hex(text + 36, 16, cython.address(self.span_id))
                and read_hex(text + 53, 2, cython.address(self.flags))
            )
        digits = header[:2] + header[3:35] + header[36:52] + header[53:55]
        if not HEX_DIGITS.issuperset(digits) or digits.startswith("ff"):
            return False
        number = int(digits, 16)
        self.flags = number & 0xFF
        self.span_id = (number >> 8) & MASK_64
        self.trace_low = (number >> 72) & MASK_64
        self.trace_high = (number >> 136) & MASK_64
        return True


def parse_traceparent(header: str) -> tuple[int, int, int, int] | None:
    """(trace id's high 64 bits, its low 64 bits, span id, flags), None if the header is malformed."""
    ids = ParentIds()
    return (ids.trace_high, ids.trace_low, ids.span_id, ids.flags) if ids.read(header) else None


def format_traceparent(trace_high: int, trace_low: int, span_id: int, flags: int) -> str:
    """The header of version 00."""
    if cython.compiled:
        header = PyUnicode_New(55, 127)
        place = cython.cast("unsigned char *", PyUnicode_1BYTE_DATA(header))
        place[0] = place[1] = 48
        place[2] = place[35] = place[52] = 45
        write_hex(place + 3, 16, trace_high)
        write_hex(place + 19, 16, trace_low)
        write_hex(place + 36, 16, span_id)
        write_hex(place + 53, 2, flags)
        return header
    return f"00-{trace_high:016x}{trace_low:016x}-{span_id:016x}-{flags:02x}"
