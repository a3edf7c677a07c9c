# cython: language_level=3, annotation_typing=False
"""The W3C Trace Context header `traceparent`: `version-traceid-parentid-flags` in lower-case hexadecimal digits.

https://www.w3.org/TR/trace-context-2/#traceparent-header
"""

MASK_64 = 0xFFFFFFFFFFFFFFFF
HEX_DIGITS = frozenset("0123456789abcdef")


def parse_traceparent(header: str) -> tuple[int, int, int, int] | None:
    """(trace id's high 64 bits, its low 64 bits, span id, flags), None if the header is malformed.

    Versions above 00 may carry more fields behind the four; version ff and ids of zeros are invalid.
    """
    length = len(header)
    if length < 55 or header[2] != "-" or header[35] != "-" or header[52] != "-":
        return None
    version = header[:2]
    if (length > 55 and (header[55] != "-" or version == "00")) or version == "ff":
        return None
    digits = version + header[3:35] + header[36:52] + header[53:55]
    if not HEX_DIGITS.issuperset(digits):
        return None
    number = int(digits, 16)
    span_id = (number >> 8) & MASK_64
    low = (number >> 72) & MASK_64
    high = (number >> 136) & MASK_64
    if not span_id or not (high or low):
        return None
    return high, low, span_id, number & 0xFF
