"""``/v1/order/{id}/trace`` and ``/v1/trace/{id}``: the way of one's own order or request, read from the trace backend.

Any backend with Jaeger's HTTP API will do (``TRACE_BACKEND_URL``). What is shown is cut down by ``trace_view``.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import Response

from services.client_gateway.api import Api, Call
from services.client_gateway.requests import PathId, TraceQuery
from services.client_gateway.settings import GatewaySettings
from services.client_gateway.trace_view import Attributes, own_part
from shared.contracts import orders
from shared.contracts.operations import GATEWAY
from shared.errors import Problem, Unavailable
from shared.transport import Transport
from shared.web import json_response

TRACE_ID_DIGITS = 32
TIMEOUT_S = 5.0
LOOK_AGAIN_S = 0.2
NO_TRACE: dict[str, Any] = {"spans": [], "processes": {}}


class TraceRoutes:
    """The handlers, and their connection to the backend."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._backend = Transport(settings.trace_backend_url, {})
        self._explorer_url = settings.trace_explorer_url.rstrip("/")

    def install(self, api: Api) -> None:
        api.route("GET", "/v1/order/{order_id}/trace", self.of_order, query=TraceQuery, tag="traces")
        api.route("GET", "/v1/trace/{trace_id}", self.of_request, query=TraceQuery, tag="traces")

    async def of_order(self, call: Call, query: TraceQuery) -> Response:
        """The spans of your order's way: who did what for it, when, for how long.

        They arrive within about a second; with `wait_ms` the answer waits for the first of them.
        """
        order = await self._order(call)
        wanted = str(order.order_id)

        def mine(service: str, attributes: Attributes) -> bool:
            return service == GATEWAY and attributes.get("order.id") == wanted

        return await self._answer(order.trace_id, mine, query)

    async def of_request(self, call: Call, query: TraceQuery) -> Response:
        """The spans of a request of yours, by the ``X-Trace-Id`` of its answer; also of one that failed."""
        trace_id = call.params["trace_id"].lower()
        if len(trace_id) != TRACE_ID_DIGITS or not set(trace_id) <= set("0123456789abcdef"):
            raise Problem(422, "invalid_trace_id", f"A trace id has {TRACE_ID_DIGITS} hexadecimal digits.")
        wanted = str(call.identity.user_id)

        def mine(service: str, attributes: Attributes) -> bool:
            return service == GATEWAY and attributes.get("user.id") == wanted

        return await self._answer(trace_id, mine, query)

    async def _answer(self, trace_id: str, mine: Callable[[str, Attributes], bool], query: TraceQuery) -> Response:
        deadline = time.monotonic() + query.wait_ms / 1000
        while not (spans := own_part(await self._fetch(trace_id), mine)):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise _not_found()
            await asyncio.sleep(min(left_s, LOOK_AGAIN_S))
        return json_response(
            {"trace_id": trace_id, "explorer_url": f"{self._explorer_url}/trace/{trace_id}", "spans": spans}
        )

    async def _fetch(self, trace_id: str) -> dict[str, Any]:
        """The trace in Jaeger's JSON, without spans where there is none. Raises Unavailable."""
        try:
            status, body = await self._backend.request("GET", f"/api/traces/{trace_id}", timeout_s=TIMEOUT_S)
        except OSError as error:
            raise Unavailable("trace backend", str(error)) from error
        if status == 404:
            return NO_TRACE
        if status != 200:
            raise Unavailable("trace backend", f"it answered {status}")
        try:
            trace: dict[str, Any] = msgspec.json.decode(body)["data"][0]
        except (msgspec.DecodeError, KeyError, IndexError, TypeError) as error:
            raise Unavailable("trace backend", "it does not speak Jaeger's API") from error
        return trace

    async def _order(self, call: Call) -> orders.Order:
        try:
            order_id = msgspec.convert(call.params["order_id"], PathId, strict=False)
        except msgspec.ValidationError as error:
            raise Problem(404, "order_not_found", "You have no such order. GET /v1/orders lists yours.") from error
        return await call.ask(
            orders.GET_ORDER,
            orders.OrderRef(
                user_id=call.identity.user_id,
                order_id=order_id,
                position=call.position,
                traceparent=call.traceparent,
            ),
        )


def _not_found() -> Problem:
    detail = (
        "No trace of yours is known by this id. A new one arrives about a second after its request: add ?wait_ms=2000."
    )
    return Problem(404, "trace_not_found", detail, headers={"Retry-After": "1"})
