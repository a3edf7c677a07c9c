"""``/auth``, ``/wallet`` and ``/notifications``: who you are, what you own, what you were told."""

import time
import uuid

from fastapi import Response

from services.client_gateway.api import Api, Call, Nothing
from services.client_gateway.instruments import Listing
from services.client_gateway.limits import RateLimit
from services.client_gateway.requests import (
    FundingRequest,
    LoginRequest,
    NotificationsQuery,
    PageQuery,
    RegisterRequest,
    funding_amount,
)
from services.client_gateway.settings import GatewaySettings
from services.client_gateway.views import time_text, transaction_view, wallet_view
from shared.contracts import notifications, users, wallet
from shared.contracts.codes import Side
from shared.contracts.money import CASH
from shared.errors import Problem
from shared.web import json_response

REQUEST_ID_MAX = 64


class AccountRoutes:
    """The handlers, and what they need."""

    def __init__(self, listing: Listing, settings: GatewaySettings) -> None:
        self._listing = listing
        self._attempts = RateLimit(settings.login_attempts_per_minute / 60, settings.login_attempts_burst)

    def install(self, api: Api) -> None:
        api.route("POST", "/auth/register", self.register, body=RegisterRequest, public=True, tag="auth")
        api.route("POST", "/auth/login", self.login, body=LoginRequest, public=True, tag="auth")
        api.route("GET", "/auth/me", self.me, tag="auth")
        api.route("POST", "/auth/logout", self.logout, tag="auth")
        api.route("GET", "/notifications", self.notifications, query=NotificationsQuery, tag="notifications")
        api.route("GET", "/wallet/balance", self.balance, tag="wallet")
        api.route("POST", "/wallet/create", self.create, tag="wallet")
        api.route("POST", "/wallet/add-funds", self.add_funds, body=FundingRequest, tag="wallet")
        api.route("GET", "/wallet/transactions", self.transactions, query=PageQuery, tag="wallet")

    async def register(self, call: Call, body: RegisterRequest) -> Response:
        """Makes a user. 201 with a token, so that there is no need to log in right away."""
        session = await call.ask(
            users.REGISTER,
            users.Registration(
                username=body.username, password=body.password, email=body.email, traceparent=call.traceparent
            ),
        )
        return json_response(_session(session), 201)

    async def login(self, call: Call, body: LoginRequest) -> Response:
        """A token for a user name and password."""
        verdict = self._attempts.take(body.username.lower(), time.monotonic())
        if verdict.retry_after_s:
            detail = f"Too many attempts for this user name. Try again in {verdict.retry_after_s} s."
            raise Problem(429, "too_many_attempts", detail, headers=verdict.headers())
        session = await call.ask(
            users.AUTHENTICATE,
            users.Credentials(username=body.username, password=body.password, traceparent=call.traceparent),
        )
        return json_response(_session(session))

    async def me(self, call: Call, _query: Nothing) -> Response:
        """Who this token stands for."""
        identity = call.identity
        return json_response(
            {
                "user_id": str(identity.user_id),
                "username": identity.username,
                "roles": identity.roles,
                "expires_at": time_text(identity.expires_at_s * 1_000_000),
            }
        )

    async def logout(self, call: Call, _query: Nothing) -> Response:
        """Revokes the token that this request shows."""
        _, _, token = call.request.headers["authorization"].partition(" ")
        await call.ask(users.REVOKE_TOKEN, users.Token(token=token, traceparent=call.traceparent))
        return json_response({"status": "logged out"})

    async def notifications(self, call: Call, query: NotificationsQuery) -> Response:
        """What the socket told you after engine event ``after``, oldest first; ask on from ``up_to``."""
        told = await call.ask(
            notifications.GET_NOTIFICATIONS,
            notifications.NotificationsQuery(
                user_id=call.identity.user_id,
                position=call.position,
                after=query.after,
                limit=query.limit,
                traceparent=call.traceparent,
            ),
        )
        return json_response({"messages": told.messages, "up_to": str(told.up_to)})

    async def balance(self, call: Call, _query: Nothing) -> Response:
        """All you own: total, held by open orders, available."""
        return json_response(wallet_view(await call.ask(wallet.GET_BALANCE, self._mine(call))))

    async def create(self, call: Call, _query: Nothing) -> Response:
        """Makes your wallet. 201 the first time, 200 with the same wallet afterwards."""
        made = await call.ask(wallet.CREATE_WALLET, self._mine(call))
        return json_response(wallet_view(made), 201 if made.created else 200)

    async def add_funds(self, call: Call, body: FundingRequest) -> Response:
        """Pays cash or shares in from outside. A ``request_id`` sent twice pays in once."""
        amount = funding_amount(body, self._listing.instruments)
        unit_cost = 0
        if body.asset != CASH:
            unit_cost = await self._listing.quote(body.asset, Side.BUY)
        paid = await call.ask(
            wallet.ADD_FUNDS,
            wallet.Funding(
                user_id=call.identity.user_id,
                asset=body.asset,
                amount=amount,
                request_id=_request_id(call, body),
                unit_cost=unit_cost,
                traceparent=call.traceparent,
            ),
        )
        return json_response(wallet_view(paid))

    async def transactions(self, call: Call, query: PageQuery) -> Response:
        """Your statement, newest first. ``next_cursor`` continues where this page ends."""
        page = await call.ask(
            wallet.GET_TRANSACTIONS,
            wallet.TransactionsOf(
                user_id=call.identity.user_id,
                position=call.position,
                before=query.cursor,
                limit=query.limit,
                traceparent=call.traceparent,
            ),
        )
        rows = page.transactions
        return json_response(
            {
                "transactions": [transaction_view(row) for row in rows],
                "next_cursor": str(rows[-1].transfer_id) if len(rows) == query.limit else None,
            }
        )

    def _mine(self, call: Call) -> wallet.WalletOf:
        return wallet.WalletOf(user_id=call.identity.user_id, position=call.position, traceparent=call.traceparent)


def _session(session: users.Session) -> dict[str, object]:
    return {
        "token": session.token,
        "token_type": "Bearer",
        "expires_at": time_text(session.expires_at_s * 1_000_000),
        "user": {"user_id": str(session.user_id), "username": session.username, "roles": session.roles},
    }


def _request_id(call: Call, body: FundingRequest) -> str:
    """What makes a retry harmless: the body's ``request_id``, else the Idempotency-Key header, else nothing does."""
    key = body.request_id or call.request.headers.get("idempotency-key") or str(uuid.uuid4())
    if len(key) > REQUEST_ID_MAX:
        raise Problem(422, "invalid_request_id", f"An Idempotency-Key has at most {REQUEST_ID_MAX} characters.")
    return key
