"""What the gateway knows of its sessions' orders through all restarts: one SQLite file beside the engine's.

The exchange knows an order by the first ClOrdID only; a replace gives it another. And what a session was told of an
order is known nowhere else. Written with each message and not waited for: a crash of the machine may take the last
writes back, and then a report may be told twice, never not at all.
"""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from services.fix_gateway.reports import Order
from services.fix_gateway.wire import Message

KEPT_S = 7 * 86_400
"""For how long a closed order's ClOrdID is known to be used."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS ids (session TEXT, cl_ord_id TEXT, order_id TEXT NOT NULL, made_s INTEGER NOT NULL,
                                request TEXT NOT NULL, PRIMARY KEY (session, cl_ord_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (session TEXT, order_id TEXT, told BLOB NOT NULL, is_final INTEGER NOT NULL,
                                   told_s INTEGER NOT NULL, PRIMARY KEY (session, order_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (session TEXT PRIMARY KEY, seq INTEGER NOT NULL, messages INTEGER NOT NULL);
"""
# order_id '' in ids: the request is on its way, and nobody knows yet what becomes of it.

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Order).decode


class Ledger:
    """The file. Everything is said by session, whose name is text."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._do = self._database.execute
        self._do("PRAGMA journal_mode = WAL")
        self._do("PRAGMA synchronous = OFF")
        self._database.executescript(SCHEMA)
        old_s = int(time.time()) - KEPT_S
        self._do("DELETE FROM orders WHERE is_final AND told_s < ?", (old_s,))
        self._do(
            "DELETE FROM ids WHERE made_s < ? AND order_id <> '' AND NOT EXISTS"
            " (SELECT 1 FROM orders WHERE orders.session = ids.session AND orders.order_id = ids.order_id)",
            (old_s,),
        )

    def close(self) -> None:
        self._database.close()

    def begin(self, session: str, cl_ord_id: str, request: str) -> bool:
        """Notes that a request is on its way. False where the session has used this ClOrdID before."""
        values = (session, cl_ord_id, int(time.time()), request)
        return self._do("INSERT OR IGNORE INTO ids VALUES (?, ?, '', ?, ?)", values).rowcount == 1

    def name(self, session: str, cl_ord_id: str, order_id: str) -> None:
        """From now on the order has this ClOrdID, beside those that it had."""
        values = (session, cl_ord_id, order_id, int(time.time()))
        self._do("INSERT OR REPLACE INTO ids VALUES (?, ?, ?, ?, '')", values)

    def order_id(self, session: str, cl_ord_id: str) -> str | None:
        """The order that has or had this ClOrdID; empty while it is on its way, None for none."""
        row = self._do("SELECT order_id FROM ids WHERE session = ? AND cl_ord_id = ?", (session, cl_ord_id)).fetchone()
        return None if row is None else str(row[0])

    def on_their_way(self, session: str) -> list[tuple[Message, int]]:
        """Requests of which nobody knows what became, and when they came, in seconds of Unix time."""
        rows = self._do("SELECT request, made_s FROM ids WHERE session = ? AND order_id = ''", (session,))
        return [(Message(request), int(made_s)) for request, made_s in rows]

    def forget(self, session: str, cl_ord_id: str) -> None:
        """No order came of it."""
        self._do("DELETE FROM ids WHERE session = ? AND cl_ord_id = ?", (session, cl_ord_id))

    def put(self, session: str, order: Order) -> None:
        """What was told of an order."""
        values = (session, order.order_id, _encode(order), order.is_final, int(time.time()))
        self._do("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?)", values)

    def get(self, session: str, order_id: str) -> Order | None:
        """What was told of an order, None where nothing was."""
        row = self._do("SELECT told FROM orders WHERE session = ? AND order_id = ?", (session, order_id)).fetchone()
        return None if row is None else _decode(row[0])

    def open_orders(self, session: str) -> Iterator[Order]:
        """The orders of whose end the session was not told."""
        rows = self._do("SELECT told FROM orders WHERE session = ? AND NOT is_final", (session,)).fetchall()
        return (_decode(row[0]) for row in rows)

    def position(self, session: str) -> tuple[int, int] | None:
        """The last engine event of which a session was told, and how many of its messages; None where of none."""
        row = self._do("SELECT seq, messages FROM positions WHERE session = ?", (session,)).fetchone()
        return None if row is None else (int(row[0]), int(row[1]))

    def move(self, session: str, seq: int, messages: int) -> None:
        """The session was told so much of this event."""
        self._do("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", (session, seq, messages))
