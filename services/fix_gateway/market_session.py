"""A session for market data. Each request has a connection to the feed of its own, which ends with it."""

import asyncio
from typing import Any

import structlog

from services.fix_gateway import market
from services.fix_gateway.exchange import Exchange, Socket, connect
from services.fix_gateway.market import Topic, Wanted
from services.fix_gateway.session_orders import Send
from services.fix_gateway.wire import Fields, Message
from shared.errors import Problem, Unavailable

log = structlog.get_logger()

RETRY_S = 1.0
REQUESTS_MAX = 20


class Subscription:
    """One MarketDataRequest: its topics, each begun with a snapshot, and again after each interruption."""

    def __init__(self, wanted: Wanted, exchange: Exchange, send: Send) -> None:
        self._wanted = wanted
        self._exchange = exchange
        self._send = send
        self._socket: Socket | None = None
        self._topics = {
            (channel, symbol): Topic(wanted, channel, symbol)
            for symbol in wanted.symbols
            for channel in wanted.channels
        }
        self._sequences: dict[tuple[str, str], int] = {}
        self._held: list[Fields] | None = []
        self._broken = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self.complete = asyncio.Event()
        """Set once every topic has had its snapshot."""

    async def open(self) -> None:
        """Asks for all topics; only then anything is told. Raises Problem, Unavailable."""
        self._held = []
        self._sequences.clear()
        self._broken.clear()
        self._socket = await connect(self._exchange, self.hear)
        for channel, symbol in self._topics:
            await self._socket.ask("subscribe", channel=channel, symbol=symbol)
        held, self._held = self._held, None
        for fields in held:
            self._send(fields)

    def follow(self) -> None:
        """From now on it begins again by itself after an interruption."""
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Nothing more is told."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait((self._following,))
        await self._hang_up()

    async def _follow(self) -> None:
        while True:
            assert self._socket is not None
            waits = [asyncio.ensure_future(self._socket.end()), asyncio.ensure_future(self._broken.wait())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await self._socket.close()
            await self._open_again()

    async def _hang_up(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def _open_again(self) -> None:
        while True:
            try:
                await self.open()
            except (Problem, Unavailable) as error:
                log.info("market data waits for the exchange", error=str(error))
                await self._hang_up()
                await asyncio.sleep(RETRY_S)
            else:
                return

    def hear(self, said: dict[str, Any]) -> None:
        """What the feed tells, by the recipe of docs/market-data.md."""
        key = (said.get("channel", ""), said.get("symbol", ""))
        topic = self._topics.get(key)
        if topic is None:
            return
        kind, known = said["type"], self._sequences.get(key)
        if kind == "snapshot":
            self._sequences[key] = said["sequence"]
            self._tell(topic.snapshot(said))
            if len(self._sequences) == len(self._topics):
                self.complete.set()
        elif known is not None and kind in ("update", "heartbeat") and said["sequence"] > known:
            if kind == "heartbeat" or said["sequence"] != known + 1:
                self._broken.set()
                return
            self._sequences[key] = said["sequence"]
            fields = topic.update(said)
            if fields is not None:
                self._tell(fields)

    def _tell(self, fields: Fields) -> None:
        if self._held is not None:
            self._held.append(fields)
        else:
            self._send(fields)


class MarketSession:
    """What one client follows."""

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self._exchange = exchange
        self._send = send
        self._followed: dict[str, Subscription] = {}
        self.handlers = {"V": self.request, "x": self.list_securities}

    async def open(self) -> None:
        return

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        for request_id in list(self._followed):
            await self._end(request_id)

    async def request(self, request: Message) -> None:
        """MarketDataRequest. Raises Problem, Unavailable."""
        wanted = Wanted(request)
        if wanted.ends:
            await self._end(wanted.request_id)
            return
        if wanted.request_id in self._followed:
            raise Problem(409, "duplicate_md_req_id", "This MDReqID (262) is followed already.")
        if len(self._followed) >= REQUESTS_MAX:
            raise Problem(422, "too_many_subscriptions", f"One session may follow {REQUESTS_MAX} requests.")
        subscription = self._followed[wanted.request_id] = Subscription(wanted, self._exchange, self._send)
        try:
            await subscription.open()
        except BaseException:
            await self._end(wanted.request_id)
            raise
        subscription.follow()
        await subscription.complete.wait()
        if not wanted.goes_on:
            await self._end(wanted.request_id)

    async def list_securities(self, request: Message) -> None:
        """SecurityListRequest. Raises Problem, Unavailable."""
        if request.get(559) != "4":
            raise Problem(422, "invalid_list_type", "SecurityListRequestType (559) must be 4: all securities.")
        listed = await self._exchange.request("GET", "/marketdata/symbols")
        self._send(market.security_list(request, (row["symbol"] for row in listed["symbols"])))

    def refusal(self, request: Message, problem: Problem) -> Fields | None:
        """How a MarketDataRequest is refused; None for all else."""
        return market.request_rejected(request, problem) if request.type == "V" else None

    async def _end(self, request_id: str) -> None:
        subscription = self._followed.pop(request_id, None)
        if subscription is not None:
            await subscription.close()
