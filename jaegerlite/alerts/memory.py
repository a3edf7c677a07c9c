"""Alerts on disk: one file of JSON, replaced as a whole, so that a crash leaves the old one or the new one."""

import contextlib
import logging
import os
from pathlib import Path

import msgspec

from jaegerlite.alerts.state import State

FILE_NAME = "alerts.json"
log = logging.getLogger("jaegerlite")


def load(folder: Path) -> State:
    """What was remembered; nothing where there is no file, or one that cannot be read, which is then set aside."""
    path = folder / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except (OSError, msgspec.DecodeError) as error:
        log.error("%s cannot be read (%s); alerts begin anew, the file is kept as %s.damaged", path, error, path.name)
        with contextlib.suppress(OSError):
            path.replace(path.with_name(path.name + ".damaged"))
        return State()


def save(folder: Path, state: State) -> None:
    """Remember all of it.

    Raises:
        OSError: the disk refuses.
    """
    path = folder / FILE_NAME
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
