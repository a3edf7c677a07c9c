"""The user-service on a real PostgreSQL, called as the gateway calls it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr, ValidationError

from services.user_service.app import create_app
from services.user_service.settings import Settings
from shared.contracts.operations import USERS, WALLET, Done, Refused
from shared.contracts.users import (
    AUTHENTICATE,
    CHECK_TOKEN,
    REGISTER,
    REVOKE_TOKEN,
    VERIFY_TOKEN,
    Credentials,
    Identity,
    Registration,
    Session,
    Token,
)
from shared.errors import Unavailable
from tests.services import new_traceparent, running, service_settings

MakeSettings = Callable[..., Settings]


@pytest.fixture
def settings(database_url: Callable[[str], str], redis_url: str, tmp_path: Path) -> MakeSettings:
    """Settings of a user-service with a fresh database and key; called again they lead to the same ones."""
    key_file = tmp_path / "key.pem"
    key = Ed25519PrivateKey.generate()
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    url = database_url(USERS)
    return lambda **more: service_settings(Settings, url, redis_url, jwt_private_key_file=key_file, **more)


def code(answer: object) -> str:
    assert isinstance(answer, Refused), answer
    return answer.code


async def test_registered_user_logs_in(settings: MakeSettings) -> None:
    """Who registers gets a token that stands for them, and so does the name in any case with its password."""
    async with running(create_app, settings()) as service:
        first = await service.answer(REGISTER, Registration(username="Demo_User", password="demo123"))
        again = await service.answer(AUTHENTICATE, Credentials(username="demo_user", password="demo123"))
        identity = await service.answer(VERIFY_TOKEN, Token(token=again.token))
    assert first.user_id == 1000
    assert identity == Identity(user_id=1000, username="Demo_User", roles=("user",), expires_at_s=again.expires_at_s)


async def test_wrong_password_and_unknown_user_look_the_same(settings: MakeSettings) -> None:
    """Nobody learns from a refused login whether there is such a user; odd names are refused like any other."""
    async with running(create_app, settings()) as service:
        await service.answer(REGISTER, Registration(username="ann", password="demo123"))
        tried = [("ann", "demo124"), ("bob", "demo123"), ("a\x00nn", "demo123"), ("", ""), ("ann", "x" * 10_000)]
        answers = await service.calls(AUTHENTICATE, [Credentials(username=u, password=p) for u, p in tried])
    assert len({(code(answer), answer.detail) for answer in answers if isinstance(answer, Refused)}) == 1
    assert code(answers[0]) == "invalid_credentials"


async def test_a_name_is_given_once(settings: MakeSettings) -> None:
    """Of many who register a name at once, in whatever case, exactly one gets it."""
    names = ["carol", "Carol", "CAROL", "dave"] * 3
    async with running(create_app, settings()) as service:
        wanted = [Registration(username=name, password=f"demo-{number}") for number, name in enumerate(names)]
        answers = await service.calls(REGISTER, wanted)
        later = await service.call(REGISTER, Registration(username="caroL", password="demo123"))
    sessions = [answer for answer in answers if isinstance(answer, Session)]
    assert sorted(session.username.lower() for session in sessions) == ["carol", "dave"]
    assert {code(answer) for answer in answers if not isinstance(answer, Session)} == {"username_taken"}
    assert code(later) == "username_taken"


async def test_faulty_registration_leaves_the_others_alone(settings: MakeSettings) -> None:
    """Registrations of one batch are judged one by one, each with its own refusal."""
    wanted = [
        Registration(username="x", password="demo123"),
        Registration(username="erin", password="demo123", email="erin@example.com"),
        Registration(username="frank", password="123"),
        Registration(username="grace", password="demo123", email="grace"),
    ]
    async with running(create_app, settings()) as service:
        answers = await service.calls(REGISTER, wanted)
    assert isinstance(answers[1], Session)
    refused = [code(answers[number]) for number in (0, 2, 3)]
    assert refused == ["invalid_username", "weak_password", "invalid_email"]


async def test_revoked_token_stays_revoked(settings: MakeSettings) -> None:
    """A revoked token is refused at once and after a restart; revoking it again is fine, revoking nonsense is not."""
    async with running(create_app, settings()) as service:
        session = await service.answer(REGISTER, Registration(username="heidi", password="demo123"))
        token = Token(token=session.token)
        await service.answer(VERIFY_TOKEN, token)
        assert await service.call(CHECK_TOKEN, token) == Done()
        assert await service.call(REVOKE_TOKEN, token) == Done()
        assert await service.call(REVOKE_TOKEN, token) == Done()
        assert code(await service.call(REVOKE_TOKEN, Token(token="nonsense"))) == "invalid_token"
        assert code(await service.call(VERIFY_TOKEN, token)) == "token_revoked"
        assert code(await service.call(CHECK_TOKEN, token)) == "token_revoked"
    async with running(create_app, settings()) as service:
        assert code(await service.call(VERIFY_TOKEN, token)) == "token_revoked"
        other = await service.answer(AUTHENTICATE, Credentials(username="heidi", password="demo123"))
        assert isinstance(await service.call(VERIFY_TOKEN, Token(token=other.token)), Identity)


async def test_revoked_token_is_known_to_other_instances(settings: MakeSettings) -> None:
    """What one instance of the service revokes, another one refuses a few seconds later."""
    async with running(create_app, settings()) as one, running(create_app, settings()) as other:
        session = await one.answer(REGISTER, Registration(username="ivan", password="demo123"))
        token = Token(token=session.token)
        assert isinstance(await other.call(VERIFY_TOKEN, token), Identity)
        await one.answer(REVOKE_TOKEN, token)
        async with asyncio.timeout(15):
            while isinstance(answer := await other.call(VERIFY_TOKEN, token), Identity):
                await asyncio.sleep(0.2)
    assert code(answer) == "token_revoked"


async def test_old_hash_is_made_anew_at_login(settings: MakeSettings) -> None:
    """A password kept with weaker parameters still opens the door, and is kept with today's from then on."""
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("demo123")
    async with running(create_app, settings()) as service:
        await service.answer(REGISTER, Registration(username="karl", password="demo123"))
        database = await asyncpg.connect(settings().database_url.get_secret_value())
        try:
            await database.execute("UPDATE user_service.users SET password_hash = $1", weak)
            for _ in range(2):
                await service.answer(AUTHENTICATE, Credentials(username="karl", password="demo123"))
            kept = await database.fetchval("SELECT password_hash FROM user_service.users")
        finally:
            await database.close()
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_login_is_one_whole_trace(settings: MakeSettings) -> None:
    """A login's trace shows the search for the user and the making of the token, and who it was."""
    traceparent = new_traceparent()
    async with running(create_app, settings()) as service:
        await service.answer(REGISTER, Registration(username="judy", password="demo123"))
        await service.answer(AUTHENTICATE, Credentials(username="judy", password="demo123", traceparent=traceparent))
        assert service.spans.tree(traceparent) == {"authenticate": {"SELECT user": {}, "generate_token": {}}}
        recorded = {span.name: span for span in service.spans.of_trace(traceparent)}
    spans = {name: dict(span.attributes or {}) for name, span in recorded.items()}
    assert spans["authenticate"]["user.id"] == "1000"
    assert [event.name for event in recorded["authenticate"].events] == ["password verified"]
    assert spans["generate_token"] == {"peer.service": "jwt", "jwt.algorithm": "EdDSA"}


