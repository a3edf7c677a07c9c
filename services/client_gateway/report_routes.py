"""``/reports``: your trades, positions, profit and loss, statistics."""

import csv
import io

from fastapi import Response

from services.client_gateway.api import Api, Call, Nothing
from services.client_gateway.requests import ReportTradesQuery
from services.client_gateway.views import position_view, user_trade_view
from shared.contracts import reports
from shared.contracts.money import money_text
from shared.errors import Problem
from shared.web import json_response


class ReportRoutes:
    """The handlers."""

    def install(self, api: Api) -> None:
        api.route("GET", "/reports/trades", self.trades, query=ReportTradesQuery, tag="reports")
        api.route("GET", "/reports/positions", self.positions, tag="reports")
        api.route("GET", "/reports/pnl", self.pnl, tag="reports")
        api.route("GET", "/reports/statistics", self.statistics, tag="reports")

    async def trades(self, call: Call, query: ReportTradesQuery) -> Response:
        """Your trades, newest first; ``format=csv`` for a spreadsheet."""
        if query.format not in ("json", "csv"):
            raise Problem(422, "invalid_format", "format must be json or csv.")
        page = await call.ask(
            reports.GET_USER_TRADES,
            self._query(call, symbol=query.symbol, before=query.cursor, limit=query.limit),
        )
        rows = [user_trade_view(trade) for trade in page.trades]
        if query.format == "csv":
            return _csv(rows, "trades.csv")
        more = len(rows) == query.limit
        return json_response({"trades": rows, "next_cursor": rows[-1]["trade_id"] if more else None})

    async def positions(self, call: Call, _query: Nothing) -> Response:
        """Your shares: quantity, average cost, value at the last price, profit."""
        answer = await call.ask(reports.GET_POSITIONS, self._query(call))
        return json_response({"positions": [position_view(position) for position in answer.positions]})

    async def pnl(self, call: Call, _query: Nothing) -> Response:
        """Profit and loss, realised and not, in total and by symbol."""
        answer = await call.ask(reports.GET_POSITIONS, self._query(call))
        realised = sum(p.realised for p in answer.positions)
        unrealised = sum(p.quantity * p.last_price - p.cost for p in answer.positions if p.last_price)
        return json_response(
            {
                "realised": money_text(realised),
                "unrealised": money_text(unrealised),
                "total": money_text(realised + unrealised),
                "symbols": [
                    {key: view[key] for key in ("symbol", "realised", "unrealised")}
                    for view in map(position_view, answer.positions)
                ],
            }
        )

    async def statistics(self, call: Call, _query: Nothing) -> Response:
        """Your figures since the beginning."""
        found = await call.ask(reports.GET_STATISTICS, self._query(call))
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
            }
        )

    def _query(self, call: Call, symbol: str = "", before: int = 0, limit: int = 100) -> reports.ReportQuery:
        return reports.ReportQuery(
            user_id=call.identity.user_id,
            position=call.position,
            symbol=symbol,
            before=before,
            limit=limit,
            traceparent=call.traceparent,
        )


def _csv(rows: list[dict[str, object]], name: str) -> Response:
    columns = ["trade_id", "order_id", "symbol", "side", "price", "quantity", "value", "role", "realised", "time"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return Response(
        text.getvalue(), headers={"Content-Disposition": f'attachment; filename="{name}"'}, media_type="text/csv"
    )
