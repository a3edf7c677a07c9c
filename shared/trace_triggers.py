"""The exchange's trigger channel: trace ids of errors and slow requests, in one stream in Valkey for all services.

See `shared.tracing.retention` for what they are for. A stream rather than a channel: whoever lost its connection finds
what was announced meanwhile. The connections are its own, on threads of their own: requests never meet them.
"""

import threading
import time
from collections.abc import Sequence
from typing import Any

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from shared.contracts.events import KEPT_TRACES
from shared.tracing.triggers import RETRY_S, Announcer, Kept, unpack

log = structlog.get_logger()

FIELD = b"ids"
STREAM_MAX = 10_000
BLOCK_MS = 1000
HEARD_S = 15.0
"""A service that starts hears what was announced this long ago: nobody holds spans for much longer."""


class ValkeyTriggers:
    """Announces in ``KEPT_TRACES`` and hears what others announce there."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._announcer = Announcer(self._publish)
        self._redis: Redis | None = None
        self._stopping = threading.Event()

    def listen(self, kept: Kept) -> None:
        """Starts both threads."""
        self._redis = None
        self._stopping.clear()
        self._announcer.start()
        threading.Thread(target=self._hear, args=(kept,), name="trace-triggers-in", daemon=True).start()

    def announce(self, trace_ids: Sequence[int]) -> None:
        """Publishes these soon."""
        self._announcer.put(trace_ids)

    def close(self) -> None:
        """Stops both; the listening thread ends with its next message or with the process."""
        self._stopping.set()
        self._announcer.stop()

    def _connect(self) -> Redis:
        return Redis.from_url(
            self._url, socket_connect_timeout=1, socket_timeout=2 * BLOCK_MS / 1000, retry=Retry(NoBackoff(), 0)
        )

    def _publish(self, message: bytes) -> None:
        if self._redis is None:
            self._redis = self._connect()
        try:
            self._redis.xadd(KEPT_TRACES, {FIELD: message}, maxlen=STREAM_MAX, approximate=True)
        except RedisError as error:
            raise OSError(str(error)) from error

    def _hear(self, kept: Kept) -> None:
        last = f"{int((time.time() - HEARD_S) * 1000)}-0".encode()
        while not self._stopping.is_set():
            try:
                with self._connect() as redis:
                    while not self._stopping.is_set():
                        last = _read(redis, last, kept)
            except (RedisError, OSError) as error:
                log.info("traces to keep are not heard of for now", error=type(error).__name__)
                self._stopping.wait(RETRY_S)


def _read(redis: Redis, last: bytes, kept: Kept) -> bytes:
    """Waits for what comes after the entry ``last``; gives the last entry back."""
    answer: Any = redis.xread({KEPT_TRACES: last}, count=100, block=BLOCK_MS)
    streams = answer.items() if isinstance(answer, dict) else answer or ()
    for _, entries in streams:
        for entry_id, fields in entries:
            last = entry_id
            for trace_id in unpack(fields[FIELD]):
                kept(trace_id)
    return last