async def test_spans_hold_no_secrets(settings: MakeSettings) -> None:
    """No password, hash, token or e-mail address reaches a span, whether things go well or not."""
    async with running(create_app, settings()) as service:
        register = Registration(username="mallory", password="pass-word-1", email="mallory@example.com")
        session = await service.answer(REGISTER, register)
        await service.call(REGISTER, register)
        await service.call(AUTHENTICATE, Credentials(username="mallory", password="pass-word-2"))
        await service.call(AUTHENTICATE, Credentials(username="mallory@example.com", password="pass-word-1"))
        await service.answer(VERIFY_TOKEN, Token(token=session.token))
        await service.call(VERIFY_TOKEN, Token(token=session.token + "x"))
        recorded = service.spans.everything()
    assert "authenticate" in recorded
    for secret in ("pass-word", "mallory@", "$argon2", session.token, session.token.split(".")[2]):
        assert secret not in recorded


async def test_only_the_gateway_is_served(settings: MakeSettings) -> None:
    """Another service's credential opens nothing here."""
    async with running(create_app, settings()) as service:
        with pytest.raises(Unavailable, match="403"):
            await service.call(VERIFY_TOKEN, Token(token="x"), caller=WALLET)


async def test_admin_is_made_at_start(settings: MakeSettings) -> None:
    """With both settings there is an administrator, whose password a later start does not change."""
    for password in ("admin-1", "admin-2"):
        async with running(create_app, settings(admin_username="root", admin_password=password)) as service:
            session = await service.answer(AUTHENTICATE, Credentials(username="root", password="admin-1"))
            assert session.roles == ("user", "admin")


async def test_a_user_does_not_become_admin_by_name(settings: MakeSettings) -> None:
    """Who registered the administrator's name first stays an ordinary user."""
    async with running(create_app, settings()) as service:
        await service.answer(REGISTER, Registration(username="root", password="demo123"))
    async with running(create_app, settings(admin_username="root", admin_password="admin-1")) as service:
        session = await service.answer(AUTHENTICATE, Credentials(username="root", password="demo123"))
        assert session.roles == ("user",)
        assert code(await service.call(AUTHENTICATE, Credentials(username="root", password="admin-1")))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("jwt_private_key_file", "/nowhere"), ("token_lifetime_s", 0), ("admin_username", "a b"), ("admin_password", "x")],
)
def test_wrong_setting_is_named(settings: MakeSettings, name: str, wrong: object) -> None:
    """A setting that can't be right is refused at start by its name, and a password in it is not shown."""
    right = settings()
    with pytest.raises(ValidationError) as error:
        Settings.model_validate({"jwt_private_key_file": right.jwt_private_key_file, name: wrong})
    assert error.value.errors()[0]["loc"] == (name,)


def test_the_key_may_be_told_as_text(settings: MakeSettings) -> None:
    """The signing key can come in a variable, its lines parted by \\n; key and file together, or none, are refused."""
    file = settings().jwt_private_key_file
    assert file is not None
    text = file.read_text().strip().replace("\n", "\\n")
    told = Settings(jwt_private_key=SecretStr(text))
    assert told.signing_key().private_bytes_raw() == settings().signing_key().private_bytes_raw()
    both = {"jwt_private_key": text, "jwt_private_key_file": file}
    for wrong in ({}, both):
        with pytest.raises(ValidationError, match="one of them"):
            Settings.model_validate(wrong)


def test_other_keys_are_refused(tmp_path: Path) -> None:
    """A file that holds no Ed25519 key is refused without a word of what it holds."""
    path = tmp_path / "key.pem"
    path.write_text("something secret")
    with pytest.raises(ValidationError, match="must be PEM") as error:
        Settings(jwt_private_key_file=path)
    assert "something secret" not in str(error.value)
