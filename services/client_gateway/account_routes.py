"""``/auth``: who you are."""

import time

from fastapi import Response

from services.client_gateway.api import Api, Call, Nothing
from services.client_gateway.limits import RateLimit
from services.client_gateway.requests import (
    LoginRequest,
    PasswordRequest,
    RegisterRequest,
    ResetRequest,
)
from services.client_gateway.settings import GatewaySettings
from services.client_gateway.views import time_text
from shared.contracts import users
from shared.errors import Problem
from shared.web import json_response


class AccountRoutes:
    """The handlers, and what they need."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._attempts = RateLimit(settings.login_attempts_per_minute / 60, settings.login_attempts_burst)

    def install(self, api: Api) -> None:
        register = self.register
        api.route("POST", "/auth/register", register, body=RegisterRequest, public=True, tag="auth", answers=(201,))
        api.route("POST", "/auth/login", self.login, body=LoginRequest, public=True, tag="auth")
        api.route("POST", "/auth/change-password", self.change_password, body=PasswordRequest, tag="auth")
        api.route("POST", "/auth/reset-password", self.reset_password, body=ResetRequest, public=True, tag="auth")
        api.route("GET", "/auth/me", self.me, tag="auth")
        api.route("POST", "/auth/logout", self.logout, tag="auth")

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
        self._count_attempt(body.username)
        session = await call.ask(
            users.AUTHENTICATE,
            users.Credentials(username=body.username, password=body.password, traceparent=call.traceparent),
        )
        return json_response(_session(session))

    async def change_password(self, call: Call, body: PasswordRequest) -> Response:
        """Another password for you, and a fresh token: all others of yours open nothing any more."""
        self._count_attempt(call.identity.username)
        session = await call.ask(
            users.CHANGE_PASSWORD,
            users.PasswordChange(
                username=call.identity.username,
                password=body.password,
                new_password=body.new_password,
                traceparent=call.traceparent,
            ),
        )
        return json_response(_session(session))

    async def reset_password(self, call: Call, body: ResetRequest) -> Response:
        """A new password for who has the code that an administrator gave them."""
        self._count_attempt(body.username)
        session = await call.ask(
            users.RESET_PASSWORD,
            users.PasswordReset(
                username=body.username,
                code=body.code,
                new_password=body.new_password,
                traceparent=call.traceparent,
            ),
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
        _, _, token = call.headers["authorization"].partition(" ")
        await call.ask(users.REVOKE_TOKEN, users.Token(token=token, traceparent=call.traceparent))
        return json_response({"status": "logged out"})

    def _count_attempt(self, username: str) -> None:
        """Raises Problem 429 when a name was tried too often, by whatever way."""
        verdict = self._attempts.take(username.lower(), time.monotonic())
        if verdict.retry_after_s:
            detail = f"Too many attempts for this user name. Try again in {verdict.retry_after_s} s."
            raise Problem(429, "too_many_attempts", detail, headers=verdict.headers())


def _session(session: users.Session) -> dict[str, object]:
    return {
        "token": session.token,
        "token_type": "Bearer",
        "expires_at": time_text(session.expires_at_s * 1_000_000),
        "user": {"user_id": str(session.user_id), "username": session.username, "roles": session.roles},
    }
