"""The one door for spans: every listener hands OTLP in here, and gets told what it may answer.

Bodies that are being received count against a limit of their own, so that no number of senders can fill the memory
before their spans are even looked at.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from jaegerlite import metrics
from jaegerlite.settings import Settings
from jaegerlite.store import StoreFullError
from jaegerlite.tenant import Tenant
from jaegerlite.wire import MalformedError

# JSON and Thrift become Python objects on their way, several times the size of their bytes.
TEXT_BYTES_MAX: Final = 4_000_000
BODIES_PER_WAITING_BYTES: Final = 2


@dataclass(slots=True)
class RefusedError(Exception):
    """A request that is not taken: the HTTP status, a word for the metrics, and a sentence for the sender."""

    status: int
    reason: str
    text: str


class Body:
    """The bytes of a body that is being received."""

    def __init__(self, intake: "Intake") -> None:
        self._intake = intake
        self.bytes = 0

    def grow(self, count: int) -> None:
        """Count bytes in. Raises RefusedError with 503 where too many are on their way, to all listeners together."""
        if self._intake.bodies_bytes + count > self._intake.bodies_bytes_max:
            raise RefusedError(503, "busy", "too many requests are being received at once; send again in a second")
        self.bytes += count
        self._intake.bodies_bytes += count


class Intake:
    """Takes spans for the tenants, and counts what was taken and what was refused."""

    def __init__(self, settings: Settings) -> None:
        self.body_bytes_max = settings.body_bytes_max
        self.text_bytes_max = min(settings.body_bytes_max, TEXT_BYTES_MAX)
        self.bodies_bytes = 0
        self.one_large_body = asyncio.Lock()
        self.bodies_bytes_max = BODIES_PER_WAITING_BYTES * settings.waiting_bytes_max + settings.body_bytes_max

    @contextmanager
    def body(self) -> Iterator[Body]:
        """A body that is received within this block."""
        body = Body(self)
        try:
            yield body
        finally:
            self.bodies_bytes -= body.bytes

    def take(self, tenant: Tenant, transport: str, otlp: bytes) -> int:
        """Take an OTLP `ExportTraceServiceRequest`; return how many of its spans were refused.

        Raises:
            RefusedError: nothing was taken: 400 for a malformed message, 429 while too much waits for the disk.
        """
        metrics.BYTES_RECEIVED.labels(transport).inc(len(otlp))
        try:
            taken, refused = tenant.store.add(otlp)
        except MalformedError as error:
            raise malformed(error) from error
        except StoreFullError as error:
            raise RefusedError(429, "full", f"{error}; send again in a second") from error
        metrics.SPANS_RECEIVED.labels(transport).inc(taken)
        if refused:
            metrics.SPANS_REFUSED.labels(transport, "invalid").inc(refused)
        if taken:
            tenant.flusher.on_spans()
        return refused


def malformed(error: MalformedError) -> RefusedError:
    """What to say about bytes that no decoder can read."""
    return RefusedError(400, "malformed", f"the spans cannot be read: {error}")


def count_request(transport: str, result: str) -> None:
    """Count a request by its result: `ok`, or the reason of the refusal."""
    metrics.REQUESTS.labels(transport, result).inc()
