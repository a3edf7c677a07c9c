"""The rules of the ledger, alone."""

from collections import defaultdict
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.wallet_service.ledger import (
    WORLD,
    WORLD_DEBT_MAX,
    Account,
    Hold,
    HoldState,
    Ledger,
    LedgerError,
)
from shared.contracts.codes import Side
from shared.contracts.events import Trade
from shared.contracts.money import CASH
from shared.contracts.operations import Refused
from shared.contracts.wallet import Entry, Funding, HoldPlaced, HoldRequest, TransferRequest

USERS = (1001, 1002, 1003)
SHARE = "AAPL"


def request(order_id: int, user_id: int, asset: str, unit_amount: int, quantity: int) -> HoldRequest:
    return HoldRequest(order_id=order_id, user_id=user_id, asset=asset, unit_amount=unit_amount, quantity=quantity)


def trade_of(buy: Hold, sell: Hold, price: int, quantity: int, taker: Side, trade_id: int = 1) -> Trade:
    taking, making = (buy, sell) if taker == Side.BUY else (sell, buy)
    return Trade(
        trade_id=trade_id,
        price=price,
        quantity=quantity,
        side=taker,
        taker_order_id=taking.order_id,
        taker_user_id=taking.user_id,
        taker_open=taking.open_quantity - quantity,
        maker_order_id=making.order_id,
        maker_user_id=making.user_id,
        maker_open=making.open_quantity - quantity,
        maker_traceparent="",
    )


def test_better_fill_gives_the_difference_back() -> None:
    """A buyer who held 100 a share and paid 90 has the other 10 available at once, with the rest still held."""
    buy, sell = Hold(1, 1001, CASH, 100, 5), Hold(2, 1002, SHARE, 1, 5)
    accounts = [Account(1001, CASH, 500, 500), Account(1001, SHARE), Account(1002, CASH), Account(1002, SHARE, 5, 5)]
    ledger = Ledger(accounts, [buy, sell])
    ledger.settle(trade_of(buy, sell, 90, 3, Side.SELL), SHARE, 0)
    buyer = ledger.accounts[1001, CASH]
    assert (buyer.balance, buyer.held, buyer.available) == (230, 200, 30)
    assert ledger.accounts[1002, CASH].balance == 270
    assert (ledger.accounts[1001, SHARE].balance, ledger.accounts[1002, SHARE].held) == (3, 2)
    assert [t.debit_balance_after for t in ledger.transfers] == [230, 2]


def test_a_trade_with_oneself_pays_first() -> None:
    """Who meets an own order in an auction sees the payment, then its arrival, with the balance after each."""
    buy, sell = Hold(1, 1001, CASH, 100, 5), Hold(2, 1001, SHARE, 1, 5)
    ledger = Ledger([Account(1001, CASH, 500, 500), Account(1001, SHARE, 7, 5)], [buy, sell])
    ledger.settle(trade_of(buy, sell, 100, 5, Side.BUY), SHARE, 0)
    assert [(t.debit_balance_after, t.credit_balance_after) for t in ledger.transfers] == [(0, 500), (2, 7)]
    assert [account.held for account in ledger.accounts.values()] == [0, 0]


def test_amount_beyond_an_int64_is_refused_not_stored() -> None:
    """An order worth more than any account can hold is refused by the rules, before a database could choke on it."""
    ledger = Ledger([Account(1001, CASH, 10**18)])
    answer = ledger.place_hold(request(1, 1001, CASH, 10**15, 10**9))
    assert isinstance(answer, Refused)
    assert answer.code == "insufficient_funds"


@pytest.mark.parametrize(("unit_amount", "quantity"), [(0, 1), (1, 0), (-5, 1), (1, -5)])
def test_hold_of_nothing_is_refused(unit_amount: int, quantity: int) -> None:
    """A hold of zero or less would be a way to mint money and is refused."""
    answer = Ledger([Account(1001, CASH, 10)]).place_hold(request(1, 1001, CASH, unit_amount, quantity))
    assert isinstance(answer, Refused)
    assert answer.code == "invalid_hold"


def test_deposits_stay_inside_the_ledger() -> None:
    """A deposit that would take the world's debt out of an int64 is refused."""
    ledger = Ledger([Account(WORLD, CASH, -WORLD_DEBT_MAX + 5), Account(1001, CASH)])
    assert ledger.fund(Funding(user_id=1001, asset=CASH, amount=5, request_id="a"), 0) is None
    refused = ledger.fund(Funding(user_id=1001, asset=CASH, amount=1, request_id="b"), 0)
    assert refused is not None
    assert refused.code == "ledger_full"


def test_trade_that_nobody_can_pay_is_an_error() -> None:
    """A trade without hold and without money stops settlement instead of making somebody a debtor."""
    buy, sell = Hold(1, 1001, CASH, 100, 1), Hold(2, 1002, SHARE, 1, 1)
    accounts = [Account(1001, CASH), Account(1001, SHARE), Account(1002, CASH), Account(1002, SHARE, 1)]
    with pytest.raises(LedgerError):
        Ledger(accounts).settle(trade_of(buy, sell, 100, 1, Side.BUY), SHARE, 0)


