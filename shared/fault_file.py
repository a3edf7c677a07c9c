"""The file that says which faults are on: flag definitions as flagd and other OpenFeature providers read them.

A fault that is on for a while has a targeting rule on the time, so it goes off by itself everywhere, whoever set it.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from shared.faults import FAULTS

SCHEMA = "https://flagd.dev/schema/v0/flags.json"
VARIANTS = {"on": True, "off": False}
NOW = {"var": "$flagd.timestamp"}


class FaultFileError(Exception):
    """The file, or a name, can't be used. The text says which, and what there is."""


@dataclass(frozen=True, slots=True)
class Flag:
    """Whether a fault is on; ``until_s`` is the Unix time at which it goes off by itself, None for never."""

    on: bool = False
    until_s: int | None = None

    def is_on(self, now_s: float) -> bool:
        return self.on and (self.until_s is None or now_s < self.until_s)


class _Definition(msgspec.Struct, forbid_unknown_fields=True, rename={"default_variant": "defaultVariant"}):
    state: Literal["ENABLED", "DISABLED"]
    variants: dict[str, bool]
    default_variant: str
    targeting: dict[str, Any] = {}


class _File(msgspec.Struct, forbid_unknown_fields=True, rename={"schema": "$schema"}):
    flags: dict[str, _Definition]
    schema: str = SCHEMA


def read_flags(path: Path) -> dict[str, Flag]:
    """What the file says of each fault; without a file all are off. Raises FaultFileError naming what it can't use."""
    try:
        said = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return {name: Flag() for name in FAULTS}
    except (OSError, msgspec.DecodeError) as error:
        raise FaultFileError(f"{path}: {error}") from error
    for name in said.flags:
        check_name(name, str(path))
    return {name: _flag(name, said.flags[name]) if name in said.flags else Flag() for name in FAULTS}


def change_flags(path: Path, changes: Mapping[str, bool], for_s: float | None = None) -> dict[str, Flag]:
    """Switches faults, for ``for_s`` seconds or until they are switched off. Answers what the file says then.

    Who reads meanwhile finds the old file or the new one, whole. Raises FaultFileError; then nothing has changed.
    """
    for name in changes:
        check_name(name)
    until_s = None if for_s is None else round(time.time() + for_s)
    with _alone(path.parent):
        flags = read_flags(path)
        flags |= {name: Flag(on, until_s if on else None) for name, on in changes.items()}
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(_File({n: _defined(f) for n, f in flags.items()}))))
        fresh.replace(path)
    return flags


def check_name(name: str, where: str = "") -> None:
    """Raises FaultFileError unless there is such a fault."""
    if name not in FAULTS:
        place = f"{where}: " if where else ""
        raise FaultFileError(f"{place}there is no fault {name!r}; there are: {', '.join(FAULTS)}")


def _flag(name: str, definition: _Definition) -> Flag:
    if definition.variants != VARIANTS or definition.default_variant not in VARIANTS:
        raise FaultFileError(f"{name}: its variants must be on (true) and off (false), and the default one of them")
    if definition.state == "DISABLED":
        return Flag()
    match definition.targeting:
        case {"if": [{"<": [{"var": "$flagd.timestamp"}, int(until_s)]}, "on", "off"], **more} if not more:
            return Flag(True, until_s)
        case {**more} if not more:
            return Flag(VARIANTS[definition.default_variant])
    raise FaultFileError(f"{name}: its targeting must be none, or on until a time: {_until(1800000000)}")


def _defined(flag: Flag) -> _Definition:
    if flag.until_s is None:
        return _Definition("ENABLED", VARIANTS, "on" if flag.on else "off")
    return _Definition("ENABLED", VARIANTS, "off", _until(flag.until_s))


def _until(until_s: int) -> dict[str, Any]:
    """JsonLogic for: on before this time, then off."""
    return {"if": [{"<": [NOW, until_s]}, "on", "off"]}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else changes a file of this folder meanwhile."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
