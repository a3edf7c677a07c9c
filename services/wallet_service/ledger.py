"""The rules of the ledger, without I/O: what may be held, and how holds, trades and fundings move balances.

A ``Ledger`` is a working set: the accounts and holds that a batch touches. The store loads them, the rules change them
in the order of arrival, the store writes back what changed. Every change of a balance is a ``Transfer`` between two
accounts, so that per asset all balances together, the outside world's included, are always zero.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from shared.contracts.codes import Side
from shared.contracts.events import Trade
from shared.contracts.money import CASH, Money, Shares, amount_text
from shared.contracts.operations import Refused
from shared.contracts.wallet import Entry, Funding, HoldPlaced, HoldRequest, TransferRequest

WORLD = 0
"""The user outside: deposits come from it, withdrawals go to it, and it alone may owe."""

EXCHANGE = 1
"""The exchange's own user, for fees."""

WORLD_DEBT_MAX = 4 * 10**18
"""Units of one asset that may ever come in, so that no balance leaves an int64: 400 trillion dollars."""

LACKING = ("insufficient_funds", "insufficient_shares")
"""The codes of refusals for want of cash and for want of shares."""

LEDGER_FULL = Refused(code="ledger_full", detail="The exchange can't take in that much. Deposit less.")

AccountKey = tuple[int, str]
"""User and asset. Rows are always locked in the order of these."""


class LedgerError(Exception):
    """Something that can't be settled without breaking the ledger: a bug elsewhere, never a user's mistake."""


class HoldState(IntEnum):
    """Where a hold is in its life. BARRED: given back before it was placed, so that it never can be."""

    OPEN = 1
    CLOSED = 2
    BARRED = 3


@dataclass(slots=True)
class Account:
    """What a user owns of one asset, and how much of that is promised to open orders."""

    user_id: int
    asset: str
    balance: int = 0
    held: int = 0

    @property
    def key(self) -> AccountKey:
        return (self.user_id, self.asset)

    @property
    def available(self) -> int:
        return self.balance - self.held


@dataclass(slots=True)
class Hold:
    """What an open order may still cost: ``unit_amount`` of ``asset`` for each share that is open."""

    order_id: int
    user_id: int
    asset: str
    unit_amount: Money
    open_quantity: Shares
    state: HoldState = HoldState.OPEN

    @property
    def amount(self) -> int:
        return self.unit_amount * self.open_quantity


class Transfer(NamedTuple):
    """``amount`` > 0 left the debited user and reached the credited one. Ids of orders and trades are 0 for none."""

    kind: str
    asset: str
    amount: int
    debit_user: int
    credit_user: int
    debit_balance_after: int
    credit_balance_after: int
    debit_order_id: int
    credit_order_id: int
    trade_id: int
    request_id: str | None
    time_us: int


