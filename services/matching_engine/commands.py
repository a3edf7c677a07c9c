"""What the engine journals: commands, packed by the batch, with a checksum.

A command carries everything that its effect depends on, its time included, so that to replay it is to do it again.
"""

import zlib
from collections.abc import Sequence

import msgspec

from shared.contracts.money import Money, Shares


class Place(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="p"):
    """A new order. ``traceparent`` is the context of the engine's span of it: later trades against it link there.

    Fields with a default came later; a journal from before them still reads.
    """

    time_us: int
    order_id: int
    user_id: int
    symbol: str
    side: int
    order_type: int
    time_in_force: int
    price: Money
    quantity: Shares
    traceparent: str
    post_only: bool = False
    display_quantity: Shares = 0
    self_trade: int = 0
    expires_at_s: int = 0
    trigger: Money = 0
    linked_order_id: int = 0
    fee_ppm: int = 0


class Cancel(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="c"):
    """Take an order off its book."""

    time_us: int
    order_id: int
    user_id: int
    symbol: str
    traceparent: str


class Void(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="v"):
    """Bar an order id that has not come yet."""

    time_us: int
    order_id: int
    traceparent: str


class Expire(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="e"):
    """End the orders of a symbol whose time is over. Only this command moves a book's clock."""

    time_us: int
    symbol: str
    traceparent: str


class Amend(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="a"):
    """Give an order new terms, if it still has the old ones."""

    time_us: int
    amend_id: int
    order_id: int
    user_id: int
    symbol: str
    old_price: Money
    old_quantity: Shares
    price: Money
    quantity: Shares
    traceparent: str
    fee_ppm: int = 0


class CancelAll(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="x"):
    """Take all orders of a user off a book."""

    time_us: int
    user_id: int
    symbol: str
    traceparent: str


class Configure(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="f"):
    """An administrator sets a symbol's fees and price band; None leaves as it is."""

    time_us: int
    user_id: int
    symbol: str
    maker_fee_ppm: int | None
    taker_fee_ppm: int | None
    band: Money | None
    traceparent: str


class SetSession(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="s"):
    """An administrator turns a symbol to another session. A reference price of 0 leaves it as it is."""

    time_us: int
    user_id: int
    symbol: str
    session: int
    reference_price: Money
    traceparent: str


class ListSymbol(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="l"):
    """An administrator lists a symbol."""

    time_us: int
    user_id: int
    symbol: str
    name: str
    tick_size: Money
    lot_size: Shares
    reference_price: Money
    traceparent: str


class DelistSymbol(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="d"):
    """An administrator takes a symbol off the list, and its orders off their book."""

    time_us: int
    user_id: int
    symbol: str
    traceparent: str


class Block(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="b"):
    """An administrator shuts an account out, or lets it in again. Its orders are cancelled by commands that follow."""

    time_us: int
    user_id: int
    account_id: int
    blocked: bool
    traceparent: str
    symbol: str = ""


Action = Configure | SetSession | Block | ListSymbol | DelistSymbol
"""What administrators do. Each is recorded beside the journal, so that one can ask who did what."""

Command = Place | Cancel | Void | Expire | Amend | CancelAll | Action

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Command]).decode


class JournalDamaged(Exception):
    """What was read back is not what was written. The engine must not start from it."""


def pack(commands: Sequence[Command]) -> tuple[bytes, int]:
    """Commands as bytes, and the CRC-32 of these bytes."""
    data = _encode(commands)
    return data, zlib.crc32(data)


def unpack(first_seq: int, last_seq: int, checksum: int, data: bytes) -> list[Command]:
    """The commands of one journal row. Raises JournalDamaged with the row's position."""
    if zlib.crc32(data) != checksum:
        raise JournalDamaged(f"journal row {first_seq}-{last_seq}: its checksum does not fit")
    commands: list[Command] = _decode(data)
    if len(commands) != last_seq - first_seq + 1:
        raise JournalDamaged(f"journal row {first_seq}-{last_seq}: it holds {len(commands)} commands")
    return commands
