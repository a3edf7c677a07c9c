"""``/admin/users`` and ``/admin/transactions``: users, their wallets, and corrections of the ledger."""

import msgspec
from fastapi import Response

from services.client_gateway.admin_routes import admins
from services.client_gateway.api import Api, Call, Nothing
from services.client_gateway.instruments import Listing
from services.client_gateway.requests import CorrectionRequest, PageQuery, RoleRequest, UsersQuery, path_id
from services.client_gateway.views import entry_view, time_text, user_view, wallet_view
from services.client_gateway.wallet_routes import statement, unit_cost_of
from shared.contracts import users, wallet
from shared.web import json_response

USER = "/admin/users/{user_id}"


class AdminUserRoutes:
    """The handlers, and what they need."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    def install(self, api: Api) -> None:
        api.route("GET", "/admin/users", admins(self.list_users), query=UsersQuery, tag="admin")
        api.route("GET", USER, admins(self.user), tag="admin")
        api.route("POST", f"{USER}/role", admins(self.change_role), body=RoleRequest, tag="admin")
        api.route("POST", f"{USER}/revoke-tokens", admins(self.revoke_tokens), tag="admin")
        api.route("POST", f"{USER}/reset-password", admins(self.reset_password), tag="admin")
        api.route("GET", f"{USER}/wallet", admins(self.user_wallet), tag="admin")
        api.route("GET", f"{USER}/transactions", admins(self.transactions), query=PageQuery, tag="admin")
        transaction = "/admin/transactions/{transaction_id}"
        api.route("GET", transaction, admins(self.transaction), tag="admin")
        api.route("POST", f"{transaction}/correct", admins(self.correct), body=CorrectionRequest, tag="admin")
        api.route("GET", "/admin/actions/users", admins(self.user_actions), query=PageQuery, tag="admin")
        api.route("GET", "/admin/actions/ledger", admins(self.corrections), query=PageQuery, tag="admin")

    async def list_users(self, call: Call, query: UsersQuery) -> Response:
        """Users by id, those with ``search`` in their name."""
        page = await call.ask(
            users.LIST_USERS,
            users.UsersQuery(search=query.search, after=query.cursor, limit=query.limit, traceparent=call.traceparent),
        )
        more = len(page.users) == query.limit
        return json_response(
            {
                "users": [user_view(user) for user in page.users],
                "next_cursor": str(page.users[-1].user_id) if more else None,
            }
        )

    async def user(self, call: Call, _query: Nothing) -> Response:
        """One user: name, roles, since when, and whether the password has to be set anew."""
        asked = users.UserOf(account_id=_account_id(call), traceparent=call.traceparent)
        return json_response(user_view(await call.ask(users.GET_USER, asked)))

    async def change_role(self, call: Call, body: RoleRequest) -> Response:
        """Makes a user an administrator ("admin") or an ordinary one ("user"). Their tokens end with that."""
        changed = await call.ask(
            users.CHANGE_ROLE,
            users.RoleChange(
                user_id=call.identity.user_id,
                account_id=_account_id(call),
                role=body.role,
                traceparent=call.traceparent,
            ),
        )
        return json_response(user_view(changed))

    async def revoke_tokens(self, call: Call, _query: Nothing) -> Response:
        """All tokens of a user open nothing any more; with their password they may log in again."""
        return json_response(user_view(await call.ask(users.REVOKE_TOKENS, _action(call))))

    async def reset_password(self, call: Call, _query: Nothing) -> Response:
        """Password and tokens open nothing any more. The code, shown this once, lets the user set a new password."""
        code = await call.ask(users.FORCE_RESET, _action(call))
        return json_response(
            {
                "user_id": str(code.user_id),
                "code": code.code,
                "expires_at": time_text(code.expires_at_s * 1_000_000),
            }
        )

    async def user_wallet(self, call: Call, _query: Nothing) -> Response:
        """What a user owns. User 1 is the exchange itself, to which fees go."""
        asked = wallet.WalletOf(user_id=_account_id(call), position=call.position, traceparent=call.traceparent)
        return json_response(wallet_view(await call.ask(wallet.GET_BALANCE, asked)))

    async def transactions(self, call: Call, query: PageQuery) -> Response:
        """A user's statement, newest first."""
        return await statement(call, _account_id(call), query.cursor, query.limit)

    async def transaction(self, call: Call, _query: Nothing) -> Response:
        """One entry of the ledger, from whom to whom."""
        return json_response(entry_view(await self._entry(call)))

    async def correct(self, call: Call, body: CorrectionRequest) -> Response:
        """Takes an entry of the ledger back by a counter-entry. A ``request_id`` sent twice books one."""
        entry = await self._entry(call)
        booked = await call.ask(
            wallet.CORRECT_ENTRY,
            wallet.Correction(
                user_id=call.identity.user_id,
                transfer_id=entry.transfer_id,
                reason=body.reason,
                request_id=body.request_id,
                unit_cost=await unit_cost_of(self._listing, entry.asset),
                traceparent=call.traceparent,
            ),
        )
        return json_response(entry_view(booked))

    async def user_actions(self, call: Call, query: PageQuery) -> Response:
        """What administrators did to users, newest first: who, when, what, in which trace."""
        page = await call.ask(
            users.LIST_USER_ACTIONS,
            users.UserActionsQuery(before=query.cursor, limit=query.limit, traceparent=call.traceparent),
        )
        rows = [
            {
                "number": str(action.number),
                "time": time_text(action.time_us),
                "user_id": str(action.user_id),
                "account_id": str(action.account_id),
                "action": action.action,
                "detail": msgspec.json.decode(action.detail),
                "trace_id": action.trace_id,
            }
            for action in page.actions
        ]
        return json_response({"actions": rows, "next_cursor": rows[-1]["number"] if len(rows) == query.limit else None})

    async def corrections(self, call: Call, query: PageQuery) -> Response:
        """What administrators took back in the ledger, newest first: who, when, why, in which trace."""
        page = await call.ask(
            wallet.LIST_CORRECTIONS,
            wallet.CorrectionsQuery(before=query.cursor, limit=query.limit, traceparent=call.traceparent),
        )
        rows = [
            {
                "transaction_id": str(correction.transfer_id),
                "corrects": str(correction.corrects),
                "time": time_text(correction.time_us),
                "user_id": str(correction.user_id),
                "reason": correction.reason,
                "trace_id": correction.trace_id,
            }
            for correction in page.corrections
        ]
        more = len(rows) == query.limit
        return json_response({"actions": rows, "next_cursor": rows[-1]["transaction_id"] if more else None})

    async def _entry(self, call: Call) -> wallet.Entry:
        transfer_id = path_id(call.params, "transaction_id", "transaction_not_found")
        return await call.ask(wallet.GET_ENTRY, wallet.EntryOf(transfer_id=transfer_id, traceparent=call.traceparent))


def _account_id(call: Call) -> int:
    return path_id(call.params, "user_id", "unknown_user")


def _action(call: Call) -> users.AccountAction:
    return users.AccountAction(
        user_id=call.identity.user_id, account_id=_account_id(call), traceparent=call.traceparent
    )
