"""What the wallet-service is asked: the double-entry ledger of cash and shares."""

import msgspec

from shared.contracts.money import Money, Shares
from shared.contracts.operations import WALLET, Answer, Done, Item, Operation
from shared.contracts.reports import Export


class HoldRequest(Item, frozen=True, kw_only=True):
    """Set aside what an order can cost at most: ``unit_amount`` of ``asset`` for each share.

    A buy holds cash at its limit price, a sell holds the shares themselves (``unit_amount`` 1). ``position``: the
    engine event without which it is not refused for want of money, since the user was told what that event brought.
    """

    order_id: int
    user_id: int
    asset: str
    unit_amount: Money
    quantity: Shares
    position: int = 0


class HoldPlaced(Answer, frozen=True, kw_only=True, tag=True):
    """The hold stands. ``amount`` is in units of the asset, ``available`` what is left for other orders."""

    order_id: int
    amount: int
    available: int


class ReleaseRequest(Item, frozen=True, kw_only=True):
    """Give an order's hold back. Also bars the order: a hold that comes later is refused.

    ``position``: not before the engine events up to this one are applied, for they may have made use of it.
    """

    order_id: int
    user_id: int
    position: int = 0


class WalletOf(Item, frozen=True, kw_only=True):
    """Whose wallet. ``position`` is the engine event that the answer must not be older than."""

    user_id: int
    position: int = 0


class Funding(Item, frozen=True, kw_only=True):
    """Bring in (or, negative, take out) ``amount`` units of ``asset``. ``request_id`` makes it happen once.

    ``unit_cost`` is what a share that comes in is taken to have cost, for profit and loss later. ``position``: the
    engine event whose money may be taken out.
    """

    user_id: int
    asset: str
    amount: int
    request_id: str
    unit_cost: Money = 0
    position: int = 0


class TransferRequest(Item, frozen=True, kw_only=True):
    """Move ``amount`` > 0 units of what is available to another user, once per ``request_id`` of the giver.

    ``unit_cost`` is what a share is worth now: its cost where reports do not know yet what it had cost the giver.
    """

    user_id: int
    to_user_id: int
    asset: str
    amount: int
    request_id: str
    unit_cost: Money = 0
    position: int = 0


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """One asset of one user: ``total`` = ``available`` + ``held``."""

    asset: str
    total: int
    held: int


class Wallet(Answer, frozen=True, kw_only=True, tag=True):
    """All that a user owns."""

    user_id: int
    balances: tuple[Balance, ...]
    created: bool = False


class TransactionsOf(Item, frozen=True, kw_only=True):
    """A page of a user's statement, newest first, starting below the transfer ``before`` (0: from the newest)."""

    user_id: int
    position: int = 0
    before: int = 0
    limit: int = 50


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer seen from the user: positive came in, negative went out.

    ``other_user_id`` is the other user of a transfer, 0 for anything else: nobody learns whom they traded with.
    ``request_id`` is the user's own. ``corrects`` is the transfer that a correction takes back, with its ``reason``,
    ``corrected_by`` the correction that took this one back; 0 for none.
    """

    transfer_id: int
    kind: str
    asset: str
    amount: int
    balance_after: int
    order_id: int
    trade_id: int
    time_us: int
    other_user_id: int
    request_id: str | None
    reason: str
    corrects: int
    corrected_by: int


class Transactions(Answer, frozen=True, kw_only=True, tag=True):
    """A page of a statement."""

    transactions: tuple[Transaction, ...]


class EntryOf(Item, frozen=True, kw_only=True):
    """Ask for one transfer, as the ledger has it."""

    transfer_id: int


class Correction(Item, frozen=True, kw_only=True):
    """Administrator ``user_id`` takes an earlier transfer back by a counter-entry, once per ``request_id``.

    ``unit_cost`` as in ``TransferRequest``.
    """

    user_id: int
    transfer_id: int
    reason: str
    request_id: str
    unit_cost: Money = 0


class Entry(Answer, frozen=True, kw_only=True, tag=True):
    """A transfer as the ledger has it: ``amount`` > 0 went from one user (0: the world outside) to the other."""

    transfer_id: int
    kind: str
    asset: str
    amount: int
    debit_user: int
    credit_user: int
    time_us: int
    corrects: int = 0
    corrected_by: int = 0


class CorrectionsQuery(Item, frozen=True, kw_only=True):
    """A page of corrections, newest first, starting below the transfer ``before`` (0: from the newest)."""

    before: int = 0
    limit: int = 50


class CorrectionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Who took which transfer back by which, when, why and in which trace."""

    transfer_id: int
    corrects: int
    user_id: int
    reason: str
    time_us: int
    trace_id: str


class Corrections(Answer, frozen=True, kw_only=True, tag=True):
    """A page of corrections."""

    corrections: tuple[CorrectionRecord, ...]


class UnconfirmedSince(Item, frozen=True, kw_only=True):
    """Ask for orders that were let through in a window of Unix time and are still open here."""

    from_us: int
    until_us: int


class OrderIds(Answer, frozen=True, kw_only=True, tag=True):
    """Order ids, with the user of each beside it."""

    order_ids: tuple[int, ...]
    user_ids: tuple[int, ...]


CHECK_BALANCE = Operation(WALLET, "check_balance", HoldRequest, HoldPlaced)
AMEND_HOLD = Operation(WALLET, "amend_hold", HoldRequest, HoldPlaced)
"""What an order can cost more once it is amended, held under the amendment's id until the engine carries it out."""

RELEASE_HOLD = Operation(WALLET, "release_hold", ReleaseRequest, Done)
CREATE_WALLET = Operation(WALLET, "create_wallet", WalletOf, Wallet)
ADD_FUNDS = Operation(WALLET, "add_funds", Funding, Wallet)
TRANSFER_FUNDS = Operation(WALLET, "transfer_funds", TransferRequest, Wallet)
GET_ENTRY = Operation(WALLET, "get_entry", EntryOf, Entry)
CORRECT_ENTRY = Operation(WALLET, "correct_entry", Correction, Entry)
LIST_CORRECTIONS = Operation(WALLET, "list_corrections", CorrectionsQuery, Corrections)
GET_BALANCE = Operation(WALLET, "get_balance", WalletOf, Wallet)
GET_TRANSACTIONS = Operation(WALLET, "get_transactions", TransactionsOf, Transactions)
EXPORT_STATEMENT = Operation(WALLET, "export_statement", TransactionsOf, Export)
OPEN_HOLDS = Operation(WALLET, "open_holds", UnconfirmedSince, OrderIds, traced=False)
