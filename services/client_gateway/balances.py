"""What a user owns, as it becomes: read from the wallet after whatever touches it, and told as a whole."""

import asyncio
from collections.abc import Callable

import msgspec
import structlog
from opentelemetry import trace
from opentelemetry.context import Context

from services.client_gateway.frames import text_frame
from services.client_gateway.views import wallet_view
from shared.batching import Clients
from shared.contracts import wallet
from shared.contracts.operations import Refused
from shared.errors import Unavailable
from shared.tracing import current_traceparent

log = structlog.get_logger()

RETRY_S = 0.5


class Balances:
    """One user's. At most one question is under way; what happens meanwhile is asked about once, by the next."""

    def __init__(self, user_id: int, clients: Clients, tell: Callable[[bytes], None]) -> None:
        self._user_id = user_id
        self._clients = clients
        self._tell = tell
        self._wanted = 0
        self._told = -1
        self._due = False
        self._task: asyncio.Task[None] | None = None
        self._tracer = trace.get_tracer("services.client_gateway.balances")

    def refresh(self, seq: int, *, again: bool = False) -> None:
        """Tells them as they are after this event, unless that is told already; ``again``: even then."""
        self._wanted = max(self._wanted, seq)
        self._due = self._due or again or self._wanted > self._told
        if self._due and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        while self._due:
            self._due = False
            seq = self._wanted
            try:
                with self._tracer.start_as_current_span("tell_balances", Context()):
                    found = await self._clients.call(
                        wallet.GET_BALANCE,
                        wallet.WalletOf(user_id=self._user_id, position=seq, traceparent=current_traceparent()),
                    )
            except Unavailable as error:
                log.info("balances can't be told yet", user_id=self._user_id, error=str(error))
                self._due = True
                await asyncio.sleep(RETRY_S)
                continue
            self._told = seq
            if not isinstance(found, Refused):
                self._tell(text_frame(msgspec.json.encode({"type": "balances", "seq": seq, **wallet_view(found)})))
