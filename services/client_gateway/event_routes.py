"""``GET /marketdata/events``: a day of market data as a Parquet file (docs/market-data.md)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

from fastapi import Response
from fastapi.responses import StreamingResponse

from services.client_gateway.api import Api, Call
from services.client_gateway.instruments import Listing
from services.client_gateway.requests import EventsQuery
from shared.batching import Clients
from shared.contracts.market import EXPORT_EVENTS, READ_EXPORT, ExportPieceQuery, ExportQuery
from shared.contracts.operations import Refused
from shared.errors import Problem, Unavailable

EPOCH = date(1970, 1, 1)
POLL_S = 0.1
MAKE_S = 120.0


class EventRoutes:
    """The handler, and what it needs."""

    def __init__(self, clients: Clients, listing: Listing) -> None:
        self._clients = clients
        self._listing = listing

    def install(self, api: Api) -> None:
        api.route("GET", "/marketdata/events", self.events, query=EventsQuery, public=True, tag="market data")

    async def events(self, call: Call, query: EventsQuery) -> Response:
        """Everything that happened in the books on a day (UTC), as Parquet: orders, trades, sessions, auctions."""
        try:
            day = (date.fromisoformat(query.date) - EPOCH).days
        except ValueError:
            raise Problem(422, "invalid_date", "date must be a day like 2026-01-31.") from None
        if query.symbol and query.symbol not in self._listing.instruments:
            raise Problem(422, "unknown_symbol", "GET /marketdata/symbols lists what is traded here.")
        begun = await call.ask(EXPORT_EVENTS, ExportQuery(day=day, symbol=query.symbol, traceparent=call.traceparent))
        async with asyncio.timeout(MAKE_S):
            while not begun.ready:
                await asyncio.sleep(POLL_S)
                begun = await call.ask(EXPORT_EVENTS, ExportQuery(export_id=begun.export_id))
        name = f"events-{query.date}{'-' + query.symbol if query.symbol else ''}.parquet"
        return StreamingResponse(
            self._pieces(begun.export_id, begun.size_bytes),
            media_type="application/vnd.apache.parquet",
            headers={
                "Content-Length": str(begun.size_bytes),
                "Content-Disposition": f'attachment; filename="{name}"',
            },
        )

    async def _pieces(self, export_id: str, size_bytes: int) -> AsyncIterator[bytes]:
        """The file; where it ends early the client sees that its length is wrong."""
        offset = 0
        while offset < size_bytes:
            piece = await self._clients.call(READ_EXPORT, ExportPieceQuery(export_id=export_id, offset=offset))
            if isinstance(piece, Refused):
                raise Unavailable("market-data", piece.detail)
            offset += len(piece.data)
            yield piece.data
