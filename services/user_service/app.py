"""The user-service's HTTP face."""

import asyncio
from pathlib import Path

import structlog
from fastapi import FastAPI

from services.user_service.accounts import REFRESH_S, Accounts
from services.user_service.administration import Administration
from services.user_service.passwords import Passwords
from services.user_service.settings import Settings
from services.user_service.store import UserStore
from services.user_service.tokens import Tokens
from shared.contracts import users
from shared.contracts.operations import USERS
from shared.errors import Unavailable
from shared.service import Service
from shared.tracing import ItemAttributes

log = structlog.get_logger()

MIGRATIONS = Path(__file__).parent / "migrations"

ACCOUNT = ItemAttributes({"user.id": ("user_id", str), "account.id": ("account_id", str)})


def create_app(settings: Settings) -> FastAPI:
    """The app of one user-service."""
    service = Service(USERS, settings, MIGRATIONS)
    tokens = Tokens(settings.signing_key(), settings.token_lifetime_s)
    accounts = Accounts(UserStore(service.database), Passwords(), tokens)

    async def ensure_admin() -> None:
        if settings.admin_username:
            await accounts.ensure_admin(settings.admin_username, settings.admin_password.get_secret_value())

    async def refresh() -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await accounts.refresh_revoked()
            except Unavailable as error:
                log.warning("revoked tokens are not refreshed", error=str(error))

    service.at_start(ensure_admin)
    service.at_start(accounts.refresh_revoked)
    service.keep_running(refresh)
    service.serve(users.REGISTER, accounts.register)
    service.serve(users.AUTHENTICATE, accounts.authenticate)
    service.serve(users.VERIFY_TOKEN, accounts.verify_token)
    service.serve(users.CHECK_TOKEN, accounts.check_token)
    service.serve(users.REVOKE_TOKEN, accounts.revoke_token)
    service.serve(users.FIND_USER, accounts.find_user)
    service.serve(users.CHANGE_PASSWORD, accounts.change_password)
    service.serve(users.RESET_PASSWORD, accounts.reset_password)
    administration = Administration(service.database, tokens)
    service.serve(users.LIST_USERS, administration.list_users)
    service.serve(users.GET_USER, administration.get_user)
    service.serve(users.CHANGE_ROLE, administration.change_role, ACCOUNT)
    service.serve(users.REVOKE_TOKENS, administration.revoke_tokens, ACCOUNT)
    service.serve(users.FORCE_RESET, administration.force_reset, ACCOUNT)
    service.serve(users.LIST_USER_ACTIONS, administration.actions)
    return service.app
