"""Orders on ``/ws``: placed, amended and cancelled by the same code as over HTTP, many at a time on one connection.

Each message is the root of a whole trace. Its answer, a ``result`` with the status and the body that HTTP would give,
comes when it is there; the message's ``id`` says which one it is.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Response
from msgspec import Meta, Raw

from services.client_gateway.api import Api, Handler, read_body
from services.client_gateway.connection import Connection
from services.client_gateway.frames import text_frame
from services.client_gateway.order_routes import OrderRoutes
from services.client_gateway.requests import AmendRequest, CancelAllQuery, OrderBatch, OrderRequest
from services.client_gateway.sign_in import Logins
from services.client_gateway.socket import Message, Sockets
from shared.web import trace_id

OrderId = Annotated[str, Meta(max_length=19)]


class Place(Message, frozen=True, kw_only=True, tag="place"):
    """``order``: the body of ``POST /v1/order``."""

    order: Raw


class PlaceMany(Message, frozen=True, kw_only=True, tag="place_many"):
    """``orders``: up to 100, as in ``POST /v1/orders``; each is judged by itself, all are answered together."""

    orders: Annotated[list[Raw], Meta(min_length=1, max_length=100)]


class Amend(Message, frozen=True, kw_only=True, tag="amend"):
    """``terms``: the body of ``PATCH /v1/order/{order_id}``."""

    order_id: OrderId
    terms: Raw


class Cancel(Message, frozen=True, kw_only=True, tag="cancel"):
    """``DELETE /v1/order/{order_id}``."""

    order_id: OrderId


class CancelAll(Message, frozen=True, kw_only=True, tag="cancel_all"):
    """``DELETE /v1/orders``: all open orders, or those of one symbol."""

    symbol: str = ""


M = TypeVar("M", bound=Message)

_read_order = msgspec.json.Decoder(OrderRequest).decode
_read_terms = msgspec.json.Decoder(AmendRequest).decode
_encode = msgspec.json.Encoder().encode


class OrderMessages:
    """What a client may say about its orders."""

    def __init__(self, api: Api, logins: Logins, routes: OrderRoutes) -> None:
        self._api = api
        self._logins = logins
        self._routes = routes

    def install(self, sockets: Sockets) -> None:
        routes = self._routes
        self._on(sockets, Place, routes.place, lambda m: read_body(_read_order, bytes(m.order)))
        self._on(sockets, PlaceMany, routes.place_many, lambda m: OrderBatch(orders=m.orders))
        self._on(sockets, Amend, routes.amend, lambda m: read_body(_read_terms, bytes(m.terms)), _order_of)
        self._on(sockets, Cancel, routes.cancel, lambda _message: None, _order_of)
        self._on(sockets, CancelAll, routes.cancel_all, lambda m: CancelAllQuery(symbol=m.symbol))

    def _on(
        self,
        sockets: Sockets,
        kind: type[M],
        handler: Handler,
        said: Callable[[M], Any],
        params: Callable[[M], Mapping[str, str]] = lambda _message: {},
    ) -> None:
        """Messages of this kind go to an HTTP route's handler: what they say is its body, ``params`` its path's."""

        async def answer(connection: Connection, message: M) -> None:
            login = self._logins.of(connection)
            with login.request():
                call = await self._api.call(login.token, params(message))
                response = await handler(call, said(message))
                if login.placed is not None:
                    login.placed.update(_order_ids(kind, bytes(response.body)))
            connection.write_large(_result(message, response))

        sockets.on(kind, answer, in_order=False)


def _order_of(message: Amend | Cancel) -> Mapping[str, str]:
    return {"order_id": message.order_id}


def _result(message: Message, response: Response) -> bytes:
    """The answer as a frame. The body is encoded already, and goes in as it is."""
    head = b'{"type":"result","id":%b,"trace_id":"%b","status":%d,"body":'
    filled = head % (_encode(message.id), trace_id().encode(), response.status_code)
    return text_frame(b"%b%b}" % (filled, bytes(response.body)))


class _Placed(msgspec.Struct):
    """An order, as far as its id."""

    order_id: str


class _Item(msgspec.Struct):
    order: _Placed | None = None


class _Batch(msgspec.Struct):
    results: list[_Item]


_read_placed = msgspec.json.Decoder(_Placed).decode
_read_batch = msgspec.json.Decoder(_Batch).decode


def _order_ids(kind: type[Message], body: bytes) -> list[int]:
    """The orders that an answer says were placed."""
    if kind is Place:
        return [int(_read_placed(body).order_id)]
    if kind is PlaceMany:
        return [int(item.order.order_id) for item in _read_batch(body).results if item.order is not None]
    return []
