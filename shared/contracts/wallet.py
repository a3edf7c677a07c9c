"""What the wallet-service is asked: the double-entry ledger of cash and shares."""

import msgspec

from shared.contracts.money import Money, Shares
from shared.contracts.operations import WALLET, Answer, Done, Item, Operation


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

    ``unit_cost`` is what a share that comes in is taken to have cost, for profit and loss later.
    """

    user_id: int
    asset: str
    amount: int
    request_id: str
    unit_cost: Money = 0


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
    """One transfer seen from the user: positive came in, negative went out."""

    transfer_id: int
    kind: str
    asset: str
    amount: int
    balance_after: int
    order_id: int
    trade_id: int
    time_us: int


class Transactions(Answer, frozen=True, kw_only=True, tag=True):
    """A page of a statement."""

    transactions: tuple[Transaction, ...]


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
GET_BALANCE = Operation(WALLET, "get_balance", WalletOf, Wallet)
GET_TRANSACTIONS = Operation(WALLET, "get_transactions", TransactionsOf, Transactions)
OPEN_HOLDS = Operation(WALLET, "open_holds", UnconfirmedSince, OrderIds, traced=False)
