"""Who a FIX session is for: a user, and one of three kinds."""

import re
from enum import StrEnum
from typing import NamedTuple

from services.fix_gateway.wire import Message
from shared.errors import Problem

BEGIN_STRING = "FIX.4.4"
LABEL = re.compile(r"[A-Za-z0-9]{1,16}", re.ASCII)
HEARTBEAT_S_MAX = 3600
TRACED = 9001
"""Our own field in a Logon: Y asks for ``TRACE_ID`` in all reports."""

TRACE_ID = 9002
ENDS = 9003
"""Our own field in a Logon: Y or N for cancel on disconnect, whatever the setting is."""


class Kind(StrEnum):
    """What a session is for, by the TargetCompID of its client."""

    ORDERS = "OUTCRY"
    """Orders and their reports."""
    MARKET = "OUTCRY-MD"
    """Market data."""
    DROP_COPY = "OUTCRY-DC"
    """Reports of all orders of a user, by whatever way they were placed."""

    @property
    def resends(self) -> bool:
        """Whether what was sent is kept for a resend; old market data is of no use to anybody."""
        return self is not Kind.MARKET


class SessionName(NamedTuple):
    """``client`` is the client's SenderCompID: the user's name, or the name, a colon and a label."""

    kind: Kind
    client: str

    @property
    def owner(self) -> str:
        """The user's name."""
        return self.client.partition(":")[0]

    def __str__(self) -> str:
        return f"{self.client}->{self.kind}"


class Logon(NamedTuple):
    """What a client's first message says about who it is."""

    name: SessionName
    username: str
    password: str
    traced: bool
    """Whether reports should name their traces, in a field that FIX itself does not know."""
    ends: bool | None
    """Whether orders end with the connection; None for what the gateway is set to."""

    def __repr__(self) -> str:
        return f"Logon({self.name})"


def session_name(sender: str, target: str, username: str) -> SessionName:
    """The session that a user may use under this SenderCompID. Raises Problem for one that is not theirs."""
    if target not in set(Kind):
        raise Problem(422, "unknown_target", f"TargetCompID must be one of {', '.join(Kind)}.")
    owner, has_label, label = sender.partition(":")
    if owner != username or (has_label and not LABEL.fullmatch(label)):
        detail = "SenderCompID must be your user name, or your user name, a colon and a label of letters and digits."
        raise Problem(422, "wrong_sender", detail)
    return SessionName(Kind(target), sender)


def read_logon(message: Message) -> Logon:
    """A client's first message. Raises Problem where it is no Logon, or one that can't be served."""
    if message.type != "A":
        raise Problem(422, "logon_required", "The first message must be a Logon.")
    if message.get(8) != BEGIN_STRING:
        raise Problem(422, "wrong_version", f"This gateway speaks {BEGIN_STRING}.")
    username, password = message.get(553), message.get(554)
    if not username or not password:
        raise Problem(401, "credentials_required", "Logon needs Username (553) and Password (554).")
    if message.get(98) != "0":
        raise Problem(422, "encryption_not_supported", "EncryptMethod (98) must be 0.")
    heartbeat = message.get(108)
    if not heartbeat.isdigit() or not 1 <= int(heartbeat) <= HEARTBEAT_S_MAX:
        raise Problem(422, "invalid_heartbeat", f"HeartBtInt (108) must be 1 to {HEARTBEAT_S_MAX} seconds.")
    name = session_name(message.get(49), message.get(56), username)
    ends = {"Y": True, "N": False}.get(message.get(ENDS))
    return Logon(name, username, password, message.get(TRACED) == "Y", ends)
