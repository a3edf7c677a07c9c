"""Reading environment variables: malformed values are reported once by name, and the default is used."""

import logging
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import unquote

logger = logging.getLogger(__name__)

Number = TypeVar("Number", int, float)


def text(environ: Mapping[str, str], name: str) -> str:
    """A variable without spaces around it, "" if it is unset: to OpenTelemetry an empty variable is an unset one."""
    return environ.get(name, "").strip()


def flag(environ: Mapping[str, str], name: str) -> bool:
    """True for "true" in any case, as the specification has it."""
    return text(environ, name).lower() == "true"


def number(environ: Mapping[str, str], name: str, default: Number, kind: Callable[[str], Number]) -> Number:
    """A number of at least zero."""
    value = text(environ, name)
    if not value:
        return default
    try:
        found = kind(value)
    except ValueError:
        logger.warning("%s must be a number; using %s.", name, default)
        return default
    if not found >= 0:
        logger.warning("%s must not be negative; using %s.", name, default)
        return default
    return found


def optional(environ: Mapping[str, str], name: str, default: int | None) -> int | None:
    """A whole number of at least zero, `default` if the variable is unset."""
    return number(environ, name, 0, int) if text(environ, name) else default


def names(environ: Mapping[str, str], name: str) -> list[str]:
    """A comma-separated list."""
    return [part for part in (part.strip() for part in text(environ, name).split(",")) if part]


def pairs(environ: Mapping[str, str], name: str) -> dict[str, str]:
    """`key=value,key=value` with percent-encoded values, the form of W3C baggage."""
    found: dict[str, str] = {}
    for part in names(environ, name):
        key, equals, value = part.partition("=")
        if equals and key.strip():
            found[key.strip()] = unquote(value.strip())
        else:
            logger.warning("%s has a part without '='; ignored.", name)
    return found
