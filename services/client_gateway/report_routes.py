"""``/reports``: your trades, positions, profit and loss, days, statistics; as JSON or as files."""

import time
from datetime import UTC, date, datetime, timedelta
from functools import partial

from fastapi import Response

from services.client_gateway.api import Api, Call, Nothing
from services.client_gateway.exports import Exports, csv_of, format_of, rows_in
from services.client_gateway.impatience import ask_impatiently
from services.client_gateway.instruments import Listing
from services.client_gateway.requests import DaysQuery, FormatQuery, ReportTradesQuery
from services.client_gateway.views import day_view, position_view, user_trade_view
from shared.contracts import reports
from shared.contracts.money import money_text
from shared.errors import Problem
from shared.faults import RETRY_STORM
from shared.web import json_response

EPOCH = date(1970, 1, 1)
DAYS_DEFAULT, DAYS_MAX = 30, 366


class ReportRoutes:
    """The handlers, and what they need."""

    def __init__(self, listing: Listing, exports: Exports) -> None:
        self._listing = listing
        self._exports = exports

    def install(self, api: Api) -> None:
        api.route("GET", "/reports/trades", self.trades, query=ReportTradesQuery, tag="reports")
        api.route("GET", "/reports/positions", self.positions, query=FormatQuery, tag="reports")
        api.route("GET", "/reports/pnl", self.pnl, tag="reports")
        api.route("GET", "/reports/daily", self.daily, query=DaysQuery, tag="reports")
        api.route("GET", "/reports/statistics", self.statistics, tag="reports")

    async def trades(self, call: Call, query: ReportTradesQuery) -> Response:
        """Your trades, newest first; as a file with ``format=csv`` or ``parquet``, up to 50,000 of them."""
        kind = format_of(query.format)
        asked = _query(call, symbol=query.symbol, before=query.cursor, limit=rows_in(query.limit, kind))
        if kind != "json":
            file = await call.ask(reports.EXPORT_TRADES, asked)
            return await self._exports.file("trades", kind, file.content, file.next_before)
        page = await call.ask(reports.GET_USER_TRADES, asked)
        rows = [user_trade_view(trade) for trade in page.trades]
        more = len(rows) == asked.limit
        return json_response({"trades": rows, "next_cursor": rows[-1]["trade_id"] if more else None})

    async def positions(self, call: Call, query: FormatQuery) -> Response:
        """Your shares: quantity, average cost, value at the mark, profit, fees."""
        kind = format_of(query.format)
        rows = await self._positions(call)
        if kind != "json":
            return await self._exports.file("positions", kind, csv_of("positions", rows))
        return json_response({"positions": rows})

    async def pnl(self, call: Call, _query: Nothing) -> Response:
        """Profit and loss, realised and at the mark, before fees and after, in total and by symbol."""
        positions = (await call.ask(reports.GET_POSITIONS, _query_all(call))).positions
        marks = await self._listing.marks([p.symbol for p in positions])
        realised, fees = sum(p.realised for p in positions), sum(p.fees for p in positions)
        marked = [(p, marks.get(p.symbol) or p.last_price) for p in positions]
        unrealised = sum(p.quantity * mark - p.cost for p, mark in marked if mark)
        names = ("symbol", "realised", "unrealised", "fees")
        return json_response(
            {
                "realised": money_text(realised),
                "unrealised": money_text(unrealised),
                "total": money_text(realised + unrealised),
                "fees": money_text(fees),
                "net": money_text(realised + unrealised - fees),
                "symbols": [{name: position_view(p, mark)[name] for name in names} for p, mark in marked],
            }
        )

    async def daily(self, call: Call, query: DaysQuery) -> Response:
        """What you traded on each day (UTC) in each symbol, newest first; the last 30 days unless told otherwise."""
        kind = format_of(query.format)
        last = query.until or datetime.fromtimestamp(time.time(), UTC).date()
        first = query.since or max(last - timedelta(days=DAYS_DEFAULT - 1), EPOCH)
        if not EPOCH <= first <= last or (last - first).days >= DAYS_MAX:
            raise Problem(422, "invalid_days", f"since must not be after until, and at most {DAYS_MAX} days from it.")
        answer = await call.ask(
            reports.GET_DAYS,
            reports.DaysQuery(
                user_id=call.identity.user_id,
                first_day=(first - EPOCH).days,
                last_day=(last - EPOCH).days,
                position=call.position,
                traceparent=call.traceparent,
            ),
        )
        rows = [day_view(day) for day in answer.days]
        if kind != "json":
            return await self._exports.file("daily", kind, csv_of("daily", rows))
        return json_response({"days": rows})

    async def statistics(self, call: Call, _query: Nothing) -> Response:
        """Your figures since the beginning."""
        found = await call.ask(reports.GET_STATISTICS, _query_all(call))
        return json_response(
            {
                "orders": found.order_count,
                "rejected_orders": found.rejected_count,
                "trades": found.trade_count,
                "trades_as_maker": found.maker_count,
                "bought_quantity": found.bought_quantity,
                "bought_value": money_text(found.bought_value),
                "sold_quantity": found.sold_quantity,
                "sold_value": money_text(found.sold_value),
                "fees": money_text(found.fees),
            }
        )

    async def _positions(self, call: Call) -> list[dict[str, object]]:
        ask = partial(ask_impatiently, call) if RETRY_STORM.on else call.ask
        positions = (await ask(reports.GET_POSITIONS, _query_all(call))).positions
        marks = await self._listing.marks([position.symbol for position in positions])
        return [position_view(p, marks.get(p.symbol) or p.last_price) for p in positions]


def _query_all(call: Call) -> reports.ReportQuery:
    return _query(call, symbol="", before=0, limit=1)


def _query(call: Call, symbol: str, before: int, limit: int) -> reports.ReportQuery:
    return reports.ReportQuery(
        user_id=call.identity.user_id,
        position=call.position,
        symbol=symbol,
        before=before,
        limit=limit,
        traceparent=call.traceparent,
    )
