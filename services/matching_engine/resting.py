"""What the engine keeps of the orders in its books beside what the books know: their owner, their trace, their end."""

import heapq

import msgspec

from shared.contracts.money import Money, Shares


class Resting(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An order in a book. ``expires_at_s``: when its time is over, 0 for never. ``quantity`` is all it ever asked.

    ``waiting``: a stop that was not triggered yet. Fields with a default came later; in a snapshot from before them
    they are empty.
    """

    user_id: int
    traceparent: str
    symbol: str = ""
    expires_at_s: int = 0
    price: Money = 0
    quantity: Shares = 0
    side: int = 0
    waiting: bool = False


class RestingOrders:
    """All orders that are in a book, and which of them end when."""

    def __init__(self, orders: dict[int, Resting] | None = None) -> None:
        self.orders = orders if orders is not None else {}
        self._ends: dict[str, list[tuple[int, int]]] = {}
        for order_id, order in self.orders.items():
            self._note_end(order_id, order)

    def add(self, order_id: int, order: Resting) -> None:
        """An order came to rest. One that is known keeps what is known of it."""
        if order_id not in self.orders:
            self.orders[order_id] = order
            self._note_end(order_id, order)

    def of(self, symbol: str) -> list[int]:
        """The orders of a symbol, by id."""
        return sorted(order_id for order_id, order in self.orders.items() if order.symbol == symbol)

    def waiting(self, symbol: str) -> list[tuple[int, Resting]]:
        """The stop orders of a symbol that were not triggered yet, by id."""
        return sorted((i, order) for i, order in self.orders.items() if order.waiting and order.symbol == symbol)

    def due(self, now_s: int) -> list[str]:
        """The symbols with an order whose time is over."""
        return [symbol for symbol in sorted(self._ends) if self._first_end(symbol) <= now_s]

    def take_due(self, symbol: str, now_s: int) -> list[int]:
        """The orders of a symbol whose time is over, the earliest first. They are not told of again."""
        taken = []
        while self._first_end(symbol) <= now_s:
            taken.append(heapq.heappop(self._ends[symbol])[1])
        return taken

    def _note_end(self, order_id: int, order: Resting) -> None:
        if order.expires_at_s:
            heapq.heappush(self._ends.setdefault(order.symbol, []), (order.expires_at_s, order_id))

    def _first_end(self, symbol: str) -> float:
        """When the next order of a symbol ends. Those that ended otherwise are forgotten on the way."""
        ends = self._ends.get(symbol, [])
        while ends and ends[0][1] not in self.orders:
            heapq.heappop(ends)
        return ends[0][0] if ends else float("inf")