class AnyOrder(RuleBasedStateMachine):
    """Orders, trades, releases, fundings, transfers and corrections in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(Account(user, asset) for user in (WORLD, *USERS) for asset in (CASH, SHARE))
        self.came_in: dict[str, int] = defaultdict(int)
        self.corrected: dict[int, int] = {}
        self.ids = count(1)

    @rule(user=st.sampled_from(USERS), asset=st.sampled_from((CASH, SHARE)), amount=st.integers(-2000, 5000))
    def fund(self, user: int, asset: str, amount: int) -> None:
        funding = Funding(user_id=user, asset=asset, amount=amount, request_id=str(next(self.ids)))
        if self.ledger.fund(funding, 0) is None:
            self.came_in[asset] += amount

    @rule(
        giver=st.sampled_from(USERS),
        receiver=st.sampled_from(USERS),
        asset=st.sampled_from((CASH, SHARE)),
        amount=st.integers(-5, 3000),
    )
    def transfer(self, giver: int, receiver: int, asset: str, amount: int) -> None:
        """Moves exactly what is available at most, and only between two users."""
        available = self.ledger.accounts[giver, asset].available
        wanted = TransferRequest(
            user_id=giver, to_user_id=receiver, asset=asset, amount=amount, request_id=str(next(self.ids))
        )
        moved = self.ledger.transfer(wanted, 0) is None
        assert moved == (giver != receiver and 0 < amount <= available)

    @rule(data=st.data())
    def correct(self, data: st.DataObject) -> None:
        """Takes any entry back but a trade and what was taken back before, unless its receiver has spent it."""
        if not self.ledger.transfers:
            return
        number = data.draw(st.integers(0, len(self.ledger.transfers) - 1))
        transfer = self.ledger.transfers[number]
        receiver = self.ledger.accounts[transfer.credit_user, transfer.asset]
        able = transfer.credit_user == WORLD or receiver.available >= transfer.amount
        entry = Entry(
            transfer_id=number,
            kind=transfer.kind,
            asset=transfer.asset,
            amount=transfer.amount,
            debit_user=transfer.debit_user,
            credit_user=transfer.credit_user,
            time_us=0,
            corrected_by=self.corrected.get(number, 0),
        )
        taken = self.ledger.take_back(entry, 0) is None
        assert taken == (able and transfer.kind != "trade" and number not in self.corrected)
        if taken:
            self.corrected[number] = len(self.ledger.transfers) - 1
            counter = self.ledger.transfers[-1]
            assert (counter.debit_user, counter.credit_user) == (transfer.credit_user, transfer.debit_user)
            sign = {transfer.debit_user: -1, transfer.credit_user: 1}.get(WORLD, 0)
            self.came_in[transfer.asset] += sign * transfer.amount

    @rule(user=st.sampled_from(USERS), price=st.integers(1, 100), quantity=st.integers(1, 50))
    def buy(self, user: int, price: int, quantity: int) -> None:
        self._hold(request(next(self.ids), user, CASH, price, quantity))

    @rule(user=st.sampled_from(USERS), quantity=st.integers(1, 500))
    def sell(self, user: int, quantity: int) -> None:
        self._hold(request(next(self.ids), user, SHARE, 1, quantity))

    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        """The same order once more changes nothing."""
        if not self.ledger.placed:
            return
        hold = data.draw(st.sampled_from(self.ledger.placed))
        before = self.ledger.accounts[hold.user_id, hold.asset].held
        self.ledger.place_hold(request(hold.order_id, hold.user_id, hold.asset, hold.unit_amount, 10**6))
        assert self.ledger.accounts[hold.user_id, hold.asset].held == before

    @rule(data=st.data(), better=st.integers(0, 99), taker=st.sampled_from(Side))
    def trade(self, data: st.DataObject, better: int, taker: Side) -> None:
        buys, sells = self._open(CASH), self._open(SHARE)
        if buys and sells:
            buy, sell = data.draw(st.sampled_from(buys)), data.draw(st.sampled_from(sells))
            quantity = data.draw(st.integers(1, min(buy.open_quantity, sell.open_quantity)))
            price = max(1, buy.unit_amount - better)
            self.ledger.settle(trade_of(buy, sell, price, quantity, taker, next(self.ids)), SHARE, 0)

    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        if self.ledger.placed:
            self.ledger.close_hold(data.draw(st.sampled_from(self.ledger.placed)).order_id)

    def _hold(self, wanted: HoldRequest) -> None:
        available = self.ledger.accounts[wanted.user_id, wanted.asset].available
        answer = self.ledger.place_hold(wanted)
        assert isinstance(answer, HoldPlaced) == (wanted.unit_amount * wanted.quantity <= available)

    def _open(self, asset: str) -> list[Hold]:
        return [hold for hold in self.ledger.placed if hold.asset == asset and hold.open_quantity]

    @invariant()
    def adds_up(self) -> None:
        """Per asset users own what came in; held is what open holds say; nobody owes; transfers explain balances."""
        held: dict[tuple[int, str], int] = defaultdict(int)
        for hold in self.ledger.placed:
            assert hold.open_quantity >= 0
            assert hold.state == HoldState.OPEN or hold.open_quantity == 0
            held[hold.user_id, hold.asset] += hold.amount
        moved: dict[tuple[int, str], int] = defaultdict(int)
        for transfer in self.ledger.transfers:
            assert transfer.amount > 0
            moved[transfer.debit_user, transfer.asset] -= transfer.amount
            assert transfer.debit_balance_after == moved[transfer.debit_user, transfer.asset]
            moved[transfer.credit_user, transfer.asset] += transfer.amount
            assert transfer.credit_balance_after == moved[transfer.credit_user, transfer.asset]
        for key, account in self.ledger.accounts.items():
            assert account.balance == moved[key]
            assert account.held == held[key]
            assert account.user_id == WORLD or account.available >= 0
        for asset in (CASH, SHARE):
            owned = sum(account.balance for key, account in self.ledger.accounts.items() if key[1] == asset)
            assert owned == 0
            assert self.ledger.accounts[WORLD, asset].balance == -self.came_in[asset]


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
