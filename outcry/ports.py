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
    is_udp: bool = False


def taken(listeners: list[Listener]) -> list[str]:
    """One line for each port that cannot be had: the port, its holder where that can be known, the variable."""
    return [
        f"port {wanted.port} ({wanted.process}) is in use by {holder(wanted.port, is_udp=wanted.is_udp)}; "
        f"stop that, or choose another: {wanted.variable}={wanted.port + 1}"
        for wanted in listeners
        if not _is_free(wanted)
    ]


def holder(port: int, *, is_udp: bool = False) -> str:
    """Who listens on a port of this machine, as far as this user may know."""
    import psutil

    try:
        connections = psutil.net_connections("udp" if is_udp else "tcp")
    except psutil.AccessDenied:  # macOS shows them to root only
        connections = []
    for connection in connections:
        listens = is_udp or connection.status == psutil.CONN_LISTEN
        if listens and connection.laddr and connection.laddr.port == port and connection.pid:
            try:
                return f"pid {connection.pid} ({' '.join(psutil.Process(connection.pid).cmdline())[:80]})"
            except psutil.Error:
                return f"pid {connection.pid}"
    return "another program (of another user)"


def _is_free(wanted: Listener) -> bool:
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if wanted.is_udp else socket.SOCK_STREAM) as probe:
        # As every server does: connections of a stopped one that linger in TIME_WAIT do not count as in use. With UDP
        # it would let two listen on the same port.
        if not wanted.is_udp:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((wanted.host, wanted.port))
        except OSError:
            return False
    return True
