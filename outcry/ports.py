"""Whether the ports are free, and who holds those that are not: asked before anything is started."""

import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Listener:
    """A port that a process of ours wants: `variable` is the environment variable that moves it."""

    process: str
    variable: str
    port: int
    host: str = "127.0.0.1"


def taken(listeners: list[Listener]) -> list[str]:
    """One line for each port that cannot be had: the port, its holder where that can be known, the variable."""
    return [
        f"port {wanted.port} ({wanted.process}) is in use by {holder(wanted.port)}; "
        f"stop that, or choose another: {wanted.variable}={wanted.port + 1}"
        for wanted in listeners
        if not _is_free(wanted.host, wanted.port)
    ]


def holder(port: int) -> str:
    """Who listens on a TCP port of this machine, as far as this user may know."""
    import psutil

    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS shows them to root only
        connections = []
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        if listens and connection.pid:
            try:
                return f"pid {connection.pid} ({' '.join(psutil.Process(connection.pid).cmdline())[:80]})"
            except psutil.Error:
                return f"pid {connection.pid}"
    return "another program (of another user)"


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As every server does: connections of a stopped one that linger in TIME_WAIT do not count as in use.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
