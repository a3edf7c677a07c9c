"""An engine that only tells: a list of instruments and whatever books a test gives it, behind the real internal API.

For services that follow the engine, so that a test says exactly what the market did. Events are made with `trade`,
`accepted` and `closed`, in the shape in which the engine publishes them.
"""

from collections.abc import Sequence

from fastapi import FastAPI
from opentelemetry.trace import Span

from shared.contracts.codes import Side
from shared.contracts.engine import (
    GET_BOOK,
    LIST_INSTRUMENTS,
    BookQuery,
    BookState,
    Instrument,
    InstrumentList,
    Instruments,
)
from shared.contracts.events import Accepted, Amended, Closed, EngineEvent, Report, Trade
from shared.contracts.operations import ENGINE
from shared.errors import Unavailable
from shared.service import Service
from shared.settings import ServiceSettings
from tests.services import new_traceparent

DAY_US = 86_400_000_000

AAPL = Instrument(symbol="AAPL", name="Apple Inc.", tick_size=100, lot_size=1, reference_price=150_0000)
MSFT = Instrument(symbol="MSFT", name="Microsoft Corp.", tick_size=100, lot_size=1, reference_price=400_0000)


class FakeEngine:
    """`books`, `away` and `listed` may be changed while it runs; a symbol without a book has an empty one."""

    def __init__(self) -> None:
        self.books: dict[str, BookState] = {}
        self.away = False
        self.listed = [AAPL, MSFT]

    def create_app(self, settings: ServiceSettings) -> FastAPI:
        """For `tests.services.running`."""
        service = Service(ENGINE, settings)
        service.serve(LIST_INSTRUMENTS, self.instruments)
        service.serve(GET_BOOK, self.book)
        return service.app

    async def instruments(self, items: Sequence[Instruments], _spans: Sequence[Span]) -> list[InstrumentList]:
        if self.away:
            raise Unavailable("matching-engine", "the test says so")
        return [InstrumentList(instruments=tuple(self.listed)) for _ in items]

    async def book(self, items: Sequence[BookQuery], _spans: Sequence[Span]) -> list[BookState]:
        # One clock for all symbols, as the real engine has it.
        position = max((book.position for book in self.books.values()), default=0)
        return [
            self.books.get(item.symbol, BookState(symbol=item.symbol, position=position, last_price=0, orders=()))
            for item in items
        ]


def event(seq: int, *reports: Report, order_id: int = 0, symbol: str = "AAPL", time_us: int = DAY_US) -> EngineEvent:
    """What one command brought about, in a trace of its own."""
    return EngineEvent(
        seq=seq, time_us=time_us, traceparent=new_traceparent(), symbol=symbol, order_id=order_id, reports=reports
    )


def accepted(order_id: int, user_id: int, side: Side, price: int, quantity: int) -> Accepted:
    """The order rests."""
    return Accepted(order_id=order_id, user_id=user_id, side=side, price=price, quantity=quantity)


def amended(order_id: int, user_id: int, side: Side, price: int, quantity: int) -> Amended:
    """The order has new terms and kept its place; all of it is open."""
    return Amended(
        order_id=order_id,
        user_id=user_id,
        side=side,
        price=price,
        quantity=quantity,
        order_quantity=quantity,
        kept_place=True,
    )


def trade(
    trade_id: int,
    taker: tuple[int, int, int],
    maker: tuple[int, int, int],
    price: int,
    quantity: int,
    side: Side = Side.BUY,
) -> Trade:
    """Two orders met. `taker` and `maker` are (order id, user id, quantity left)."""
    return Trade(
        trade_id=trade_id,
        price=price,
        quantity=quantity,
        side=side,
        taker_order_id=taker[0],
        taker_user_id=taker[1],
        taker_open=taker[2],
        maker_order_id=maker[0],
        maker_user_id=maker[1],
        maker_open=maker[2],
        maker_traceparent=new_traceparent(),
    )


def closed(order_id: int, user_id: int, side: Side, status: str = "FILLED", quantity: int = 0) -> Closed:
    """The order is gone."""
    return Closed(order_id=order_id, user_id=user_id, side=side, status=status, reason="", quantity=quantity)