class Ledger:
    """The accounts and holds of one batch, and what it did to them."""

    def __init__(self, accounts: Iterable[Account] = (), holds: Iterable[Hold] = ()) -> None:
        self.accounts = {account.key: account for account in accounts}
        self.holds = {hold.order_id: hold for hold in holds}
        self.placed: list[Hold] = []
        """Holds that are new."""
        self.changed: dict[int, Hold] = {}
        """Holds that were there before and are not what they were, by order id."""
        self.transfers: list[Transfer] = []
        """In the order in which they took place."""

    def place_hold(self, request: HoldRequest) -> HoldPlaced | Refused:
        """Sets aside what an order can cost, or says why not. The same order again gets the same answer again.

        The account of the request must have been loaded, if only as an empty one.
        """
        if request.unit_amount <= 0 or request.quantity <= 0:
            return Refused(code="invalid_hold", detail="An order holds a positive amount for a positive quantity.")
        account = self.accounts[request.user_id, request.asset]
        known = self.holds.get(request.order_id)
        if known is not None:
            if known.state != HoldState.OPEN or known.user_id != request.user_id:
                return Refused(code="order_barred", detail="This order was given up. Send a new one.")
            return HoldPlaced(order_id=known.order_id, amount=known.amount, available=account.available)
        amount = request.unit_amount * request.quantity
        if amount > account.available:
            return _insufficient(request.asset, amount, account.available)
        account.held += amount
        hold = Hold(request.order_id, request.user_id, request.asset, request.unit_amount, request.quantity)
        self.holds[hold.order_id] = hold
        self.placed.append(hold)
        return HoldPlaced(order_id=hold.order_id, amount=amount, available=account.available)

    def close_hold(self, order_id: int) -> int:
        """Gives back what is left of a hold and closes it for good. Answers how much that was: 0 where none is open."""
        hold = self.holds.get(order_id)
        if hold is None or hold.state != HoldState.OPEN:
            return 0
        released = self._shrink(hold, hold.open_quantity)
        hold.state = HoldState.CLOSED
        return released

    def amend_hold(self, order_id: int, unit_amount: Money, quantity: Shares) -> None:
        """Makes an open hold what an amended order needs. What it grows by was held for the amendment before."""
        hold = self.holds.get(order_id)
        if hold is None or hold.state != HoldState.OPEN:
            return
        self.accounts[hold.user_id, hold.asset].held += unit_amount * quantity - hold.amount
        hold.unit_amount, hold.open_quantity = unit_amount, quantity
        self.changed[order_id] = hold

    def reduce_hold(self, order_id: int, quantity: Shares) -> None:
        """Gives back what a hold keeps for shares that the order lost without a trade."""
        hold = self.holds.get(order_id)
        if hold is not None:
            self._shrink(hold, min(quantity, hold.open_quantity))

    def settle(self, trade: Trade, symbol: str, time_us: int) -> None:
        """Delivery against payment: cash to the seller, shares to the buyer, each out of what their order holds.

        A buyer who held more than the trade cost has the difference available again by that alone.
        Raises LedgerError where somebody would pay what they do not have.
        """
        buyer_order, seller_order = trade.taker_order_id, trade.maker_order_id
        if trade.side != Side.BUY:
            buyer_order, seller_order = seller_order, buyer_order
        buyer, seller = trade.buyer_id, trade.seller_id
        self.reduce_hold(buyer_order, trade.quantity)
        self.reduce_hold(seller_order, trade.quantity)
        value = trade.price * trade.quantity
        self._move("trade", CASH, value, buyer, seller, time_us, (buyer_order, seller_order), trade.trade_id)
        self._move("trade", symbol, trade.quantity, seller, buyer, time_us, (seller_order, buyer_order), trade.trade_id)
        if trade.taker_fee or trade.maker_fee:
            self._charge(trade, time_us)

    def _charge(self, trade: Trade, time_us: int) -> None:
        """Fees go to the exchange, rebates come from it: fees first, since the rebate is paid out of them."""
        taker = (trade.taker_fee, trade.taker_user_id, trade.taker_order_id)
        maker = (trade.maker_fee, trade.maker_user_id, trade.maker_order_id)
        for fee, user_id, order_id in sorted((taker, maker), reverse=True):
            if fee > 0:
                self._move("fee", CASH, fee, user_id, EXCHANGE, time_us, (order_id, 0), trade.trade_id)
            elif fee < 0:
                self._move("fee", CASH, -fee, EXCHANGE, user_id, time_us, (0, order_id), trade.trade_id)

    def fund(self, funding: Funding, time_us: int) -> Refused | None:
        """Brings an asset in from the world, or (negative amount) takes it out of what is available."""
        amount = funding.amount
        if amount == 0:
            return Refused(code="invalid_amount", detail="Name an amount other than zero.")
        if amount > 0:
            if self._is_full(funding.asset, amount):
                return LEDGER_FULL
            self._move("deposit", funding.asset, amount, WORLD, funding.user_id, time_us, request_id=funding.request_id)
            return None
        available = self.accounts[funding.user_id, funding.asset].available
        if -amount > available:
            return _insufficient(funding.asset, -amount, available)
        self._move("withdrawal", funding.asset, -amount, funding.user_id, WORLD, time_us, request_id=funding.request_id)
        return None

    def transfer(self, wanted: TransferRequest, time_us: int) -> Refused | None:
        """Moves an asset from what one user has available to another user."""
        if wanted.amount <= 0:
            return Refused(code="invalid_amount", detail="Name an amount above zero.")
        if wanted.to_user_id == wanted.user_id:
            return Refused(code="same_user", detail="A transfer goes to another user.")
        giver = self.accounts[wanted.user_id, wanted.asset]
        if wanted.amount > giver.available:
            return _insufficient(wanted.asset, wanted.amount, giver.available)
        self._move(
            "transfer",
            wanted.asset,
            wanted.amount,
            wanted.user_id,
            wanted.to_user_id,
            time_us,
            request_id=wanted.request_id,
        )
        return None

    def take_back(self, entry: Entry, time_us: int) -> Refused | None:
        """Books the counter-entry of an earlier one, out of what who received it still has available."""
        if entry.kind == "trade":
            detail = "A trade is delivery against payment and stands. Make up for it with transfers."
            return Refused(code="not_correctable", detail=detail)
        if entry.corrected_by:
            detail = f"Transaction {entry.corrected_by} has corrected this one already."
            return Refused(code="already_corrected", detail=detail)
        receiver = self.accounts[entry.credit_user, entry.asset]
        if entry.credit_user == WORLD:
            if self._is_full(entry.asset, entry.amount):
                return LEDGER_FULL
        elif entry.amount > receiver.available:
            figures = _figures(entry.asset, entry.amount, receiver.available)
            detail = f"User {entry.credit_user} does not have that much available. Correct it once they have."
            return Refused(code="not_available", detail=detail, figures=figures)
        self._move("correction", entry.asset, entry.amount, entry.credit_user, entry.debit_user, time_us)
        return None

    def _is_full(self, asset: str, amount: int) -> bool:
        return amount - self.accounts[WORLD, asset].balance > WORLD_DEBT_MAX

    def _shrink(self, hold: Hold, quantity: Shares) -> int:
        amount = hold.unit_amount * quantity
        hold.open_quantity -= quantity
        self.accounts[hold.user_id, hold.asset].held -= amount
        self.changed[hold.order_id] = hold
        return amount

    def _move(
        self,
        kind: str,
        asset: str,
        amount: int,
        debit_user: int,
        credit_user: int,
        time_us: int,
        order_ids: tuple[int, int] = (0, 0),
        trade_id: int = 0,
        request_id: str | None = None,
    ) -> None:
        debit, credit = self.accounts[debit_user, asset], self.accounts[credit_user, asset]
        debit.balance -= amount
        # Taken down before the credit: in an auction one may meet an order of one's own, then both are one account.
        debit_balance_after = debit.balance
        credit.balance += amount
        if debit.available < 0 and debit_user != WORLD:
            raise LedgerError(f"user {debit_user} lacks {-debit.available} {asset} for {kind} {trade_id or request_id}")
        self.transfers.append(
            Transfer(
                kind,
                asset,
                amount,
                debit_user,
                credit_user,
                debit_balance_after,
                credit.balance,
                *order_ids,
                trade_id,
                request_id,
                time_us,
            )
        )


def no_wallet() -> Refused:
    """The refusal of somebody who has no account at all."""
    return Refused(code="no_wallet", detail="You have no wallet yet: create one with POST /wallet/create.")


def _insufficient(asset: str, required: int, available: int) -> Refused:
    figures = _figures(asset, required, available)
    if asset == CASH:
        detail = "You have not enough cash available. Deposit more, cancel an open order, or ask for less."
        return Refused(code=LACKING[0], detail=detail, figures=figures)
    detail = f"You have not enough {asset} available. Cancel an open sell order, or ask for less."
    return Refused(code=LACKING[1], detail=detail, figures=figures)


def _figures(asset: str, required: int, available: int) -> dict[str, str]:
    return {"asset": asset, "required": amount_text(asset, required), "available": amount_text(asset, available)}
