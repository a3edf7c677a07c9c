"""From what clients ask for to what they are told: orders are understood, priced, placed and answered, all that came
together at once.
"""

import asyncio
import time
from collections import Counter as Tally
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from msgspec import structs
from opentelemetry import trace
from prometheus_client import Counter

from services.client_gateway.api import Call, Told, refusal
from services.client_gateway.instruments import Listing
from services.client_gateway.order_terms import LIMITED, Wanted, protection_price, understand
from services.client_gateway.placement import Placed, Placement, ending, within
from services.client_gateway.requests import OrderRequest
from services.client_gateway.settings import GatewaySettings
from services.client_gateway.steps import Steps, steps
from services.client_gateway.views import order_view, placed_view
from shared.attributes import NEW_ORDER
from shared.contracts import orders
from shared.contracts.money import Money
from shared.errors import Problem, Unavailable
from shared.ids import OrderIds, created_us
from shared.tracing import current_span, describe, trace_id_of, traceparent_of

ORDERS = Counter("outcry_orders_total", "Orders by outcome, and why not", ["outcome", "code"])
"""Outcomes are accepted, repeated (the answer was given before), refused and failed."""

ACCEPTED, REPEATED = ORDERS.labels("accepted", ""), ORDERS.labels("repeated", "")

RETRY = {"Retry-After": "1"}
SAME = ("symbol", "side", "order_type", "time_in_force", "quantity")
"""What must be equal for an order to be the one that was sent before under the same client_order_id."""

Answered: TypeAlias = tuple[int, dict[str, Any]]
"""Status and body: 201 for a new order, 200 where the answer was given before."""


