"""``/v1/order`` and ``/v1/orders``: place, look up, cancel."""

import asyncio
import time
from typing import Any

import msgspec
import structlog
from fastapi import Response
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from services.client_gateway.amendment import Amendment, new_terms
from services.client_gateway.api import Api, Call, Nothing, Told, read_body, refusal
from services.client_gateway.instruments import Listing
from services.client_gateway.intake import Answered, Intake
from services.client_gateway.placement import Placement
from services.client_gateway.requests import (
    AmendRequest,
    CancelAllQuery,
    ClientOrderQuery,
    OrderBatch,
    OrderRequest,
    OrdersQuery,
    PathId,
)
from services.client_gateway.settings import GatewaySettings
from services.client_gateway.views import order_view
from shared.contracts import engine, orders
from shared.contracts.operations import Refused
from shared.errors import Problem, Unavailable
from shared.ids import OrderIds
from shared.tracing import item_spans, record_error
from shared.web import bug_problem, json_response, problem_body, unavailable_problem

log = structlog.get_logger()


class OrderRoutes:
    """The handlers, and what they need."""

    def __init__(
        self, placement: Placement, amendment: Amendment, listing: Listing, told: Told, settings: GatewaySettings
    ) -> None:
        self._listing = listing
        self._told = told
        self._ids = OrderIds(settings.gateway_node)
        self._intake = Intake(placement, listing, told, settings, self._ids)
        self._amendment = amendment
        self._decode = msgspec.json.Decoder(OrderRequest).decode

    def install(self, api: Api) -> None:
        api.route("POST", "/v1/order", self.place, body=OrderRequest, tag="orders", answers=(201, 200))
        api.route("POST", "/v1/orders", self.place_many, body=OrderBatch, tag="orders")
        api.route("GET", "/v1/order/{order_id}", self.get, tag="orders")
        api.route("GET", "/v1/order", self.get_by_client, query=ClientOrderQuery, tag="orders")
        api.route("GET", "/v1/orders", self.list, query=OrdersQuery, tag="orders")
        api.route("PATCH", "/v1/order/{order_id}", self.amend, body=AmendRequest, tag="orders")
        api.route("DELETE", "/v1/order/{order_id}", self.cancel, query=Nothing, tag="orders")
        api.route("DELETE", "/v1/orders", self.cancel_all, query=CancelAllQuery, tag="orders")

    async def place(self, call: Call, request: OrderRequest) -> Response:
        """Places an order: 201 with its status and its fills, 200 if this client_order_id was used before."""
        answer = await self._as_told(call, await self._intake.take(call, request))
        if isinstance(answer, Exception):
            raise answer
        status, view = answer
        return json_response(view, status, {"Idempotent-Replay": "true"} if status == 200 else None)

    async def place_many(self, call: Call, batch: OrderBatch) -> Response:
        """Places up to 100 orders. 200 with one result each: the status and body that POST /v1/order would give."""
        with item_spans("place_order", [call.traceparent] * len(batch.orders), kind=SpanKind.INTERNAL) as spans:
            answers = await self._intake.take_many(call, [self._read(raw) for raw in batch.orders], spans)
            if any(map(_is_repeated, answers)):
                # All at once, so that they are read in one batch: a client may send a whole batch again.
                answers = await asyncio.gather(*(self._as_told(call, answer) for answer in answers))
            results = [_result(*pair) for pair in zip(answers, spans, strict=True)]
        return json_response({"results": results})

    async def _as_told(self, call: Call, answer: Answered | Exception) -> Answered | Exception:
        """An order that was there before is read again, so that it is no older than what its client was told of it."""
        if isinstance(answer, Exception) or not _is_repeated(answer):
            return answer
        try:
            return 200, order_view(await self._find(call, order_id=int(answer[1]["order_id"])))
        except (Problem, Unavailable) as error:
            return error

    def _read(self, raw: msgspec.Raw) -> OrderRequest | Problem:
        try:
            request: OrderRequest = read_body(self._decode, bytes(raw))
        except Problem as problem:
            return problem
        return request

    async def get(self, call: Call, _query: Nothing) -> Response:
        """One of your orders, with its fills."""
        return json_response(order_view(await self._find(call, order_id=self._order_id(call))))

    async def get_by_client(self, call: Call, query: ClientOrderQuery) -> Response:
        """The order to which you gave this client_order_id."""
        return json_response(order_view(await self._find(call, client_order_id=query.client_order_id)))

    async def list(self, call: Call, query: OrdersQuery) -> Response:
        """Your orders, newest first, without their fills. ``next_cursor`` continues where this page ends."""
        wanted = tuple(word.strip().upper() for word in query.status.split(",") if word.strip())
        unknown = set(wanted) - set(orders.OrderStatus)
        if unknown:
            names = ", ".join(orders.OrderStatus)
            raise Problem(422, "invalid_status", f"status must be one or more of {names}, separated by commas.")
        page = await call.ask(
            orders.LIST_ORDERS,
            orders.OrderQuery(
                user_id=call.identity.user_id,
                position=call.position,
                symbol=query.symbol,
                status=tuple(orders.OrderStatus(word) for word in wanted),
                before=query.cursor,
                limit=query.limit,
                traceparent=call.traceparent,
            ),
        )
        more = len(page.orders) == query.limit
        return json_response(
            {
                "orders": [order_view(order) for order in page.orders],
                "next_cursor": str(page.orders[-1].order_id) if more else None,
            }
        )

    async def cancel(self, call: Call, _query: Nothing) -> Response:
        """Cancels one of your open orders and gives back what is left of its hold."""
        # As the order-manager has it just now: what has not come there yet the engine knows.
        order = await self._find(call, order_id=self._order_id(call), position=0)
        if order.status in orders.FINAL:
            raise Problem(409, "order_not_open", f"The order is {order.status} already.")
        cancelled = await call.ask(
            engine.CANCEL_ORDER,
            engine.CancelOrder(
                order_id=order.order_id,
                user_id=order.user_id,
                symbol=order.symbol,
                traceparent=call.traceparent,
            ),
        )
        self._told.note(call.identity.user_id, cancelled.position)
        if (ended := _ended(order, cancelled)) is None:
            ended = await self._find(call, order_id=order.order_id, position=cancelled.position)
        return json_response(order_view(ended))

    async def cancel_all(self, call: Call, query: CancelAllQuery) -> Response:
        """Cancels all your open orders, or those of one symbol, and says which they were."""
        symbols = sorted(self._listing.instruments)
        if query.symbol and query.symbol not in symbols:
            raise Problem(422, "unknown_symbol", f"symbol must be one of {', '.join(symbols)}.")
        user_id = call.identity.user_id
        answers = await asyncio.gather(
            *(
                call.ask(
                    engine.CANCEL_ALL, engine.CancelAll(user_id=user_id, symbol=symbol, traceparent=call.traceparent)
                )
                for symbol in ([query.symbol] if query.symbol else symbols)
            )
        )
        self._told.note(user_id, max(answer.position for answer in answers))
        order_ids = [str(order_id) for answer in answers for order_id in answer.order_ids]
        return json_response({"cancelled": len(order_ids), "order_ids": order_ids})

    async def amend(self, call: Call, request: AmendRequest) -> Response:
        """Changes price and quantity of an open order. Less quantity at the same price keeps its place in the book."""
        order = await self._find(call, order_id=self._order_id(call))
        terms = new_terms(request, order, self._listing.instruments)
        if terms == (order.price, order.quantity):
            return json_response(order_view(order))
        amended = await self._amendment.carry_out(order, *terms, self._ids.next(), call.position)
        if isinstance(amended, Refused):
            raise refusal(amended)
        self._told.note(call.identity.user_id, amended.position)
        return json_response(order_view(await self._find(call, order_id=order.order_id, position=amended.position)))

    async def _find(
        self, call: Call, *, order_id: int = 0, client_order_id: str = "", position: int | None = None
    ) -> orders.Order:
        """The order as it is after the event ``position``: by default the last one that its user was told of."""
        return await call.ask(
            orders.GET_ORDER,
            orders.OrderRef(
                user_id=call.identity.user_id,
                order_id=order_id,
                client_order_id=client_order_id,
                position=call.position if position is None else position,
                traceparent=call.traceparent,
            ),
        )

    def _order_id(self, call: Call) -> int:
        try:
            return msgspec.convert(call.params["order_id"], PathId, strict=False)
        except msgspec.ValidationError as error:
            detail = "You have no such order. GET /v1/orders lists yours."
            raise Problem(404, "order_not_found", detail) from error


