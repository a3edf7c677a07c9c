"""What the user-service is asked: who somebody is."""

from shared.contracts.operations import USERS, Answer, Done, Item, Operation


class Credentials(Item, frozen=True, kw_only=True):
    """A user name and the password that belongs to it. The password appears in no span, log or error."""

    username: str
    password: str


class Registration(Item, frozen=True, kw_only=True):
    """Somebody who wants to be a user. ``email`` may be empty."""

    username: str
    password: str
    email: str = ""


class Token(Item, frozen=True, kw_only=True):
    """A bearer token as the client sent it."""

    token: str


class Identity(Answer, frozen=True, kw_only=True, tag=True):
    """A known user. Ids count up from 1,000; smaller ones belong to the exchange itself."""

    user_id: int
    username: str
    roles: tuple[str, ...]
    expires_at_s: int = 0


class Session(Answer, frozen=True, kw_only=True, tag=True):
    """A fresh token and whom it stands for. ``expires_at_s`` is Unix time."""

    user_id: int
    username: str
    roles: tuple[str, ...]
    token: str
    expires_at_s: int


REGISTER = Operation(USERS, "register", Registration, Session, lanes=4)
AUTHENTICATE = Operation(USERS, "authenticate", Credentials, Session, lanes=4)
VERIFY_TOKEN = Operation(USERS, "verify_token", Token, Identity)
REVOKE_TOKEN = Operation(USERS, "revoke_token", Token, Done)