class Intake:
    """Takes orders in for the routes, over whatever they came."""

    def __init__(
        self, placement: Placement, listing: Listing, told: Told, settings: GatewaySettings, ids: OrderIds
    ) -> None:
        self._placement = placement
        self._listing = listing
        self._told = told
        self._settings = settings
        self._ids = ids

    async def take(self, call: Call, request: OrderRequest) -> Answered:
        """The answer to one order, whose span is the current one. Raises Problem or Unavailable. Each is counted."""
        span = current_span()
        try:
            wanted = self._understood(request, self._room)
            price = await self._protection(wanted) if wanted.price is None else wanted.price
            way = self._way(call, wanted, price, span)
            placed = await self._placement.place(way)
            if placed.refused is not None:
                await self._learn([placed])
            answer = self._answer(call, way, placed, span)
        except Exception as error:
            ORDERS.labels(*_failed(error)).inc()
            raise
        (ACCEPTED if answer[0] == 201 else REPEATED).inc()
        return answer

    async def take_many(
        self, call: Call, asked: Sequence[OrderRequest | Problem], spans: Sequence[trace.Span]
    ) -> list[Answered | Exception]:
        """The same for orders that came together, each with its span. What ``take`` raises is an answer."""
        ways = await self._ways(call, asked, spans)
        on = [number for number, way in enumerate(ways) if isinstance(way, Steps)]
        placed = await self._placement.place_many(
            [way for way in ways if isinstance(way, Steps)], [spans[number] for number in on]
        )
        await self._learn(placed)
        ends = iter(placed)
        answers = [
            way if isinstance(way, Exception) else self._end(call, way, next(ends), span)
            for way, span in zip(ways, spans, strict=True)
        ]
        for (outcome, code), count in Tally(map(_outcome, answers)).items():
            ORDERS.labels(outcome, code).inc(count)
        return answers

    async def _ways(
        self, call: Call, asked: Sequence[OrderRequest | Problem], spans: Sequence[trace.Span]
    ) -> list[Steps | Exception]:
        """What is to be done for each order, or why nothing is."""
        room = self._room
        wanted = [self._judged(request, room - number) for number, request in enumerate(asked)]
        pricing = {
            number: asyncio.ensure_future(within(spans[number], self._protection(one)))
            for number, one in enumerate(wanted)
            if isinstance(one, Wanted) and one.price is None
        }
        prices = {number: await ending(price) for number, price in pricing.items()}
        ways: list[Steps | Exception] = []
        for number, (one, span) in enumerate(zip(wanted, spans, strict=True)):
            if isinstance(one, Problem):
                ways.append(one)
                continue
            price = prices[number] if one.price is None else one.price
            ways.append(price if isinstance(price, Exception) else self._way(call, one, price, span))
        return ways

    @property
    def _room(self) -> int:
        """How many more orders may be on their way."""
        return self._settings.orders_in_flight_max - self._placement.in_flight

    def _judged(self, request: OrderRequest | Problem, room: int) -> Wanted | Problem:
        if isinstance(request, Problem):
            return request
        try:
            return self._understood(request, room)
        except Problem as problem:
            return problem

    def _understood(self, request: OrderRequest, room: int) -> Wanted:
        if room <= 0:
            raise Problem(503, "overloaded", "Too many orders are on their way. Try again in 1 s.", headers=RETRY)
        return understand(request, self._listing.instruments)

    def _way(self, call: Call, wanted: Wanted, price: Money, span: trace.Span) -> Steps:
        way = steps(wanted, self._ids.next(), call.identity.user_id, price, traceparent_of(span), call.position)
        describe(span, NEW_ORDER, way.order)
        return way

    async def _learn(self, placed: Sequence[Placed | Exception]) -> None:
        """The listing is read again where the engine says that its fees are others by now."""
        if any(isinstance(one, Placed) and one.refused and one.refused.code == "fees_changed" for one in placed):
            with suppress(Unavailable):
                await self._listing.load()

    async def _protection(self, wanted: Wanted) -> Money:
        near = await self._listing.expected_price(wanted)
        return protection_price(wanted, near, self._settings.market_protection_percent)

    def _end(self, call: Call, way: Steps, placed: Placed | Exception, span: trace.Span) -> Answered | Exception:
        if isinstance(placed, Exception):
            return placed
        try:
            return self._answer(call, way, placed, span)
        except Problem as problem:
            return problem

    def _answer(self, call: Call, way: Steps, placed: Placed, span: trace.Span) -> Answered:
        if placed.refused is not None:
            raise refusal(placed.refused)
        if placed.known is not None:
            return _replay(way, placed.known)
        assert placed.matched is not None
        self._told.note(call.identity.user_id, placed.matched.position)
        span.set_attribute("order.status", placed.matched.status)
        now_us = time.time_ns() // 1000
        return 201, placed_view(way.order, created_us(way.order.order_id), placed.matched, now_us, trace_id_of(span))


def _replay(way: Steps, known: orders.Order) -> Answered:
    """The first answer again for the same order; another order under the same id is a mistake."""
    if known.order_id == way.order.order_id:
        return 201, order_view(known)
    asked = way.order
    limit = asked.order_type in LIMITED
    same = all(getattr(known, name) == getattr(asked, name) for name in SAME)
    same = same and _free_of_fees(known.options) == _free_of_fees(asked.options)
    if not same or (limit and known.price != asked.price):
        raise Problem(
            409,
            "client_order_id_reused",
            f"This client_order_id belongs to order {known.order_id}, which is a different one. Choose a new one.",
        )
    return 200, order_view(known)


def _outcome(answer: Answered | Exception) -> tuple[str, str]:
    """What an order is counted under: its outcome, and the code of what went wrong."""
    if isinstance(answer, tuple):
        return ("accepted" if answer[0] == 201 else "repeated"), ""
    return _failed(answer)


def _failed(error: Exception) -> tuple[str, str]:
    if isinstance(error, Problem):
        return ("refused" if error.status < 500 else "failed"), error.code
    return "failed", "service_unavailable" if isinstance(error, Unavailable) else "internal_error"


def _free_of_fees(options: orders.OrderOptions) -> orders.OrderOptions:
    """What the client asked for: the fees may be others by now, and the order is still the same."""
    return structs.replace(options, fee_ppm=0)
