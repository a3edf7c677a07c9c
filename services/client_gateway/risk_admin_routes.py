"""``/admin``: the risk controls of accounts, of firms, and of all. In force with the next order, and recorded."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any

import msgspec
from fastapi import Response

from services.client_gateway.admin_routes import admins
from services.client_gateway.api import Api, Call, Nothing
from services.client_gateway.requests import PageQuery, PathId
from services.client_gateway.risk_admin_requests import (
    BlockRequest,
    FirmRequest,
    LimitsRequest,
    MembershipRequest,
    RestrictionsRequest,
    change_view,
    controls_view,
    limits_from,
)
from shared.batching import BATCH_MAX
from shared.contracts import engine, risk
from shared.contracts.risk import Scope
from shared.errors import Problem
from shared.web import json_response

PATHS = {Scope.ACCOUNT: "/admin/users/{user_id}", Scope.FIRM: "/admin/firms/{firm_id}"}


class RiskAdminRoutes:
    """The handlers; those that account and firm share know which of the two they are for.

    ``blocked`` is told of accounts that are shut out, by user id.
    """

    def __init__(self, blocked: Callable[[Collection[int]], Awaitable[None]]) -> None:
        self._blocked = blocked

    def install(self, api: Api) -> None:
        for scope, path in PATHS.items():
            for name, handler, body in (
                ("limits", self.set_limits, LimitsRequest),
                ("block", self.block, BlockRequest),
                ("restrictions", self.restrict, RestrictionsRequest),
            ):
                api.route("POST", f"{path}/{name}", admins(_for(scope, handler)), body=body, tag="admin")
            api.route("GET", f"{path}/limits", admins(_for(scope, self.controls)), tag="admin")
        api.route("POST", "/admin/users/{user_id}/firm", admins(self.join), body=MembershipRequest, tag="admin")
        api.route("POST", "/admin/firms", admins(self.create_firm), body=FirmRequest, tag="admin", answers=(201,))
        api.route("GET", "/admin/firms", admins(self.firms), tag="admin")
        everybody = admins(_for(Scope.ALL, self.restrict))
        api.route("POST", "/admin/restrictions", everybody, body=RestrictionsRequest, tag="admin")
        api.route("GET", "/admin/restrictions", admins(_for(Scope.ALL, self.controls)), tag="admin")
        api.route("GET", "/admin/control-changes", admins(self.changes), query=PageQuery, tag="admin")

    async def set_limits(self, scope: Scope, call: Call, request: LimitsRequest) -> Response:
        """Sets risk limits, from the next order on; null puts a limit back to the default."""
        return json_response(controls_view(await _change(call, scope, limits=limits_from(request))))

    async def block(self, scope: Scope, call: Call, request: BlockRequest) -> Response:
        """The kill switch: cancels all orders of an account or of a firm, and refuses new ones; or lets it in again."""
        changed = await _change(call, scope, blocked=request.blocked)
        position = await self._tell_engine(call, changed.accounts)
        return json_response({**controls_view(changed), "event": position})

    async def restrict(self, scope: Scope, call: Call, request: RestrictionsRequest) -> Response:
        """Sets the symbols that may not be traded: by an account, by a firm, or by anybody."""
        return json_response(controls_view(await _change(call, scope, restricted_symbols=tuple(request.symbols))))

    async def controls(self, scope: Scope, call: Call, _query: Nothing) -> Response:
        """The risk controls that are in force."""
        of = risk.ControlsOf(scope=scope, id=_id(call, scope), traceparent=call.traceparent)
        return json_response(controls_view(await call.ask(risk.GET_CONTROLS, of)))

    async def join(self, call: Call, request: MembershipRequest) -> Response:
        """Puts an account into a firm, or (null) into none; what it has at risk goes with it."""
        changed = await _change(call, Scope.ACCOUNT, firm_id=int(request.firm_id or 0))
        # The kill switch of the firm that it joined or left.
        await self._tell_engine(call, changed.accounts)
        return json_response(controls_view(changed))

    async def create_firm(self, call: Call, request: FirmRequest) -> Response:
        """Makes a firm: 201. It limits nothing until limits are set."""
        item = risk.NewFirm(user_id=call.identity.user_id, name=request.name, traceparent=call.traceparent)
        return json_response(controls_view(await call.ask(risk.CREATE_FIRM, item)), 201)

    async def firms(self, call: Call, _query: Nothing) -> Response:
        """All firms, by name."""
        found = await call.ask(risk.LIST_FIRMS, risk.FirmsQuery(traceparent=call.traceparent))
        return json_response({"firms": [controls_view(firm) for firm in found.firms]})

    async def changes(self, call: Call, query: PageQuery) -> Response:
        """Who changed which risk control, from what to what, newest first."""
        item = risk.ControlChangesQuery(before=query.cursor, limit=query.limit, traceparent=call.traceparent)
        found = (await call.ask(risk.LIST_CONTROL_CHANGES, item)).changes
        next_cursor = str(found[-1].number) if len(found) == query.limit else None
        return json_response({"changes": [change_view(change) for change in found], "next_cursor": next_cursor})

    async def _tell_engine(self, call: Call, accounts: Mapping[int, bool]) -> int:
        """The engine bars those that are shut out and cancels what they have; the event as of which it is so.

        The risk-manager refuses their orders already. This reaches those that it had let through.
        """
        items = [
            engine.Block(
                user_id=call.identity.user_id, account_id=account_id, blocked=shut_out, traceparent=call.traceparent
            )
            for account_id, shut_out in accounts.items()
        ]
        position = 0
        for begin in range(0, len(items), BATCH_MAX):
            some = items[begin : begin + BATCH_MAX]
            changed = await asyncio.gather(*(call.ask(engine.BLOCK_ACCOUNT, item) for item in some))
            position = max(position, *(one.position for one in changed))
        await self._blocked([account_id for account_id, shut_out in accounts.items() if shut_out])
        return position


def _for(scope: Scope, handler: Any) -> Any:
    bound = partial(handler, scope)
    bound.__doc__ = handler.__doc__
    return bound


async def _change(call: Call, scope: Scope, **what: Any) -> risk.Controls:
    item = risk.ControlsChange(
        user_id=call.identity.user_id, scope=scope, id=_id(call, scope), traceparent=call.traceparent, **what
    )
    return await call.ask(risk.CHANGE_CONTROLS, item)


def _id(call: Call, scope: Scope) -> int:
    if scope is Scope.ALL:
        return 0
    name, code = ("user_id", "unknown_user") if scope is Scope.ACCOUNT else ("firm_id", "firm_not_found")
    try:
        return msgspec.convert(call.params[name], PathId, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(404, code, f"{name} must be the number of a {name.removesuffix('_id')}.") from error
