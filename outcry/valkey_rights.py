"""Who may do what in Valkey: use its own keys and channels, and the streams that it publishes or follows.

Keys and channels of a service begin with its name. Rights are written as Valkey's ACLs have them, in the form that
Redis 7 understands too: `~` may be read and written, `%R~` read, `%W~` written, `&` is a channel, to say and to hear.
"""

from shared.contracts.engine import INSTRUMENTS_CHANNEL
from shared.contracts.events import KEPT_TRACES, STREAMS
from shared.contracts.market import QUOTES_KEY
from shared.contracts.operations import GATEWAY, MARKET, NOTIFICATION, RISK, WALLET

EVERYBODY = f"+@all -@admin -@dangerous -@scripting ~{KEPT_TRACES}"
"""Nobody commands the server or sees all keys (FLUSHALL, CONFIG, KEYS); all decide together which traces are kept."""

OTHERS = {
    GATEWAY: f"%R~{QUOTES_KEY} &{MARKET}:* &{NOTIFICATION}:* &{INSTRUMENTS_CHANNEL}",
    RISK: f"%R~{QUOTES_KEY} +eval +evalsha",
    WALLET: f"&{NOTIFICATION}:*",
}
"""What is somebody else's, and risk's scripts."""


def rights(user: str) -> str:
    """Of a service, or of who is none and takes part in no stream, as an ACL's line tells them behind the password."""
    found = [EVERYBODY, f"~{user}:* &{user}:*", OTHERS.get(user, "")]
    for stream in STREAMS:
        if user == stream.publisher:
            found.append(f"~{stream.name} %R~{stream.positions_key} ~{stream.rewind_key}")
        elif user in stream.consumers:
            found.append(f"%R~{stream.name} %W~{stream.positions_key} %W~{stream.rewind_key}")
    return " ".join(filter(None, found))
