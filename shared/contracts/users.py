"""What the user-service is asked: who somebody is, and what administrators decide about them."""

import msgspec

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


class UserNamed(Item, frozen=True, kw_only=True):
    """Ask for a user by name."""

    username: str


class KnownUser(Answer, frozen=True, kw_only=True, tag=True):
    """A user, as other users may know them."""

    user_id: int
    username: str


class PasswordChange(Item, frozen=True, kw_only=True):
    """Who knows the password sets another one."""

    username: str
    password: str
    new_password: str


class PasswordReset(Item, frozen=True, kw_only=True):
    """Who has the code that an administrator was shown sets a new password."""

    username: str
    code: str
    new_password: str


class UsersQuery(Item, frozen=True, kw_only=True):
    """Users with ``search`` in their name, by id above ``after``."""

    search: str = ""
    after: int = 0
    limit: int = 50


class UserOf(Item, frozen=True, kw_only=True):
    """Ask for one user by id."""

    account_id: int


class UserRecord(Answer, frozen=True, kw_only=True, tag=True):
    """A user as administrators see them: nothing that would identify the person, no address, no password."""

    user_id: int
    username: str
    roles: tuple[str, ...]
    created_us: int
    must_reset: bool


class Users(Answer, frozen=True, kw_only=True, tag=True):
    """A page of users, by id."""

    users: tuple[UserRecord, ...]


class RoleChange(Item, frozen=True, kw_only=True):
    """Administrator ``user_id`` makes an account an administrator's ("admin") or an ordinary one ("user")."""

    user_id: int
    account_id: int
    role: str


class AccountAction(Item, frozen=True, kw_only=True):
    """Administrator ``user_id`` does something to an account: which operation it is says what."""

    user_id: int
    account_id: int


class ResetCode(Answer, frozen=True, kw_only=True, tag=True):
    """What the user sets a new password with, until ``expires_at_s`` (Unix time). Shown this once."""

    user_id: int
    code: str
    expires_at_s: int


class UserActionsQuery(Item, frozen=True, kw_only=True):
    """A page of what administrators did to users, newest first, below number ``before`` (0: from the newest)."""

    before: int = 0
    limit: int = 50


class UserAction(msgspec.Struct, frozen=True, kw_only=True):
    """Administrator ``user_id`` did ``action`` to ``account_id``; ``detail`` is JSON."""

    number: int
    time_us: int
    user_id: int
    account_id: int
    action: str
    detail: str
    trace_id: str


class UserActions(Answer, frozen=True, kw_only=True, tag=True):
    """A page of actions."""

    actions: tuple[UserAction, ...]


REGISTER = Operation(USERS, "register", Registration, Session, lanes=4)
AUTHENTICATE = Operation(USERS, "authenticate", Credentials, Session, lanes=4)
VERIFY_TOKEN = Operation(USERS, "verify_token", Token, Identity)
CHECK_TOKEN = Operation(USERS, "check_token", Token, Done, traced=False)
REVOKE_TOKEN = Operation(USERS, "revoke_token", Token, Done)
FIND_USER = Operation(USERS, "find_user", UserNamed, KnownUser)
CHANGE_PASSWORD = Operation(USERS, "change_password", PasswordChange, Session, lanes=4)
RESET_PASSWORD = Operation(USERS, "reset_password", PasswordReset, Session, lanes=4)
LIST_USERS = Operation(USERS, "list_users", UsersQuery, Users)
GET_USER = Operation(USERS, "get_user", UserOf, UserRecord)
CHANGE_ROLE = Operation(USERS, "change_role", RoleChange, UserRecord)
REVOKE_TOKENS = Operation(USERS, "revoke_tokens", AccountAction, UserRecord)
FORCE_RESET = Operation(USERS, "force_reset", AccountAction, ResetCode)
LIST_USER_ACTIONS = Operation(USERS, "list_user_actions", UserActionsQuery, UserActions)
