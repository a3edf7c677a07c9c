"""Who may be a user, and which tokens are good: the rules without a server."""

import asyncio
import time
import uuid

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from services.user_service import passwords as passwords_module
from services.user_service import tokens as tokens_module
from services.user_service.passwords import Passwords
from services.user_service.tokens import ALGORITHM, AUDIENCE, ISSUER, Tokens
from services.user_service.users import email_fault, key_of, password_fault, username_fault
from shared.contracts.operations import Refused
from shared.contracts.users import Identity
from shared.errors import Unavailable

DAY_S = 86_400
KEY = Ed25519PrivateKey.generate()


def refusal(answer: object) -> str:
    """The code of a refusal; an answer that is none fails the test."""
    assert isinstance(answer, Refused), answer
    return answer.code


@pytest.mark.parametrize("username", ["ann", "demo_user", "A.b-C_9", "x" * 32])
def test_plain_names_are_usernames(username: str) -> None:
    """Names of 3 to 32 letters, digits, underscores, dots and hyphens are taken."""
    assert username_fault(username) is None


@given(st.text().filter(lambda text: not text.isascii() or not 3 <= len(text) <= 32 or " " in text))
def test_other_names_are_refused(username: str) -> None:
    """A name with spaces, other alphabets, control characters or of another length is refused."""
    assert refusal(username_fault(username)) == "invalid_username"


@pytest.mark.parametrize("username", ["ann\n", "ann@example.com", "ann/../root", "\x00\x00\x00"])
def test_dangerous_names_are_refused(username: str) -> None:
    """What could pass for something else in a log, a URL or a statement is no name."""
    assert refusal(username_fault(username)) == "invalid_username"


def test_a_name_is_one_in_every_case() -> None:
    """Names that differ in case alone are the same name."""
    assert key_of("Demo_User") == key_of("dEMO_uSER")


def test_password_length_is_all_that_counts() -> None:
    """Passwords of 6 to 128 characters are taken, shorter, longer and blank ones are not."""
    assert [password_fault(password) for password in ("demo123", "x" * 6, "ä🔑 kl m", "y" * 128)] == [None] * 4
    faults = [password_fault(password) for password in ("", "x" * 5, "y" * 129, " " * 10)]
    assert [refusal(fault) for fault in faults] == ["weak_password"] * 4


def test_email_is_optional_but_must_look_like_one() -> None:
    """No address is fine, an address needs a name and a domain."""
    assert [email_fault(email) for email in ("", "ann@example.com", "a+b@mail.example.org")] == [None] * 3
    wrong = ("ann", "ann@", "@example.com", "ann@example", "a b@example.com", "a@b@example.com", "a" * 250 + "@b.co")
    assert [refusal(email_fault(email)) for email in wrong] == ["invalid_email"] * len(wrong)


@pytest.mark.parametrize("email", ["a\x00@example.com", "a@exam\nple.com", "a@example.com\n"])
def test_email_holds_no_control_characters(email: str) -> None:
    """An address can't smuggle a line into a mail header or a NUL into the database."""
    assert refusal(email_fault(email)) == "invalid_email"


async def test_password_matches_only_itself() -> None:
    """A hash knows its password again, in any composition of its characters, and no other."""
    passwords = Passwords()
    kept = await passwords.hash("Schl\u00fcssel")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.matches(kept, "Schlu\u0308ssel")
    assert not await passwords.matches(kept, "schl\u00fcssel")


