"""Notification on a real PostgreSQL and Valkey, fed with the engine's events."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from services.notification.app import create_app
from services.notification.settings import Settings
from shared.contracts.codes import Side
from shared.contracts.events import EXECUTIONS, Accepted, Closed, EngineEvent, Trade, user_channel
from shared.contracts.notifications import GET_NOTIFICATIONS, NotificationsQuery, OrderMessage, TradeMessage
from shared.contracts.operations import NOTIFICATION
from tests.services import new_traceparent, running, service_settings

ANN, BOB = 1000, 1001


@pytest.fixture
def settings(database_url: Callable[[str], str], redis_url: str) -> Callable[..., Settings]:
    """Settings of a notification service with a fresh database; called again they lead to the same one."""
    url = database_url(NOTIFICATION)
    return lambda **more: service_settings(Settings, url, redis_url, **more)


def event(seq: int, *reports: Accepted | Trade | Closed, age_s: int = 0) -> EngineEvent:
    return EngineEvent(
        seq=seq,
        time_us=(time.time_ns() - age_s * 10**9) // 1000,
        traceparent=new_traceparent(),
        symbol="AAPL",
        order_id=seq,
        reports=reports,
    )


def rests(order_id: int, user_id: int) -> Accepted:
    return Accepted(order_id=order_id, user_id=user_id, side=Side.SELL, price=1_500_000, quantity=10)


def crosses(seq: int) -> EngineEvent:
    """Ann buys all that Bob has resting as order 1."""
    trade = Trade(
        trade_id=1,
        price=1_500_000,
        quantity=10,
        side=Side.BUY,
        taker_order_id=seq,
        taker_user_id=ANN,
        taker_open=0,
        maker_order_id=1,
        maker_user_id=BOB,
        maker_open=0,
        maker_traceparent=new_traceparent(),
    )
    closed = [
        Closed(order_id=order_id, user_id=user_id, side=side, status="FILLED", reason="", quantity=0)
        for order_id, user_id, side in ((1, BOB, Side.SELL), (seq, ANN, Side.BUY))
    ]
    return event(seq, trade, *closed)


@asynccontextmanager
async def listening(redis_url: str, channel: str) -> AsyncIterator[PubSub]:
    """A listener on the channel (or pattern, where it ends in a star) whom Valkey surely knows."""
    async with Redis.from_url(redis_url) as redis, redis.pubsub() as listener:
        await (listener.psubscribe(channel) if channel.endswith("*") else listener.subscribe(channel))
        confirmed = await listener.get_message(timeout=10)
        assert confirmed is not None
        assert confirmed["type"] in ("subscribe", "psubscribe")
        yield listener


async def next_message(listener: PubSub) -> OrderMessage | TradeMessage:
    """The next message on the channel, decoded as a client would."""
    async with asyncio.timeout(10):
        async for message in listener.listen():
            if message["type"] == "message":
                return msgspec.json.decode(message["data"], type=OrderMessage | TradeMessage)
    raise AssertionError("the channel closed")


async def test_a_connected_user_hears_at_once(settings: Callable[..., Settings], redis_url: str) -> None:
    """Who listens on their channel gets each of their messages, ready encoded and in order, and nobody else's."""
    async with running(create_app, settings()) as service, listening(redis_url, user_channel(BOB)) as listener:
        await service.send(EXECUTIONS, [event(1, rests(1, BOB)), event(2, rests(2, ANN)), crosses(3)])
        heard = [await next_message(listener) for _ in range(3)]
    assert [(message.seq, message.order_id, type(message)) for message in heard] == [
        (1, "1", OrderMessage),
        (3, "1", TradeMessage),
        (3, "1", OrderMessage),
    ]


async def test_a_listener_by_pattern_hears_too(settings: Callable[..., Settings], redis_url: str) -> None:
    """Messages also reach those who listen to all users' channels at once."""
    async with running(create_app, settings()) as service, listening(redis_url, "notification:*") as listener:
        await service.send(EXECUTIONS, [event(1, rests(1, BOB))])
        async with asyncio.timeout(10):
            async for message in listener.listen():
                if message["type"] == "pmessage":
                    break
    assert message["channel"].decode() == user_channel(BOB)


