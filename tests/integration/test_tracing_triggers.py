"""Trigger channels: what one process finds to matter, all others hear of, also after an outage."""

import threading
import urllib.request
from collections.abc import Callable

import pytest

from shared.trace_triggers import ValkeyTriggers
from shared.tracing.triggers import PATH, HttpTriggers, pack, unpack
from tests.integration.test_tracing_export import wait_until
from tests.ports import free_port, free_ports
from tests.servers import TestValkey


class Heard:
    """The ids that a channel told of."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.lock = threading.Lock()

    def __call__(self, trace_id: int) -> None:
        with self.lock:
            self.ids.append(trace_id)


def hears(heard: Heard, *ids: int) -> Callable[[], bool]:
    """Whether all of these have arrived."""
    return lambda: set(ids) <= set(heard.ids)


def test_ids_survive_packing() -> None:
    """Eight bytes each; half an id at the end is ignored."""
    ids = [1, 2**64 - 1, 0xAB << 32]
    assert unpack(pack(ids)) == ids
    assert unpack(pack(ids) + b"\0\0\0") == ids


def test_http_reaches_every_peer_that_is_there() -> None:
    """Ids go to all peers, and one that is away holds up nobody."""
    ports = free_ports(3)
    peers = [f"http://127.0.0.1:{port}" for port in ports]
    channels = [HttpTriggers(f"127.0.0.1:{port}", peers) for port in ports[:2]]
    heard = [Heard(), Heard()]
    for channel, ear in zip(channels, heard, strict=True):
        channel.listen(ear)
    channels[0].announce([7, 8])
    channels[1].announce([9])
    for ear in heard:
        wait_until(hears(ear, 7, 8, 9))
    for channel in channels:
        channel.close()


def test_http_listens_to_nothing_else() -> None:
    """Other paths and large bodies are refused."""
    port = free_port()
    channel, heard = HttpTriggers(f"127.0.0.1:{port}", []), Heard()
    channel.listen(heard)
    for path, body in (("/", b"12345678"), (PATH, b"\0" * (2 << 20))):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body)
        with pytest.raises(OSError, match=r"HTTP Error 4|reset|Broken pipe"):
            urllib.request.urlopen(request, timeout=5)
    assert heard.ids == []
    channel.close()


def test_valkey_reaches_every_service(redis_url: str) -> None:
    """What one service announces, all hear, also one that starts a moment later."""
    first, second, late = Heard(), Heard(), Heard()
    channels = [ValkeyTriggers(redis_url) for _ in range(3)]
    channels[0].listen(first)
    channels[1].listen(second)
    channels[0].announce([1, 2])
    wait_until(hears(first, 1, 2))
    wait_until(hears(second, 1, 2))
    channels[2].listen(late)
    wait_until(hears(late, 1, 2))
    for channel in channels:
        channel.close()


def test_an_outage_of_valkey_delays_and_loses_nothing(redis_url: str, valkey_server: TestValkey) -> None:
    """Ids announced while Valkey is away arrive once it is back."""
    teller, heard = ValkeyTriggers(redis_url), Heard()
    teller.listen(heard)
    teller.announce([1])
    wait_until(hears(heard, 1))
    valkey_server.running.stop()
    teller.announce([2])
    valkey_server.running.start()
    wait_until(hears(heard, 2), 10)
    teller.close()