async def test_nobody_has_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no such user no password is right, and as much is computed as with a user."""
    verify, computed = passwords_module._verify, []

    def noted(kept: str, password: str) -> bool:
        computed.append(kept.rpartition("$")[0].rpartition("$")[0])
        return verify(kept, password)

    monkeypatch.setattr(passwords_module, "_verify", noted)
    passwords = Passwords()
    kept = await passwords.hash("demo123")
    assert not await passwords.matches(None, "demo124")
    assert not await passwords.matches(kept, "demo124")
    assert computed == ["$argon2id$v=19$m=19456,t=2,p=1"] * 2


async def test_a_flood_of_logins_is_shed(monkeypatch: pytest.MonkeyPatch) -> None:
    """When too many passwords wait, further ones are turned away at once, and those that wait are still served."""
    monkeypatch.setattr(passwords_module, "WAITING_MAX", 2)
    passwords = Passwords()
    kept = await passwords.hash("demo123")
    asked = [passwords.matches(kept, "demo123") for _ in range(5)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert answers[:2] == [True, True]
    assert [type(answer) for answer in answers[2:]] == [Unavailable] * 3
    assert await passwords.matches(kept, "demo123")


def test_token_says_who_it_stands_for() -> None:
    """A fresh token is verified as the user, the roles and the expiry it was made with."""
    tokens = Tokens(KEY, DAY_S)
    session = tokens.issue(1000, "ann", ("user", "admin"))
    expected = Identity(user_id=1000, username="ann", roles=("user", "admin"), expires_at_s=session.expires_at_s)
    assert [tokens.verify(session.token) for _ in range(2)] == [expected] * 2
    assert abs(session.expires_at_s - time.time() - DAY_S) < 5


def test_expired_token_is_refused() -> None:
    """A token opens nothing after its lifetime."""
    session = Tokens(KEY, DAY_S, lambda: time.time() - DAY_S - 1).issue(1000, "ann", ("user",))
    assert refusal(Tokens(KEY, DAY_S).verify(session.token)) == "token_expired"


def test_remembered_token_expires_too() -> None:
    """A token that was verified before is refused once its time is up."""
    passed_s = 0.0
    tokens = Tokens(KEY, DAY_S, lambda: time.time() + passed_s)
    session = tokens.issue(1000, "ann", ("user",))
    assert isinstance(tokens.verify(session.token), Identity)
    passed_s = DAY_S
    assert refusal(tokens.verify(session.token)) == "token_expired"


def test_revoked_token_is_refused_although_remembered() -> None:
    """Revoking works at once, also for a token that was found good a moment ago, and for that one alone."""
    tokens = Tokens(KEY, DAY_S)
    revoked, other = tokens.issue(1000, "ann", ("user",)), tokens.issue(1000, "ann", ("user",))
    tokens.verify(revoked.token)
    found = tokens.inspect(revoked.token)
    assert not isinstance(found, Refused)
    tokens.revoke([(found.jti, revoked.expires_at_s)])
    assert refusal(tokens.verify(revoked.token)) == "token_revoked"
    assert isinstance(tokens.verify(other.token), Identity)


def test_tokens_of_other_keys_and_algorithms_are_refused() -> None:
    """Another key, no signature, our public key used as a shared secret, other claims: none opens anything."""
    tokens = Tokens(KEY, DAY_S)
    now = int(time.time())
    claims = {"sub": "1000", "username": "ann", "roles": ["admin"], "iat": now, "exp": now + DAY_S}
    claims |= {"jti": str(uuid.uuid4()), "iss": ISSUER, "aud": AUDIENCE}
    public = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    forged = [
        jwt.encode(claims, Ed25519PrivateKey.generate(), ALGORITHM),
        jwt.encode(claims, "", "none"),
        jwt.encode(claims, public, "HS256"),
        *(jwt.encode(claims | changed, KEY, ALGORITHM) for changed in ({"aud": "x"}, {"iss": "x"}, {"jti": "x"})),
        *(jwt.encode({k: v for k, v in claims.items() if k != name}, KEY, ALGORITHM) for name in claims),
    ]
    assert [refusal(tokens.verify(token)) for token in forged] == ["invalid_token"] * len(forged)
    assert isinstance(tokens.verify(jwt.encode(claims, KEY, ALGORITHM)), Identity)


@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    """Whatever a client sends as its token is refused, never an error."""
    assert refusal(Tokens(KEY, DAY_S).verify(text)) == "invalid_token"


def test_memory_of_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tokens are shown, only so many are remembered, and all are still verified."""
    monkeypatch.setattr(tokens_module, "REMEMBERED_MAX", 3)
    tokens = Tokens(KEY, DAY_S)
    shown = [tokens.issue(1000 + number, "ann", ("user",)).token for number in range(10)]
    found = [tokens.verify(token) for token in shown + shown]
    assert [answer.user_id for answer in found if isinstance(answer, Identity)] == [*range(1000, 1010)] * 2
    assert len(tokens._remembered) == 3
