"""Passwords and tokens as they are kept: hashed, so that the access file gives none away."""

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html: scrypt, with 16 MB per check.
COST: Final = 1 << 14
BLOCK: Final = 8
PARALLEL: Final = 5
MEMORY_BYTES_MAX: Final = 64 << 20


def password_hash(password: str) -> str:
    """What the access file keeps of a password: `scrypt:cost:block:parallel:salt:hash`."""
    salt = secrets.token_bytes(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=COST, r=BLOCK, p=PARALLEL, maxmem=MEMORY_BYTES_MAX)
    return f"scrypt:{COST}:{BLOCK}:{PARALLEL}:{base64.b64encode(salt).decode()}:{base64.b64encode(digest).decode()}"


def is_password(password: str, kept: str) -> bool:
    """Whether a password is the one that is kept; False too for what `password_hash` did not write."""
    try:
        scheme, cost, block, parallel, salt, wanted = kept.split(":")
        digest = hashlib.scrypt(
            password.encode("utf-8", "replace"),
            salt=base64.b64decode(salt),
            n=int(cost),
            r=int(block),
            p=int(parallel),
            maxmem=MEMORY_BYTES_MAX,
        )
        return scheme == "scrypt" and hmac.compare_digest(digest, base64.b64decode(wanted))
    except (ValueError, binascii.Error):
        return False


def new_token() -> tuple[str, str]:
    """A token of 256 random bits, and its SHA-256 in hex for the access file."""
    token = secrets.token_urlsafe(32)
    return token, hashlib.sha256(token.encode()).hexdigest()
