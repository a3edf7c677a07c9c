"""Database statements: the same statement with other values in it is the same statement."""

import re
from functools import lru_cache
from typing import Final

from jaegerlite.analysis.tree import Node

STATEMENTS_KEPT: Final = 2048
_QUOTED: Final = re.compile(r"'(?:[^']|'')*'")
_PLACEHOLDER: Final = re.compile(r"\$\w+|(?<!\w)[:@][A-Za-z_]\w*|%\(\w+\)s|%s|\?")
_UUID: Final = re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")
_NUMBER: Final = re.compile(r"(?<![A-Za-z_])-?\b(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\b|(?<=[:/_-])\d+\b")
_LIST: Final = re.compile(r"\(\s*\?(?:\s*,\s*\?)+\s*\)")
_ROWS: Final = re.compile(r"(\(\?\))(?:\s*,\s*\(\?\))+")
_SPACE: Final = re.compile(r"\s+")
# These wait for something to happen: to take long is what they are for.
BLOCKING: Final = frozenset(
    {"XREAD", "XREADGROUP", "BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP"}
    | {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "WAIT", "LISTEN", "MONITOR", "WATCH"}
)


def is_query(node: Node) -> bool:
    """Whether the span is a call to a database."""
    return bool(node.text("db.system.name", "db.system"))


def normalised(node: Node) -> str:
    """The statement of a call to a database without its values; where none is told, its summary or its name."""
    text = node.text("db.query.text", "db.statement")
    if not text:
        text = node.text("db.query.summary") or f"{node.operation} {node.text('db.collection.name', 'db.sql.table')}"
    return normalise(text)


@lru_cache(STATEMENTS_KEPT)
def normalise(text: str) -> str:
    """A statement with each value as `?` and each list of values as `(?)`."""
    for pattern in (_QUOTED, _PLACEHOLDER, _UUID, _NUMBER):
        text = pattern.sub("?", text)
    text = _ROWS.sub(r"\1", _LIST.sub("(?)", text))
    return _SPACE.sub(" ", text).strip()


def is_blocking(node: Node) -> bool:
    """Whether the call waits by design."""
    name = (
        node.text("db.operation.name", "db.operation") or node.text("db.query.text", "db.statement") or node.operation
    )
    words = name.upper().split()
    return bool(words) and (words[0] in BLOCKING or "ADVISORY_LOCK" in name.upper())
