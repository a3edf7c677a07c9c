# cython: language_level=3
"""What the book says happened, one object per happening.

A `Report` has the same fields whatever its kind, and fields that a kind does not use are 0:

| field               | ACCEPTED      | REJECTED     | TRADE             | DONE                    |
|---------------------|---------------|--------------|-------------------|-------------------------|
| side                | its side      | as asked     | taker's side      | its side                |
| reason              | 0             | RejectReason | 0                 | DoneReason              |
| order_id            | the order     | as asked     | the taker         | the order               |
| account_id          | its account   | as asked     | taker's account   | its account             |
| price               | its price     | as asked     | maker's price     | its price               |
| quantity            | as placed     | as asked     | traded            | 0                       |
| remaining           | open, resting | 0            | taker's remainder | released, never traded  |
| maker_order_id      | 0             | 0            | the maker         | 0                       |
| maker_account_id    | 0             | 0            | maker's account   | 0                       |
| maker_remaining     | 0             | 0            | maker's remainder | 0                       |

`sequence` counts the reports of one book from 1 without a gap. Prices are in 1/10,000 dollar, quantities in shares.
"""

from shared.contracts.codes import ReportKind

FIELDS = (
    "kind",
    "side",
    "reason",
    "order_id",
    "account_id",
    "price",
    "quantity",
    "remaining",
    "maker_order_id",
    "maker_account_id",
    "maker_remaining",
    "sequence",
)


class Report:
    """One happening in a book. Made by the book only; read its fields."""

    __slots__ = FIELDS

    kind: int
    side: int
    reason: int
    order_id: int
    account_id: int
    price: int
    quantity: int
    remaining: int
    maker_order_id: int
    maker_account_id: int
    maker_remaining: int
    sequence: int

    def as_tuple(self) -> tuple[int, ...]:
        """Return the fields in the order of `FIELDS`."""
        return tuple(getattr(self, name) for name in FIELDS)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Report) and self.as_tuple() == other.as_tuple()

    def __hash__(self) -> int:
        return hash(self.as_tuple())

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)}" for name in FIELDS[1:] if getattr(self, name))
        return f"<{ReportKind(self.kind).name} {fields}>"
