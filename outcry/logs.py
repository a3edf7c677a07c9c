"""Logs of the children: each writes its own file, and no file grows without end.

A child holds its log open in append mode. When it has grown too large we copy it aside and cut it to nothing; appending
then goes on at its start. That costs the launcher nothing while a child writes, and works for a child that crashes.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

LOG_BYTES_MAX = 8 * 1024 * 1024
FOLLOW_POLL_S = 0.2


def rotate(path: Path, bytes_max: int = LOG_BYTES_MAX) -> bool:
    """Move what was written to `<name>.1`, in place of what was there, when the log is over the limit. True if so."""
    if not path.exists() or path.stat().st_size <= bytes_max:
        return False
    shutil.copyfile(path, path.with_suffix(path.suffix + ".1"))
    os.truncate(path, 0)
    return True


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a log, at most its last 256 KiB; empty when there is no log."""
    if not path.exists():
        return []
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 256 * 1024))
        return log.read().decode(errors="replace").splitlines()[-lines:]


def follow(path: Path) -> Iterator[str]:
    """What is appended from now on, as it comes, across rotations. Ends never: the reader interrupts it."""
    position = path.stat().st_size
    while True:
        size = path.stat().st_size
        if size < position:  # it was cut
            position = 0
        if size > position:
            with path.open("rb") as log:
                log.seek(position)
                fresh = log.read()
            position += len(fresh)
            yield fresh.decode(errors="replace")
        time.sleep(FOLLOW_POLL_S)
