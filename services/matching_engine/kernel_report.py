# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What the book says happened. The fields of each kind of report are in docs/matching.md, 10.

Reports are written as packed words, and handed out either as they are (`ReportLog.packed`) or as `Report` objects.
"""

from array import array

import cython

from services.matching_engine.kernel_memory import doubled
from shared.contracts.codes import ReportKind

if not cython.compiled:
    from services.matching_engine.kernel_layout import (
        R_ACCOUNT,
        R_CODES,
        R_DISPLAYED,
        R_FEE,
        R_MAKER,
        R_MAKER_ACCOUNT,
        R_MAKER_FEE,
        R_MAKER_REMAINING,
        R_ORDER,
        R_PRICE,
        R_QUANTITY,
        R_REMAINING,
        R_SEQUENCE,
        REPORT_WORDS,
    )

FIELDS = (
    "kind",
    "side",
    "reason",
    "order_id",
    "account_id",
    "price",
    "quantity",
    "remaining",
    "displayed",
    "maker_order_id",
    "maker_account_id",
    "maker_remaining",
    "fee",
    "maker_fee",
    "sequence",
)


@cython.freelist(1024)  # beside the class: in the .pxd it is not heeded
@cython.cclass
class Report:
    """One happening in a book. All fields are integers; made by the book only, and not changed afterwards.

    Prices and fees are in 1/10,000 dollar, quantities in shares. A field that a kind does not use is 0.
    """

    __slots__ = FIELDS

    kind: int
    side: int
    reason: int
    order_id: int
    account_id: int
    price: int
    quantity: int
    remaining: int
    displayed: int
    maker_order_id: int
    maker_account_id: int
    maker_remaining: int
    fee: int
    maker_fee: int
    sequence: int

    def as_tuple(self) -> tuple[int, ...]:
        """Return the fields in the order of `FIELDS`."""
        return tuple([getattr(self, name) for name in FIELDS])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Report) and self.as_tuple() == other.as_tuple()

    def __hash__(self) -> int:
        return hash(self.as_tuple())

    def __repr__(self) -> str:
        fields = ", ".join([f"{name}={getattr(self, name)}" for name in FIELDS[1:] if getattr(self, name)])
        return f"<{ReportKind(self.kind).name} {fields}>"


class ReportLog:
    """The reports of the command or batch at hand. `sequence` numbers them over the book's whole life."""

    __slots__ = ("end", "sequence", "words")

    def __init__(self) -> None:
        self.words = array("q", bytes(8 * REPORT_WORDS * 64))
        self.end = 0
        self.sequence = 0

    def add(
        self,
        codes_word: cython.longlong,
        order_id: cython.longlong,
        account_id: cython.longlong,
        price: cython.longlong,
        quantity: cython.longlong,
        remaining: cython.longlong,
        displayed: cython.longlong,
    ) -> cython.Py_ssize_t:
        """Add a report. `codes_word` is kind | side << 8 | reason << 16."""
        if self.end == len(self.words):
            self.words = doubled(self.words)
        at: cython.longlong = self.end
        self.end = at + REPORT_WORDS
        self.sequence += 1
        self.words[at + R_CODES] = codes_word
        self.words[at + R_ORDER] = order_id
        self.words[at + R_ACCOUNT] = account_id
        self.words[at + R_PRICE] = price
        self.words[at + R_QUANTITY] = quantity
        self.words[at + R_REMAINING] = remaining
        self.words[at + R_DISPLAYED] = displayed
        self.words[at + R_MAKER] = 0
        self.words[at + R_MAKER_ACCOUNT] = 0
        self.words[at + R_MAKER_REMAINING] = 0
        self.words[at + R_FEE] = 0
        self.words[at + R_MAKER_FEE] = 0
        self.words[at + R_SEQUENCE] = self.sequence
        return 0

    def add_maker(
        self, order_id: cython.longlong, account_id: cython.longlong, remaining: cython.longlong
    ) -> cython.Py_ssize_t:
        """Complete the report added last with its maker."""
        at: cython.longlong = self.end - REPORT_WORDS
        self.words[at + R_MAKER] = order_id
        self.words[at + R_MAKER_ACCOUNT] = account_id
        self.words[at + R_MAKER_REMAINING] = remaining
        return 0

    def add_fees(self, fee: cython.longlong, maker_fee: cython.longlong) -> None:
        """Complete the report added last with its fees."""
        at: cython.longlong = self.end - REPORT_WORDS
        self.words[at + R_FEE] = fee
        self.words[at + R_MAKER_FEE] = maker_fee

    def packed(self) -> bytes:
        """Return the reports as they are: `REPORT_WORDS` native 64-bit integers each."""
        return memoryview(self.words)[: self.end].tobytes()

    def objects(self) -> list[Report]:
        """Return the reports as objects."""
        reports: list[Report] = []
        at: cython.longlong = 0
        while at < self.end:
            report: Report = Report()
            codes_word: cython.longlong = self.words[at + R_CODES]
            report.kind = codes_word & 255
            report.side = (codes_word >> 8) & 255
            report.reason = codes_word >> 16
            report.order_id = self.words[at + R_ORDER]
            report.account_id = self.words[at + R_ACCOUNT]
            report.price = self.words[at + R_PRICE]
            report.quantity = self.words[at + R_QUANTITY]
            report.remaining = self.words[at + R_REMAINING]
            report.displayed = self.words[at + R_DISPLAYED]
            report.maker_order_id = self.words[at + R_MAKER]
            report.maker_account_id = self.words[at + R_MAKER_ACCOUNT]
            report.maker_remaining = self.words[at + R_MAKER_REMAINING]
            report.fee = self.words[at + R_FEE]
            report.maker_fee = self.words[at + R_MAKER_FEE]
            report.sequence = self.words[at + R_SEQUENCE]
            reports.append(report)
            at += REPORT_WORDS
        return reports
