"""Room for the kernel's integers.

A large book is read at random places, and with pages of 4 KiB much of the waiting is for page tables. Blocks from 2
MiB on are therefore taken from the system directly, aligned to a page, with the advice to use huge pages where it has
them.
"""

import contextlib
import mmap
from array import array
from typing import Any

HUGE_FROM_BYTES = 1 << 21


def room(code: str, count: int) -> Any:
    """Return `count` zeroed integers of an `array` type code, as a memoryview."""
    size_bytes = count * array(code).itemsize
    if size_bytes < HUGE_FROM_BYTES or not hasattr(mmap, "MADV_HUGEPAGE"):
        return memoryview(array(code, bytes(size_bytes)))
    pages = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a system without huge pages refuses the advice; the memory is as good without
        pages.madvise(mmap.MADV_HUGEPAGE)
    block: Any = memoryview(pages).cast("B")
    return block.cast(code)


def doubled(numbers: Any) -> Any:
    """Return room for twice as many numbers that begins with those given."""
    before = memoryview(numbers)
    larger = room(before.format, 2 * len(before))
    larger[: len(before)] = before
    return larger
