"""What the engine answered lately, and which ids it was told never to take. Times come from commands, never a clock."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import TypeVar

from msgspec.structs import replace

from services.matching_engine.books import Reply
from services.matching_engine.refusals import refused
from shared.contracts.engine import Matched
from shared.contracts.operations import Refused
from shared.ids import created_us

MEMORY_US = 15_000_000
"""How long the engine knows what it answered. An order whose id is older than this when it arrives is refused, so
nothing that was sent twice or was barred can slip in after it was forgotten."""


A = TypeVar("A", bound=Reply)


def moved(answer: A, after: int, by: int) -> A:
    """The answer, with the number that its event has come to have, if that is one after ``after``."""
    if isinstance(answer, Refused) or answer.position <= after:
        return answer
    return replace(answer, position=answer.position + by)


class Answers:
    """Answers and barred ids in order of time, so that the oldest can be dropped from the front.

    In plain dicts each look at the front would have to pass over everything that was dropped there before.
    """

    def __init__(self, given: Iterable[tuple[int, int, Matched]] = (), barred: Iterable[tuple[int, int]] = ()) -> None:
        self.given = OrderedDict((order_id, (time_us, answer)) for order_id, time_us, answer in given)
        self.barred = OrderedDict(barred)

    def of(self, order_id: int) -> Matched | None:
        """The answer that this order got before."""
        known = self.given.get(order_id)
        return known[1] if known is not None else None

    def bar_of(self, order_id: int, now_us: int) -> Refused | None:
        """Why an id can't come in: it was given up, or it is too old to know whether it was."""
        if order_id in self.barred:
            return refused("order_abandoned", "This order was given up before it reached the engine.")
        if created_us(order_id) < now_us - MEMORY_US:
            return refused("order_too_old", "This order took too long to reach the engine.")
        return None

    def remember(self, order_id: int, answer: Matched, now_us: int) -> None:
        self.forget(now_us)
        self.given[order_id] = (now_us, answer)

    def move(self, after: int, by: int) -> None:
        """The events after number ``after`` have greater numbers than was thought."""
        for order_id in reversed(self.given):
            time_us, answer = self.given[order_id]
            if answer.position <= after:
                return
            self.given[order_id] = (time_us, moved(answer, after, by))

    def forget(self, now_us: int) -> None:
        """Drops what is too old to matter. Replaying forgets the same."""
        while self.given and next(iter(self.given.values()))[0] < now_us - 2 * MEMORY_US:
            del self.given[next(iter(self.given))]
        while self.barred and next(iter(self.barred.values())) < now_us - 2 * MEMORY_US:
            del self.barred[next(iter(self.barred))]
