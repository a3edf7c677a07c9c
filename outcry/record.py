"""`outcry record`: what the gateway tells of the public requests, into a file, until it is told to end."""

import http.client
import json
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import msgspec

from outcry import admin, catalogue
from outcry.settings import Settings
from shared.recording import Lost

BEAT_MAX_S = 10.0
"""The gateway says something every second: after this silence it is gone."""


def run(settings: Settings, file: Path, for_s: float | None) -> int:
    """Records for a while, or until SIGINT or SIGTERM. 0 when the file has everything, 1 when not."""
    asked_to_end = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked_to_end
        asked_to_end = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    until_s = time.monotonic() + for_s if for_s is not None else float("inf")
    gateway = urlsplit(catalogue.service_url(settings, catalogue.GATEWAY))
    count = 0
    try:
        token = admin.token(settings)
        connection = http.client.HTTPConnection(gateway.hostname or "127.0.0.1", gateway.port, timeout=BEAT_MAX_S)
        connection.request("GET", "/admin/recording", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        if answer.status != 200:
            problem = json.loads(answer.read())
            raise admin.RefusedError(f"{problem['code']}: {problem['detail']}")
        answer.readline()  # the first one, empty, says that it hears
        with file.open("wb") as kept:
            print(f"Recording into {file}; Ctrl-C ends it.", flush=True)
            while not asked_to_end and time.monotonic() < until_s:
                line = answer.readline()
                if not line:
                    raise OSError("the gateway has hung up")
                if line.strip():
                    count += 1
                    kept.write(line)
                    kept.flush()
        connection.close()
    except (OSError, http.client.HTTPException, admin.RefusedError) as error:
        print(f"The recording ends after {count} requests: {error}", file=sys.stderr)
        return 1
    return _ended(file, count)


def _ended(file: Path, count: int) -> int:
    lines = file.read_bytes().splitlines()
    if lines and lines[-1].startswith(b'{"lost"'):
        why = msgspec.json.decode(lines[-1], type=Lost).lost
        print(f"{count - 1} requests, then it was lost: {why}.", file=sys.stderr)
        return 1
    print(f"{count} requests.")
    return 0