async def test_a_client_that_was_away_catches_up(settings: Callable[..., Settings]) -> None:
    """Nothing is missed by not listening: page by page a client gets what happened since the event it knew."""
    events = [event(seq, rests(seq, BOB if seq % 2 else ANN)) for seq in range(1, 8)]
    async with running(create_app, settings()) as service:
        await service.send(EXECUTIONS, events)
        first = await service.answer(GET_NOTIFICATIONS, NotificationsQuery(user_id=BOB, after=1, limit=2, position=7))
        second = await service.answer(
            GET_NOTIFICATIONS, NotificationsQuery(user_id=BOB, after=first.up_to, limit=2, position=7)
        )
        third = await service.answer(GET_NOTIFICATIONS, NotificationsQuery(user_id=BOB, after=second.up_to))
    assert [message.seq for message in first.messages] == [3, 5]
    assert ([message.seq for message in second.messages], third.messages, third.up_to) == ([7], (), 7)


async def test_queries_of_one_batch_stay_apart(settings: Callable[..., Settings]) -> None:
    """Users who ask at the same moment each get their own messages only."""
    async with running(create_app, settings()) as service:
        await service.send(EXECUTIONS, [event(1, rests(1, BOB)), event(2, rests(2, ANN)), crosses(3)])
        queries = [NotificationsQuery(user_id=user_id, position=3) for user_id in (ANN, BOB, 4242, ANN)]
        answers = await service.calls(GET_NOTIFICATIONS, queries)
    found = [[message["order_id"] for message in msgspec.to_builtins(answer)["messages"]] for answer in answers]
    assert found == [["2", "3", "3"], ["1", "1", "1"], [], ["2", "3", "3"]]


async def test_each_touched_user_has_a_span_in_the_takers_trace(
    settings: Callable[..., Settings], redis_url: str
) -> None:
    """A trade's trace shows one ``notify_user`` per user it touched; publishing shows for who is connected."""
    crossing = crosses(2)
    async with running(create_app, settings()) as service, listening(redis_url, user_channel(BOB)) as listener:
        await service.send(EXECUTIONS, [event(1, rests(1, BOB)), crossing])
        for _ in range(3):
            await next_message(listener)
        await service.reached(EXECUTIONS, 2)
        async with asyncio.timeout(10):
            while len(spans := service.spans.of_trace(crossing.traceparent)) < 5:
                await asyncio.sleep(0.01)
    notified = [span for span in spans if span.name == "notify_user"]
    parent_ids = {f"{span.parent.span_id:016x}" for span in notified if span.parent}
    assert parent_ids == {crossing.traceparent.split("-")[2]}
    assert {(span.attributes or {})["user.id"] for span in notified} == {str(ANN), str(BOB)}
    assert sorted(span.name for span in spans if span not in notified) == [
        "INSERT notification",
        "INSERT notification",
        "publish_notification",
    ]


@pytest.mark.parametrize("kept", [{"notifications_kept_s": 50}, {"notifications_kept_max": 1}])
async def test_old_messages_go(settings: Callable[..., Settings], kept: dict[str, int]) -> None:
    """What is older, or more, than the settings allow is forgotten, whatever else is kept."""
    events = [event(1, rests(1, BOB), age_s=100), event(2, rests(2, BOB))]
    async with running(create_app, settings()) as service:
        await service.send(EXECUTIONS, events)
        assert len((await service.answer(GET_NOTIFICATIONS, NotificationsQuery(user_id=BOB, position=2))).messages) == 2
    async with running(create_app, settings(**kept)) as service, asyncio.timeout(10):
        while True:
            answer = await service.answer(GET_NOTIFICATIONS, NotificationsQuery(user_id=BOB))
            if [message.seq for message in answer.messages] == [2]:
                break
            await asyncio.sleep(0.05)


async def test_an_event_takes_effect_once(settings: Callable[..., Settings]) -> None:
    """A service that starts again goes on after the last event it kept."""
    async with running(create_app, settings()) as service:
        await service.send(EXECUTIONS, [event(1, rests(1, BOB))])
        await service.reached(EXECUTIONS, 1)
    async with running(create_app, settings()) as service:
        await service.send(EXECUTIONS, [event(2, rests(2, BOB))], after=1)
        answer = await service.answer(GET_NOTIFICATIONS, NotificationsQuery(user_id=BOB, position=2))
    assert [message.seq for message in answer.messages] == [1, 2]
