"""Ports for the servers that tests start."""

import contextlib
import os
import random
import socket

PORT_RANGE = (10_000, 32_000)
"""Below the ports that the system gives to outgoing connections: one of these could sit on the port of a part that is
just being started again."""

_given: set[int] = set()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, neither by TCP nor by UDP. None is given twice.

    Test processes that run side by side each have a range of their own.
    """
    first, last = PORT_RANGE
    width = (last - first) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    first += width * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            port = random.randrange(first, first + width)
            if port in _given:
                continue
            try:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    stack.enter_context(socket.socket(socket.AF_INET, kind)).bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
            _given.add(port)
    return found


def free_port() -> int:
    """One such port."""
    return free_ports(1)[0]
