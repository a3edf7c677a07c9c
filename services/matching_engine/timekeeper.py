"""Brings the time into the engine: once a second it ends the orders whose time is over, if there are any.

Each symbol's expiry is a command in the journal like any other, and a trace of its own.
"""

import asyncio
import time

import structlog
from opentelemetry import trace

from services.matching_engine.commands import Expire
from services.matching_engine.writer import Writer
from shared.errors import Unavailable
from shared.tracing import traceparent_of

log = structlog.get_logger()

TICK_S = 1.0


class Timekeeper:
    """``run`` is to be kept running beside the writer."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._tracer = trace.get_tracer("services.matching_engine")

    async def run(self) -> None:
        """Ends orders for ever. What could not be journalled is still due a second later."""
        while True:
            await asyncio.sleep(TICK_S)
            now_us = time.time_ns() // 1000
            for symbol in self._writer.engine.due(now_us):
                await self._expire(symbol, now_us)

    async def _expire(self, symbol: str, now_us: int) -> None:
        with self._tracer.start_as_current_span("expire_orders", attributes={"order.symbol": symbol}) as span:
            try:
                await self._writer.submit([Expire(now_us, symbol, traceparent_of(span))], [span])
            except Unavailable as error:
                log.warning("orders expire later", symbol=symbol, error=str(error))
