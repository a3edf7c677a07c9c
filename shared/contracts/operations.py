"""What an internal call is: an operation of a service, its item, its answer, and who may call it.

Both sides are made from the same ``Operation``: ``shared.batching`` calls it, ``shared.service`` serves it. Every call
carries a list of items and brings back a list of answers in the same order; an answer is the operation's own struct or
``Refused``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

GATEWAY = "client-gateway"
USERS = "user-service"
WALLET = "wallet-service"
RISK = "risk-manager"
ORDERS = "order-manager"
ENGINE = "matching-engine"
MARKET = "market-data"
REPORTING = "reporting"
NOTIFICATION = "notification"
AUDITOR = "auditor"
"""Who proves that the money is right: no service, but the engine shows it its books."""

SERVICES = (USERS, WALLET, RISK, ORDERS, ENGINE, MARKET, REPORTING, NOTIFICATION, GATEWAY)
"""All nine, the gateway last: it is of use only once the others are there."""

FIX = "fix-gateway"
"""Beside them: a client of the gateway like any other, which speaks FIX to clients of its own."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One element of an internal call. ``traceparent`` is the W3C context of the request it belongs to, or empty."""

    traceparent: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a service says about one item."""


class Refused(Answer, frozen=True, kw_only=True, tag=True):
    """The rules say no. ``code`` is stable, ``detail`` tells a person what to do, ``figures`` holds limit and value."""

    code: str
    detail: str
    figures: dict[str, str] = {}


class Done(Answer, frozen=True, kw_only=True, tag=True):
    """It is so now. The answer of operations that have nothing else to tell."""


I = TypeVar("I", bound=Item)  # noqa: E741 - item
A = TypeVar("A", bound=Answer)
A_co = TypeVar("A_co", bound=Answer, covariant=True)


@dataclass(frozen=True)
class Operation(Generic[I, A_co]):
    """An internal call: ``POST {service}/internal/{name}``, a JSON list of ``item``, answered by a list of ``answer``.

    ``callers`` are the services whose credential opens it. ``traced`` is False for house-keeping that belongs to no
    request. ``lanes`` is how many batches one caller may have under way; more than one only where a batch is slow.
    ``merge``: where the symbols are spread over several engines, an item that names none is for all of them, and this
    makes one answer of theirs.
    """

    service: str
    name: str
    item: type[I]
    answer: type[A_co]
    callers: frozenset[str] = field(default=frozenset({GATEWAY}))
    traced: bool = True
    lanes: int = 1
    merge: Callable[[Sequence[Any]], A_co] | None = None

    @property
    def path(self) -> str:
        return f"/internal/{self.name}"
