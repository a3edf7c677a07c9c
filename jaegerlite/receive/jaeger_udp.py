"""Jaeger's Thrift over UDP: what Jaeger's agent took, compact on port 6831 and binary on 6832.

A datagram is the one-way call `emitBatch(batch)`. Nobody can be told that it was refused: it is counted, and gone.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from jaegerlite.listeners import Address
from jaegerlite.receive.intake import Intake, RefusedError, count_request, malformed
from jaegerlite.receive.jaeger_thrift import otlp_from_batch
from jaegerlite.receive.thrift import BinaryReader, CompactReader, Struct
from jaegerlite.tenant import Tenant
from jaegerlite.wire import MalformedError

# A burst waits in the kernel while spans are being decoded; what does not fit in there is lost.
SOCKET_BYTES: Final = 4 << 20
CALL: Final = "emitBatch"
Reader = Callable[[bytes], CompactReader | BinaryReader]


class UdpListener(asyncio.DatagramProtocol):
    """A UDP port that takes `emitBatch`."""

    def __init__(self, address: Address, transport: str, reader: Reader, intake: Intake, tenant: Tenant) -> None:
        """Take the port. Raises PortInUseError."""
        self._name = transport
        self._reader = reader
        self._intake = intake
        self._tenant = tenant
        self._stopped = asyncio.Event()
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.bind((address.host, address.port))
        except OSError as error:
            raise address.taken(error.strerror) from error
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
        self._socket.setblocking(False)

    async def run(self) -> None:
        """Receive until `stop`."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=self._socket)
        await self._stopped.wait()
        transport.close()

    async def stop(self) -> None:
        """Let `run` end."""
        self._stopped.set()

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Take the spans of a datagram, or count it as refused."""
        try:
            self._intake.take(self._tenant, self._name, otlp_from_batch(self._batch(data)))
            result = "ok"
        except MalformedError as error:
            result = malformed(error).reason
        except RefusedError as refused:
            result = refused.reason
        count_request(self._name, result)

    def _batch(self, data: bytes) -> Struct:
        reader = self._reader(data)
        name = reader.message()
        if name != CALL:
            raise MalformedError(f"the call is {name!r}, not {CALL}")
        batch = reader.struct().get(1)
        if not isinstance(batch, dict):
            raise MalformedError(f"{CALL} has no batch")
        return batch
