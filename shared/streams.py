"""How events lie in a stream: an entry holds those that were relayed together, its id is the number of its last.

An entry costs Valkey and each of its readers some 10 µs, whatever is in it.
"""

from collections.abc import Sequence
from typing import Any

FIELD = b"events"
"""The one field of an entry: its events as a JSON list."""

ENTRY_EVENTS_MAX = 100


def entries_of(first_seq: int, payloads: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Events as entries: the number of the last event and the JSON list of each."""
    entries = []
    for begin in range(0, len(payloads), ENTRY_EVENTS_MAX):
        part = payloads[begin : begin + ENTRY_EVENTS_MAX]
        entries.append((first_seq + begin + len(part) - 1, b"[%b]" % b",".join(part)))
    return entries


def entries_read(answer: Any) -> list[tuple[int, bytes]]:
    """What XREAD gave for its one stream, as entries; an empty list stands for an entry of another form."""
    if not answer:
        return []
    [[_, rows]] = answer
    return [
        (int(entry_id.partition(b"-")[0]), payload if field == FIELD else b"[]")
        for entry_id, [field, payload, *_] in rows
    ]
