"""What administrators do to users, and passwords that are set anew, on the real PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.user_service.app import create_app
from services.user_service.settings import Settings
from shared.contracts.operations import USERS, Refused
from shared.contracts.users import (
    AUTHENTICATE,
    CHANGE_PASSWORD,
    CHANGE_ROLE,
    FIND_USER,
    FORCE_RESET,
    GET_USER,
    LIST_USER_ACTIONS,
    LIST_USERS,
    REGISTER,
    RESET_PASSWORD,
    REVOKE_TOKENS,
    VERIFY_TOKEN,
    AccountAction,
    Credentials,
    Identity,
    PasswordChange,
    PasswordReset,
    Registration,
    RoleChange,
    Session,
    Token,
    UserActionsQuery,
    UserNamed,
    UserOf,
    UsersQuery,
)
from tests.services import RunningService, new_traceparent, running, service_settings

OPERATOR = 7


@pytest.fixture
def settings(database_url: Callable[[str], str], redis_url: str, tmp_path: Path) -> Settings:
    key = tmp_path / "key.pem"
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return service_settings(Settings, database_url(USERS), redis_url, jwt_private_key_file=key)


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[RunningService]:
    async with running(create_app, settings) as service:
        yield service


async def registered(service: RunningService, name: str) -> Session:
    return await service.answer(REGISTER, Registration(username=name, password="first one"))


async def opens(service: RunningService, token: str) -> str:
    """Empty where the token opens doors, else why not."""
    answer = await service.call(VERIFY_TOKEN, Token(token=token))
    return "" if isinstance(answer, Identity) else answer.code


async def login(service: RunningService, name: str, password: str) -> Session | Refused:
    return await service.call(AUTHENTICATE, Credentials(username=name, password=password))


def code(answer: object) -> str:
    return answer.code if isinstance(answer, Refused) else ""


async def test_a_new_role_ends_the_old_tokens(service: RunningService) -> None:
    """Who is made an administrator logs in again to be one, and is recorded; the same way back."""
    anna = await registered(service, "anna")
    traceparent = new_traceparent()
    for role, roles in (("admin", ("user", "admin")), ("user", ("user",))):
        change = RoleChange(user_id=OPERATOR, account_id=anna.user_id, role=role, traceparent=traceparent)
        assert (await service.answer(CHANGE_ROLE, change)).roles == roles
        assert await opens(service, anna.token) == "token_revoked"
        again = await login(service, "anna", "first one")
        assert isinstance(again, Session)
        assert again.roles == roles
        assert await opens(service, again.token) == ""
        anna = again
    newest, oldest = (await service.answer(LIST_USER_ACTIONS, UserActionsQuery())).actions
    assert (oldest.user_id, oldest.account_id, oldest.action) == (OPERATOR, anna.user_id, "change_role")
    assert (oldest.detail, newest.detail) == ('{"role": "admin"}', '{"role": "user"}')
    assert oldest.trace_id == traceparent.split("-")[1]


async def test_revoked_tokens_stay_revoked_after_a_restart(settings: Settings) -> None:
    """All tokens of a user end, nobody else's do, and a service that starts again knows of it."""
    async with running(create_app, settings) as service:
        anna, ben = await registered(service, "anna"), await registered(service, "ben")
        await service.answer(REVOKE_TOKENS, AccountAction(user_id=OPERATOR, account_id=anna.user_id))
        assert [await opens(service, s.token) for s in (anna, ben)] == ["token_revoked", ""]
    async with running(create_app, settings) as service:
        assert [await opens(service, s.token) for s in (anna, ben)] == ["token_revoked", ""]
        fresh = await login(service, "anna", "first one")
        assert isinstance(fresh, Session)
        assert await opens(service, fresh.token) == ""


