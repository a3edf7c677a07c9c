"""The rules of who may be a user: names, passwords, e-mail addresses, roles. No I/O."""

import hashlib
import re

from shared.contracts.operations import Refused
from shared.contracts.users import Registration

USERNAME = re.compile(r"[A-Za-z0-9_.-]{3,32}", re.ASCII)
PASSWORD_MIN, PASSWORD_MAX = 6, 128
"""Characters. NIST SP 800-63B asks for room for 64 at least and for no rule about which characters."""

EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@.]+(\.[^\s@.]+)+")
EMAIL_MAX = 254
"""RFC 5321 leaves an address 254 characters. Whether it works shows only when somebody writes to it."""

USER, ADMIN = "user", "admin"
"""Roles. Everybody has USER, ADMIN may also change what belongs to the exchange."""


def key_of(username: str) -> str:
    """What makes a user name unique: ``Ann`` and ``ann`` are the same user."""
    return username.lower()


def username_fault(username: str) -> Refused | None:
    """Why this can't be a user name, None if it can."""
    if USERNAME.fullmatch(username):
        return None
    return Refused(
        code="invalid_username",
        detail="Choose a user name of 3 to 32 characters out of A-Z, a-z, 0-9, underscore, dot and hyphen.",
    )


def password_fault(password: str) -> Refused | None:
    """Why this can't be a password, None if it can. Says nothing about the password itself."""
    if PASSWORD_MIN <= len(password) <= PASSWORD_MAX and not password.isspace():
        return None
    return Refused(
        code="weak_password",
        detail=f"Choose a password of {PASSWORD_MIN} to {PASSWORD_MAX} characters, not only spaces.",
    )


def email_fault(email: str) -> Refused | None:
    """Why this can't be an e-mail address, None if it can or is empty."""
    if not email or (len(email) <= EMAIL_MAX and email.isprintable() and EMAIL.fullmatch(email)):
        return None
    return Refused(code="invalid_email", detail="Give an e-mail address like name@example.com, or none.")


def registration_fault(registration: Registration) -> Refused | None:
    """The first reason why somebody can't become a user, None if there is none."""
    return (
        username_fault(registration.username)
        or password_fault(registration.password)
        or email_fault(registration.email)
    )


def username_taken() -> Refused:
    """Somebody else has this name, in whatever case they write it."""
    return Refused(code="username_taken", detail="This user name is taken. Choose another one, or log in.")


def invalid_credentials() -> Refused:
    """User name and password don't belong together. Does not tell whether there is such a user."""
    return Refused(code="invalid_credentials", detail="User name and password don't match. Check both and try again.")


def unknown_user() -> Refused:
    """There is no user of that name or number."""
    return Refused(code="unknown_user", detail="There is no such user. Check the name.")


def password_reset_required() -> Refused:
    """The password is right, and opens nothing since an administrator had it reset."""
    detail = "An administrator has reset your password. Set a new one with the code that they give you."
    return Refused(code="password_reset_required", detail=detail)


def invalid_reset_code() -> Refused:
    """User name and code don't belong together, or the code has expired. Does not tell which."""
    detail = "User name and code don't match, or the code has expired. Ask an administrator for a new one."
    return Refused(code="invalid_reset_code", detail=detail)


def reset_hash(code: str) -> bytes:
    """What is kept of a reset code. Codes have 128 bits, so that a fast hash will do."""
    return hashlib.sha256(code.encode()).digest()