def _is_repeated(answer: Answered | Exception) -> bool:
    """Whether the order was there before, under the same client_order_id."""
    return isinstance(answer, tuple) and answer[0] == 200


def _result(answer: Answered | Exception, span: trace.Span) -> dict[str, Any]:
    """What became of one order of a batch; its span learns the code of what went wrong."""
    if isinstance(answer, tuple):
        return {"status": answer[0], "order": answer[1]}
    if isinstance(answer, Problem):
        problem = answer
        span.set_attribute("error.code", problem.code)
    elif isinstance(answer, Unavailable):
        log.warning("order failed", error=str(answer))
        problem = unavailable_problem(answer)
    else:
        record_error(span, answer)
        problem = bug_problem(answer)
    return {"status": problem.status, "problem": problem_body(problem)}


def _ended(order: orders.Order, cancelled: engine.Cancelled) -> orders.Order | None:
    """A cancelled order, from how it was read before; None where that was older than its last trade or change.

    What set a stop off shows in none of the engine's figures.
    """
    open_quantity = order.quantity - order.filled_quantity - order.decremented_quantity
    read = (order.price, order.quantity, open_quantity)
    if order.options.trigger or read != (cancelled.price, cancelled.quantity, cancelled.open_quantity):
        return None
    return msgspec.structs.replace(
        order, status=orders.OrderStatus.CANCELLED, reason="cancelled", updated_us=time.time_ns() // 1000
    )
