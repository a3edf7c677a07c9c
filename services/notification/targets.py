"""The rules of where users may be told: URLs, addresses, kinds, signatures, and when to try again. No I/O."""

import base64
import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from shared.contracts.deliveries import KINDS
from shared.contracts.operations import Refused

Reach = Literal["public", "loopback", "any"]
"""Which addresses webhooks may lead to: those of the public internet, these and this machine's own, or all."""

URL_MAX = 2048
SECRET_PREFIX = "whsec_"  # noqa: S105 - how every secret begins, not one
SECRET_BYTES = 32
BACKOFF_MAX_S = 300.0

EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", re.ASCII)
EMAIL_MAX = 254
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
# Addresses of the new protocol in which one of the old is hidden: who translates them would lead us to that one.
NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a user wants to be told. Its ``repr`` shows neither address nor secret."""

    target_id: int
    user_id: int
    channel: str
    address: str = field(repr=False)
    kinds: frozenset[str]
    secret: str = field(repr=False)
    confirmed: bool
    failures: int
    due_us: int
    created_us: int


def new_secret() -> str:
    """A fresh signing secret, as the Standard Webhooks specification writes one."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """HMAC-SHA256 over id, time and body, as the Standard Webhooks specification has it."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def message_id(delivery_ids: Sequence[int]) -> str:
    """The same for the same deliveries, so that a receiver knows a repeated request."""
    named = ",".join(map(str, delivery_ids)).encode()
    return "msg_" + hashlib.blake2b(named, digest_size=16).hexdigest()


def code_hash(code: str) -> str:
    """What is kept of a code that confirms an address. Codes have 96 bits, so that a fast hash will do."""
    return hashlib.sha256(code.encode()).hexdigest()


def backoff_s(failures: int, first_s: float, chance: float) -> float:
    """How long to wait after so many failures in a row: twice as long each time, half of it by ``chance`` (0 to 1)."""
    full = min(first_s * 2.0 ** min(failures - 1, 30), BACKOFF_MAX_S)
    return full * (1 + chance) / 2


def kinds_fault(kinds: Collection[str]) -> Refused | None:
    """Why this is no choice of kinds, None if it is one."""
    if kinds and set(kinds) <= set(KINDS):
        return None
    return Refused(code="invalid_kinds", detail=f"kinds must be some of {', '.join(KINDS)}.")


def address_fault(address: str) -> Refused | None:
    """Why this is no e-mail address, None if it looks like one."""
    if len(address) <= EMAIL_MAX and EMAIL.fullmatch(address):
        return None
    return Refused(code="invalid_email", detail="Give an e-mail address like name@example.com.")


def url_fault(url: str, reach: Reach) -> Refused | None:
    """Why this is no URL for a webhook, as far as can be told without asking the network. None if it can be one."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return _invalid("must be a URL like https://example.com/hook")
    if not host or parts.scheme not in ("http", "https") or len(url) > URL_MAX or not url.isascii():
        return _invalid(f"must be a URL like https://example.com/hook, in ASCII, of at most {URL_MAX} characters")
    if not url.isprintable() or " " in url or "\\" in url or parts.username is not None or parts.fragment:
        return _invalid("must have no user, fragment, space or backslash in it")
    if parts.scheme == "http" and reach != "any" and not (reach == "loopback" and host in LOOPBACK_NAMES):
        return _invalid("must begin with https://")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if may_reach(str(literal), reach) else target_refused()


def may_reach(address: str, reach: Reach) -> bool:
    """Whether webhooks may be sent to this IP address."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        hidden = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if found in NAT64:
            hidden = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if hidden:
            return may_reach(str(hidden), reach)
    if reach == "any":
        return True
    if reach == "loopback" and found.is_loopback:
        return True
    return found.is_global and not found.is_multicast


def target_refused() -> Refused:
    """The URL leads to where no webhook may go."""
    detail = "This URL does not lead to a public address, and nothing else may be reached from here."
    return Refused(code="webhook_target_refused", detail=detail)


def _invalid(why: str) -> Refused:
    return Refused(code="invalid_url", detail=f"url {why}.")