async def test_a_forced_reset_shuts_out_until_the_code_is_used(service: RunningService) -> None:
    """Password and tokens open nothing; only the newest code sets a new password, once."""
    anna = await registered(service, "anna")
    reset = AccountAction(user_id=OPERATOR, account_id=anna.user_id)
    old = await service.answer(FORCE_RESET, reset)
    newer = await service.answer(FORCE_RESET, reset)
    assert await opens(service, anna.token) == "token_revoked"
    assert code(await login(service, "anna", "first one")) == "password_reset_required"
    assert code(await login(service, "anna", "guessed")) == "invalid_credentials"
    assert (await service.answer(GET_USER, UserOf(account_id=anna.user_id))).must_reset

    async def use(used: str, name: str = "anna", password: str = "second one") -> str:
        return code(await service.call(RESET_PASSWORD, PasswordReset(username=name, code=used, new_password=password)))

    assert await use(old.code) == "invalid_reset_code"
    assert await use("x") == "invalid_reset_code"
    assert await use(newer.code, name="nobody") == "invalid_reset_code"
    assert await use(newer.code, password="short") == "weak_password"
    assert await use(newer.code) == ""
    assert await use(newer.code) == "invalid_reset_code"
    assert code(await login(service, "anna", "first one")) == "invalid_credentials"
    assert code(await login(service, "anna", "second one")) == ""
    recorded = service.spans.everything()
    assert newer.code not in recorded
    assert "second one" not in recorded


async def test_a_user_changes_the_password(service: RunningService) -> None:
    """Who knows the old one sets a new one; all tokens so far end, and the answer brings one that opens."""
    anna = await registered(service, "anna")

    async def change(old: str, new: str) -> Session | Refused:
        wanted = PasswordChange(username="anna", password=old, new_password=new)
        return await service.call(CHANGE_PASSWORD, wanted)

    assert code(await change("wrong one", "second one")) == "invalid_credentials"
    assert code(await change("first one", "short")) == "weak_password"
    assert await opens(service, anna.token) == ""
    changed = await change("first one", "second one")
    assert isinstance(changed, Session)
    assert await opens(service, anna.token) == "token_revoked"
    assert await opens(service, changed.token) == ""
    assert code(await login(service, "anna", "first one")) == "invalid_credentials"


async def test_users_are_found_page_by_page(service: RunningService) -> None:
    """By id, those whose name holds the text, whatever its case; signs that SQL knows mean themselves."""
    names = ["anna", "Annabel", "ben", "joanna", "b_n"]
    made = {name: (await registered(service, name)).user_id for name in names}

    async def search(text: str, after: int = 0, limit: int = 50) -> list[str]:
        page = await service.answer(LIST_USERS, UsersQuery(search=text, after=after, limit=limit))
        return [user.username for user in page.users]

    assert await search("ANNA") == ["anna", "Annabel", "joanna"]
    assert await search("anna", limit=2) == ["anna", "Annabel"]
    assert await search("anna", after=made["Annabel"], limit=2) == ["joanna"]
    assert await search("b_n") == ["b_n"]
    assert await search("%") == []
    assert await search("\x00") == []
    assert await search("") == names


async def test_what_does_not_exist_is_not_found(service: RunningService) -> None:
    """Unknown users and roles are refused by code, and nothing is recorded."""
    anna = await registered(service, "anna")
    nobody = AccountAction(user_id=OPERATOR, account_id=4711)
    for operation in (REVOKE_TOKENS, FORCE_RESET):
        assert code(await service.call(operation, nobody)) == "unknown_user"
    assert code(await service.call(GET_USER, UserOf(account_id=4711))) == "unknown_user"
    assert code(await service.call(FIND_USER, UserNamed(username="a b"))) == "unknown_user"
    king = RoleChange(user_id=OPERATOR, account_id=anna.user_id, role="king")
    assert code(await service.call(CHANGE_ROLE, king)) == "invalid_role"
    own = RoleChange(user_id=anna.user_id, account_id=anna.user_id, role="user")
    assert code(await service.call(CHANGE_ROLE, own)) == "own_role"
    assert (await service.answer(LIST_USER_ACTIONS, UserActionsQuery())).actions == ()
