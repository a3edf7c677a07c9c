"""What the engine is asked, as the commands that it journals: each with its time and the context of its span."""

from services.matching_engine.commands import (
    Amend,
    Cancel,
    CancelAll,
    Configure,
    DelistSymbol,
    ListSymbol,
    Place,
    SetSession,
)
from shared.contracts import engine as contract
from shared.contracts.orders import NewOrder


def place(item: NewOrder, time_us: int, context: str) -> Place:
    options = item.options
    return Place(
        time_us,
        item.order_id,
        item.user_id,
        item.symbol,
        item.side,
        item.order_type,
        item.time_in_force,
        item.price,
        item.quantity,
        context,
        options.post_only,
        options.display_quantity,
        options.self_trade,
        options.expires_at_s,
        options.trigger,
        options.linked_order_id,
        options.fee_ppm,
    )


def cancel(item: contract.CancelOrder, time_us: int, context: str) -> Cancel:
    return Cancel(time_us, item.order_id, item.user_id, item.symbol, context)


def amend(item: contract.AmendOrder, time_us: int, context: str) -> Amend:
    return Amend(
        time_us,
        item.amend_id,
        item.order_id,
        item.user_id,
        item.symbol,
        item.old_price,
        item.old_quantity,
        item.price,
        item.quantity,
        context,
        item.fee_ppm,
    )


def cancel_all(item: contract.CancelAll, time_us: int, context: str) -> CancelAll:
    return CancelAll(time_us, item.user_id, item.symbol, context)


def configure(item: contract.ConfigureBook, time_us: int, context: str) -> Configure:
    return Configure(time_us, item.user_id, item.symbol, item.maker_fee_ppm, item.taker_fee_ppm, item.band, context)


def set_session(item: contract.SetSession, time_us: int, context: str) -> SetSession:
    return SetSession(time_us, item.user_id, item.symbol, item.session, item.reference_price, context)


def list_symbol(item: contract.ListSymbol, time_us: int, context: str) -> ListSymbol:
    return ListSymbol(
        time_us,
        item.user_id,
        item.symbol,
        item.name,
        item.tick_size,
        item.lot_size,
        item.reference_price,
        context,
    )


def delist_symbol(item: contract.DelistSymbol, time_us: int, context: str) -> DelistSymbol:
    return DelistSymbol(time_us, item.user_id, item.symbol, context)
