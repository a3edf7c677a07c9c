"""A run's public requests as they are kept and sent again: one JSON line each, in the order of their answers.

Nobody is named: users are u1, u2, ... in the order in which they come, and nothing secret is kept.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

OUTCOME = ("status", "filled_quantity", "code")
WITHIN = ("results", "order", "problem")
NOT_OURS = ("client_order_id", "trace_id")
"""Ids that are the same in a replay, or that nothing refers to."""


class Recorded(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request and what came of it.

    ``at_ms`` counts from the begin of the recording. ``path`` has the query. ``user`` is empty where no token was
    shown. ``ids`` are the ids in the answer, in its order: what a later request may name. ``outcome`` is what a replay
    is compared by: see ``outcome_of``.
    """

    at_ms: int
    method: str
    path: str
    status: int
    user: str = ""
    body: Any = None
    idempotency_key: str = ""
    ids: tuple[str, ...] = ()
    outcome: Any = None


class Lost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line of a recording whose reader was too slow: what came after it was not kept."""

    lost: str


def ids_in(answer: Any) -> Iterator[str]:
    """The ids in an answer's JSON, in its order."""
    if isinstance(answer, dict):
        for key, value in answer.items():
            if key.endswith("_id") and isinstance(value, str) and key not in NOT_OURS:
                yield value
            else:
                yield from ids_in(value)
    elif isinstance(answer, list):
        for value in answer:
            yield from ids_in(value)


def outcome_of(answer: Any) -> Any:
    """What became of orders, of an answer's JSON: status, code of a refusal, fills as price and quantity."""
    if isinstance(answer, list):
        return [outcome_of(one) for one in answer]
    if not isinstance(answer, dict):
        return None
    found = {key: answer[key] for key in OUTCOME if key in answer}
    if "fills" in answer:
        found["fills"] = [[fill["price"], fill["quantity"]] for fill in answer["fills"]]
    return found | {key: outcome_of(answer[key]) for key in WITHIN if key in answer}
