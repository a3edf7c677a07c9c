"""What clients see: ids and decimals as strings, codes as words, times as ISO 8601 in UTC."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from shared.contracts.codes import OrderType, SelfTrade, Session, Side, TimeInForce
from shared.contracts.engine import ActionRecord, Matched
from shared.contracts.money import Money, Shares, amount_text, money_text
from shared.contracts.orders import Fill, NewOrder, Order
from shared.contracts.reports import DaySummary, Position, UserTrade
from shared.contracts.users import UserRecord
from shared.contracts.wallet import Entry, Transaction, Wallet

_SIDES = {int(side): side.name for side in Side}
_TYPES = {int(kind): kind.name for kind in OrderType}
_TIMES = {int(time): time.name for time in TimeInForce}
_SELF_TRADES = {int(choice): choice.name for choice in SelfTrade}


def time_text(time_us: int) -> str:
    """Microseconds of Unix time as ISO 8601 in UTC, to the microsecond."""
    return f"{_second_text(time_us // 1_000_000)}.{time_us % 1_000_000:06d}Z"


@lru_cache(maxsize=256)
def _second_text(second: int) -> str:
    """Orders that are told of together were made in the same few seconds."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def average_text(value: Money, quantity: int) -> str | None:
    """An average price, rounded to the nearest 1/10,000 dollar; None where nothing was traded."""
    return money_text((2 * value + quantity) // (2 * quantity)) if quantity else None


def fill_view(fill: Fill) -> dict[str, Any]:
    return {
        "trade_id": str(fill.trade_id),
        "price": money_text(fill.price),
        "quantity": fill.quantity,
        "fee": money_text(fill.fee),
        "time": time_text(fill.time_us),
    }


def order_view(order: Order) -> dict[str, Any]:
    """An order as the order-manager has it."""
    return {
        **_order(order, order.filled_quantity, order.filled_value, order.decremented_quantity, order.triggered),
        "status": order.status,
        "reason": order.reason,
        "created_at": time_text(order.created_us),
        "updated_at": time_text(order.updated_us),
        "trace_id": order.trace_id,
        "fills": [fill_view(fill) for fill in order.fills],
    }


def placed_view(order: NewOrder, created_us: int, matched: Matched, updated_us: int, trace_id: str) -> dict[str, Any]:
    """An order right after the engine has answered for it: the same that a GET shows a moment later."""
    value = sum(fill.price * fill.quantity for fill in matched.fills)
    lost = matched.decremented_quantity
    return {
        **_order(order, matched.filled_quantity, value, lost, matched.triggered),
        "status": matched.status,
        "reason": matched.reason,
        "created_at": time_text(created_us),
        "updated_at": time_text(updated_us),
        "trace_id": trace_id,
        "fills": [fill_view(fill) for fill in matched.fills],
    }


def _order(order: NewOrder | Order, filled: Shares, value: Money, lost: Shares, triggered: bool) -> dict[str, Any]:
    options = order.options
    trails = order.order_type == OrderType.TRAILING_STOP
    trigger = money_text(options.trigger) if options.trigger else None
    return {
        "order_id": str(order.order_id),
        "client_order_id": order.client_order_id or None,
        "symbol": order.symbol,
        "side": _SIDES[order.side],
        "order_type": _TYPES[order.order_type],
        "time_in_force": _TIMES[order.time_in_force],
        "price": money_text(order.price),
        "quantity": order.quantity,
        "filled_quantity": filled,
        "decremented_quantity": lost,
        "remaining_quantity": order.quantity - filled - lost,
        "average_price": average_text(value, filled),
        "post_only": options.post_only,
        "display_quantity": options.display_quantity or None,
        "self_trade_prevention": _SELF_TRADES[options.self_trade],
        "expires_at": time_text(options.expires_at_s * 1_000_000) if options.expires_at_s else None,
        "stop_price": None if trails else trigger,
        "trail_amount": trigger if trails else None,
        "triggered": triggered if trigger else None,
        "linked_order_id": str(options.linked_order_id) if options.linked_order_id else None,
    }


def wallet_view(wallet: Wallet) -> dict[str, Any]:
    return {
        "user_id": str(wallet.user_id),
        "balances": [
            {
                "asset": b.asset,
                "total": amount_text(b.asset, b.total),
                "held": amount_text(b.asset, b.held),
                "available": amount_text(b.asset, b.total - b.held),
            }
            for b in wallet.balances
        ],
    }


def transaction_view(transaction: Transaction) -> dict[str, Any]:
    return {
        "transaction_id": str(transaction.transfer_id),
        "kind": transaction.kind,
        "asset": transaction.asset,
        "amount": amount_text(transaction.asset, transaction.amount),
        "balance_after": amount_text(transaction.asset, transaction.balance_after),
        "order_id": str(transaction.order_id) if transaction.order_id else None,
        "trade_id": str(transaction.trade_id) if transaction.trade_id else None,
        "other_user_id": str(transaction.other_user_id) if transaction.other_user_id else None,
        "request_id": transaction.request_id,
        "corrects": str(transaction.corrects) if transaction.corrects else None,
        "corrected_by": str(transaction.corrected_by) if transaction.corrected_by else None,
        "reason": transaction.reason or None,
        "time": time_text(transaction.time_us),
    }


def entry_view(entry: Entry) -> dict[str, Any]:
    """A transfer as administrators see it; no user is the world outside."""
    return {
        "transaction_id": str(entry.transfer_id),
        "kind": entry.kind,
        "asset": entry.asset,
        "amount": amount_text(entry.asset, entry.amount),
        "from_user_id": str(entry.debit_user) if entry.debit_user else None,
        "to_user_id": str(entry.credit_user) if entry.credit_user else None,
        "corrects": str(entry.corrects) if entry.corrects else None,
        "corrected_by": str(entry.corrected_by) if entry.corrected_by else None,
        "time": time_text(entry.time_us),
    }


def user_view(user: UserRecord) -> dict[str, Any]:
    """A user as administrators see them."""
    return {
        "user_id": str(user.user_id),
        "username": user.username,
        "roles": user.roles,
        "created_at": time_text(user.created_us),
        "must_reset_password": user.must_reset,
    }


def user_trade_view(trade: UserTrade) -> dict[str, Any]:
    return {
        "trade_id": str(trade.trade_id),
        "order_id": str(trade.order_id),
        "symbol": trade.symbol,
        "side": _SIDES[trade.side],
        "price": money_text(trade.price),
        "quantity": trade.quantity,
        "value": money_text(trade.price * trade.quantity),
        "role": trade.role,
        "realised": money_text(trade.realised),
        "fee": money_text(trade.fee),
        "time": time_text(trade.time_us),
    }


def position_view(position: Position, mark: Money) -> dict[str, Any]:
    """A position at its mark; unrealised profit is what selling all of it there would bring beyond its cost.

    Without a mark (0) nothing can be said of its value.
    """
    value = position.quantity * mark
    return {
        "symbol": position.symbol,
        "quantity": position.quantity,
        "average_cost": average_text(position.cost, position.quantity),
        "cost": money_text(position.cost),
        "last_price": money_text(position.last_price) if position.last_price else None,
        "mark_price": money_text(mark) if mark else None,
        "value": money_text(value),
        "unrealised": money_text(value - position.cost if mark else 0),
        "realised": money_text(position.realised),
        "fees": money_text(position.fees),
    }


def day_view(day: DaySummary) -> dict[str, Any]:
    """A day in a symbol; ``net`` is the realised profit less the fees."""
    return {
        "date": time_text(day.day * 86_400_000_000)[:10],
        "symbol": day.symbol,
        "trades": day.trade_count,
        "trades_as_maker": day.maker_count,
        "bought_quantity": day.bought_quantity,
        "bought_value": money_text(day.bought_value),
        "sold_quantity": day.sold_quantity,
        "sold_value": money_text(day.sold_value),
        "realised": money_text(day.realised),
        "fees": money_text(day.fees),
        "net": money_text(day.realised - day.fees),
    }


def side_name(side: int) -> str:
    return _SIDES[side]


_ACTIONS = {"setsession": "set_session", "listsymbol": "list_symbol", "delistsymbol": "delist_symbol"}
_IN_MONEY = ("band", "tick_size", "reference_price")


def action_view(action: ActionRecord) -> dict[str, Any]:
    """What an administrator did to the market, in the words of the request that asked for it."""
    detail: dict[str, Any] = msgspec.json.decode(action.detail)
    for name in _IN_MONEY:
        if isinstance(detail.get(name), int):
            detail[name] = money_text(detail[name])
    if "session" in detail:
        detail["session"] = Session(detail["session"]).name
    if "band" in detail:
        detail["price_band"] = detail.pop("band")
    if "account_id" in detail:
        detail["account_id"] = str(detail["account_id"])
    return {
        "event": action.seq,
        "time": time_text(action.time_us),
        "user_id": str(action.user_id),
        "action": _ACTIONS.get(action.action, action.action),
        "symbol": action.symbol or None,
        "detail": detail,
        "trace_id": action.trace_id,
    }
