"""Faults that can be switched on, to learn from what they do to users, figures and traces (docs/lessons).

Each fault is here by its name, and sits in one place of the service that it breaks: there its ``on`` is asked, which
costs what reading an attribute costs, or work of its own runs while it is on. None of them touches money: what they
break is time, answers and traces. ``shared.fault_provider`` switches them as the file of flags says.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from shared.contracts.operations import ENGINE, GATEWAY, MARKET, NOTIFICATION, ORDERS, REPORTING, RISK, WALLET

log = structlog.get_logger()

Work = Callable[[], Awaitable[None]]


class Fault:
    """One fault. ``does`` says what is broken while it is on, ``look`` where that shows; both are for people."""

    __slots__ = ("_task", "_work", "does", "look", "name", "on", "service")

    def __init__(self, name: str, service: str, does: str, look: str) -> None:
        self.name = name
        self.service = service
        self.does = does
        self.look = look
        self.on = False
        self._work: Work | None = None
        self._task: asyncio.Task[None] | None = None

    def while_on(self, work: Work) -> None:
        """``work`` runs in this process while the fault is on, and is cancelled when it goes off."""
        self._work = work

    def switch(self, on: bool) -> None:
        """Switches it in this process, from within the event loop where work is to run."""
        if on == self.on:
            return
        self.on = on
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if on and self._work is not None:
            self._task = asyncio.ensure_future(self._run(self._work))

    async def _run(self, work: Work) -> None:
        try:
            await work()
        except Exception:
            log.exception("the work of a fault ended", fault=self.name)


SLOW_WALLET: Final = Fault(
    "slow_wallet",
    WALLET,
    "check_balance takes 0.6 s longer, before it asks the database anything",
    "traces of POST /v1/order: the critical path lies in check_balance, finding unrecorded_time",
)
N_PLUS_ONE: Final = Fault(
    "n_plus_one",
    REPORTING,
    "GET /reports/trades asks the database once for each trade of its page",
    "a trace of GET /reports/trades?limit=500: one statement hundreds of times, finding repeated_query",
)
MISSING_INDEX: Final = Fault(
    "missing_index",
    ORDERS,
    "GET /v1/orders finds a user's orders without an index, in a table as large as after a year",
    "traces of GET /v1/orders: one statement takes nearly all of it, finding slow_query",
)
LOCK_CONTENTION: Final = Fault(
    "lock_contention",
    WALLET,
    "settlement keeps the accounts of each batch of trades locked for 0.4 s",
    "orders of users who just traded: their INSERT hold waits for the lock, finding slow_query",
)
LEAKING_POOL: Final = Fault(
    "leaking_pool",
    NOTIFICATION,
    "each GET /notifications keeps its connection to the database; after four there is none left",
    "GET /notifications hangs for 5 s and is answered 503: finding error, in notification no statement any more",
)
RISK_FAILURES: Final = Fault(
    "risk_failures",
    RISK,
    "every twentieth call of validate_order fails",
    "one order in twenty is answered 503; its trace fails first in validate_order, finding error",
)
CACHE_STAMPEDE: Final = Fault(
    "cache_stampede",
    MARKET,
    "tickers are in memory no longer: whoever asks for them works them out anew, all at the same time",
    "GET /marketdata/tickers asked by many at once: each runs the same 0.15 s statement, finding slow_query",
)
RETRY_STORM: Final = Fault(
    "retry_storm",
    GATEWAY,
    "GET /reports/positions waits 1 ms for reporting, then asks again at once, up to nine times",
    "a trace of GET /reports/positions: failed attempts in a row, finding retry; reporting's rate is many times ours",
)
DROPPED_CONTEXT: Final = Fault(
    "dropped_context",
    GATEWAY,
    "validate_order is called without the trace context",
    "traces of orders have no risk-manager: validate_order; many of them together, finding broken_handover",
)
CLOCK_SKEW: Final = Fault(
    "clock_skew",
    ORDERS,
    "order-manager's spans are timed by a clock that is 0.4 s behind",
    "create_order seems to begin before its order came in, finding clock_skew says whose clock it is",
)
SLOW_CONSUMER: Final = Fault(
    "slow_consumer",
    REPORTING,
    "recording trades takes 1.2 s for each batch of events",
    "record_trade begins a second and more after the order's answer, finding queue_wait; outcry_stream_backlog grows",
)
VALKEY_STALLS: Final = Fault(
    "valkey_stalls",
    RISK,
    "twice a second a script keeps Valkey busy for 0.25 s: nobody else is answered meanwhile",
    "traces of POST /v1/order: redis check_limits takes long although the script is quick, finding slow_query",
)
ENGINE_PAUSE: Final = Fault(
    "engine_pause",
    ENGINE,
    "the engine's process stands still for 0.8 s every 1.6 s, as in a pause of the machine",
    "traces of POST /v1/order: a gap before match_order, which itself is quick, finding unrecorded_time",
)
NOISY_USER: Final = Fault(
    "noisy_user",
    GATEWAY,
    "one account asks for its balance as fast as it is answered, and no limit per user holds it back",
    "GET /wallet/balance at many times its rate, finding noisy_caller says whose user.id; others wait longer",
)

FAULTS: Final = {fault.name: fault for fault in list(globals().values()) if isinstance(fault, Fault)}
"""All of them by name."""
