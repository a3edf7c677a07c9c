"""Unpacking of request bodies, never into more than was agreed on: a packed body may hold a thousand times its size."""

import zlib
from typing import Final

import zstandard

from jaegerlite.receive.intake import RefusedError

ZSTD_WINDOW_BYTES_MAX: Final = 1 << 23
# A zstd block of four bytes may unpack to 128 kB: fed in small slices, the excess is noticed soon.
ZSTD_SLICE_BYTES: Final = 256
ENCODINGS: Final = "gzip, deflate, zstd or none"


def unpack(body: bytes, encoding: str, bytes_max: int) -> bytes:
    """The body without its `content-encoding`.

    Raises:
        RefusedError: 413 where it holds more than `bytes_max`, 400 where it is damaged, 415 for another encoding.
    """
    try:
        if encoding in ("", "identity"):
            unpacked = body
        elif encoding in ("gzip", "deflate"):
            unpacked = _inflate(body, bytes_max)
        elif encoding == "zstd":
            unpacked = _unpack_zstd(body, bytes_max)
        else:
            raise RefusedError(415, "encoding", f"content-encoding may be {ENCODINGS}")
    except (zlib.error, zstandard.ZstdError) as error:
        raise RefusedError(400, "malformed", f"the body cannot be unpacked: {error}") from error
    if len(unpacked) > bytes_max:
        raise too_large(bytes_max)
    return unpacked


def too_large(bytes_max: int) -> RefusedError:
    """What to say about a body of more than this many bytes."""
    return RefusedError(413, "too_large", f"a request may hold {bytes_max} bytes, unpacked; send fewer spans")


def _inflate(body: bytes, bytes_max: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    unpacked = unpacker.decompress(body, bytes_max + 1)
    _check_end(unpacker.eof, unpacker.unused_data, len(unpacked) > bytes_max)
    return unpacked


def _unpack_zstd(body: bytes, bytes_max: int) -> bytes:
    unpacker = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES_MAX).decompressobj()
    parts: list[bytes] = []
    size = at = 0
    while at < len(body) and not unpacker.eof and size <= bytes_max:
        parts.append(unpacker.decompress(body[at : at + ZSTD_SLICE_BYTES]))
        at += ZSTD_SLICE_BYTES
        size += len(parts[-1])
    _check_end(unpacker.eof, unpacker.unused_data or body[at:], size > bytes_max)
    return b"".join(parts)


def _check_end(is_complete: bool, behind: bytes, is_too_large: bool) -> None:
    if is_too_large:
        return
    if not is_complete:
        raise RefusedError(400, "malformed", "the packed body ends early")
    if behind:
        raise RefusedError(400, "malformed", "something follows behind the packed body")
