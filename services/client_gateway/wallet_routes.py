"""``/wallet``: what you own, what moved it, and moving it yourself."""

import uuid

from fastapi import Response

from services.client_gateway.api import Api, Call, Nothing
from services.client_gateway.exports import Exports, format_of, rows_in
from services.client_gateway.instruments import Listing
from services.client_gateway.requests import FundingRequest, StatementQuery, TransferRequest, funding_amount
from services.client_gateway.views import transaction_view, wallet_view
from shared.contracts import users, wallet
from shared.contracts.codes import Side
from shared.contracts.money import CASH, Money
from shared.contracts.operations import Refused
from shared.errors import Problem
from shared.web import json_response

REQUEST_ID_MAX = 64


class WalletRoutes:
    """The handlers, and what they need."""

    def __init__(self, listing: Listing, exports: Exports) -> None:
        self._listing = listing
        self._exports = exports

    def install(self, api: Api) -> None:
        api.route("GET", "/wallet/balance", self.balance, tag="wallet")
        api.route("POST", "/wallet/create", self.create, tag="wallet", answers=(201, 200))
        api.route("POST", "/wallet/add-funds", self.add_funds, body=FundingRequest, tag="wallet")
        api.route("POST", "/wallet/withdraw", self.withdraw, body=FundingRequest, tag="wallet")
        api.route("POST", "/wallet/transfer", self.transfer, body=TransferRequest, tag="wallet")
        api.route("GET", "/wallet/transactions", self.transactions, query=StatementQuery, tag="wallet")

    async def balance(self, call: Call, _query: Nothing) -> Response:
        """All you own: total, held by open orders, available."""
        mine = wallet.WalletOf(user_id=call.identity.user_id, position=call.position, traceparent=call.traceparent)
        return json_response(wallet_view(await call.ask(wallet.GET_BALANCE, mine)))

    async def create(self, call: Call, _query: Nothing) -> Response:
        """Makes your wallet. 201 the first time, 200 with the same wallet afterwards."""
        mine = wallet.WalletOf(user_id=call.identity.user_id, traceparent=call.traceparent)
        made = await call.ask(wallet.CREATE_WALLET, mine)
        return json_response(wallet_view(made), 201 if made.created else 200)

    async def add_funds(self, call: Call, body: FundingRequest) -> Response:
        """Pays cash or shares in from outside. A ``request_id`` sent twice pays in once."""
        amount = funding_amount(body, self._listing.instruments)
        unit_cost = await unit_cost_of(self._listing, body.asset)
        return await self._fund(call, body, amount, unit_cost)

    async def withdraw(self, call: Call, body: FundingRequest) -> Response:
        """Takes cash or shares out that no open order holds. A ``request_id`` sent twice takes out once."""
        return await self._fund(call, body, -funding_amount(body, self._listing.instruments), 0)

    async def transfer(self, call: Call, body: TransferRequest) -> Response:
        """Gives cash or shares to another user. A ``request_id`` sent twice gives once."""
        amount = funding_amount(body, self._listing.instruments)
        recipient = await call.clients.call(
            users.FIND_USER, users.UserNamed(username=body.to, traceparent=call.traceparent)
        )
        if isinstance(recipient, Refused):
            raise Problem(422, "unknown_recipient", "There is no user of that name to transfer to.")
        moved = await call.ask(
            wallet.TRANSFER_FUNDS,
            wallet.TransferRequest(
                user_id=call.identity.user_id,
                to_user_id=recipient.user_id,
                asset=body.asset,
                amount=amount,
                request_id=_request_id(call, body),
                unit_cost=await unit_cost_of(self._listing, body.asset),
                position=call.position,
                traceparent=call.traceparent,
            ),
        )
        return json_response(wallet_view(moved))

    async def transactions(self, call: Call, query: StatementQuery) -> Response:
        """Your statement, newest first, as JSON or as a file. ``next_cursor`` continues where this page ends."""
        kind = format_of(query.format)
        limit = rows_in(query.limit, kind, default=50)
        if kind == "json":
            return await statement(call, call.identity.user_id, query.cursor, limit)
        asked = wallet.TransactionsOf(
            user_id=call.identity.user_id,
            position=call.position,
            before=query.cursor,
            limit=limit,
            traceparent=call.traceparent,
        )
        file = await call.ask(wallet.EXPORT_STATEMENT, asked)
        return await self._exports.file("statement", kind, file.content, file.next_before)

    async def _fund(self, call: Call, body: FundingRequest, amount: int, unit_cost: Money) -> Response:
        moved = await call.ask(
            wallet.ADD_FUNDS,
            wallet.Funding(
                user_id=call.identity.user_id,
                asset=body.asset,
                amount=amount,
                request_id=_request_id(call, body),
                unit_cost=unit_cost,
                position=call.position if amount < 0 else 0,
                traceparent=call.traceparent,
            ),
        )
        return json_response(wallet_view(moved))


async def unit_cost_of(listing: Listing, asset: str) -> Money:
    """What a share that changes hands outside the market is taken to be worth: the quote; 0 for cash."""
    return 0 if asset == CASH else await listing.quote(asset, Side.BUY)


async def statement(call: Call, user_id: int, cursor: int, limit: int) -> Response:
    """A page of a user's statement."""
    page = await call.ask(
        wallet.GET_TRANSACTIONS,
        wallet.TransactionsOf(
            user_id=user_id,
            position=call.position,
            before=cursor,
            limit=limit,
            traceparent=call.traceparent,
        ),
    )
    rows = page.transactions
    return json_response(
        {
            "transactions": [transaction_view(row) for row in rows],
            "next_cursor": str(rows[-1].transfer_id) if len(rows) == limit else None,
        }
    )


def _request_id(call: Call, body: FundingRequest) -> str:
    """What makes a retry harmless: the body's ``request_id``, else the Idempotency-Key header, else nothing does."""
    key = body.request_id or call.headers.get("idempotency-key") or str(uuid.uuid4())
    if len(key) > REQUEST_ID_MAX or not key.isprintable():
        detail = f"A request id, or Idempotency-Key, is up to {REQUEST_ID_MAX} printable characters."
        raise Problem(422, "invalid_request_id", detail)
    return key
