"""Orders that end with the connection they came over, however it is lost."""

import asyncio
import time
from typing import Any

import pytest

from tests.e2e.exchange import Exchange, User, eventually
from tests.e2e.socket_client import Client, connected

BUY = {"symbol": "NVDA", "side": "BUY", "quantity": 1, "price": "110.00"}


async def user_with(exchange: Exchange, cash: int = 100_000) -> User:
    return await asyncio.to_thread(exchange.user, cash)


async def place(client: Client, **more: Any) -> str:
    answer = await client.ask(type="place", order=BUY | more)
    assert answer["status"] == 201, answer
    order_id: str = answer["body"]["order_id"]
    return order_id


async def ask_for(client: Client, scope: str, **more: Any) -> None:
    answer = await client.ask(type="cancel_on_disconnect", scope=scope, **more)
    assert (answer["type"], answer["scope"]) == ("cancel_on_disconnect", scope), answer


async def open_orders(user: User, wanted: int, wait_s: float = 5) -> set[str]:
    """The ids of a user's open orders, once there are as many as wanted."""

    def look() -> set[str]:
        return {order["order_id"] for order in user.get("/v1/orders", status="OPEN")["orders"]}

    return await asyncio.to_thread(eventually, look, lambda found: len(found) == wanted, wait_s)


async def test_all_orders_end_with_the_connection(exchange: Exchange) -> None:
    """Those over HTTP, too, and those that were still on their way when it was closed; their money is free again."""
    user = await user_with(exchange)
    await asyncio.to_thread(user.placed, **BUY)
    async with connected(exchange) as client:
        await client.sign_in(user)
        await ask_for(client, "all")
        await place(client)
        for _ in range(20):
            await client.say(type="place", order=BUY)
    assert await open_orders(user, 0) == set()
    assert (await asyncio.to_thread(exchange.settled, user))["USD"] == ("100000.00", "0.00")


async def test_only_the_orders_of_this_connection_end_with_it(exchange: Exchange) -> None:
    """Those from before it was said, over HTTP and over another connection stay."""
    user = await user_with(exchange)
    stay = {(await asyncio.to_thread(user.placed, **BUY))["order_id"]}
    async with connected(exchange) as client, connected(exchange) as other:
        await client.sign_in(user)
        await other.sign_in(user)
        stay.add(await place(client))
        await ask_for(client, "connection")
        await place(client)
        batch = await client.ask(type="place_many", orders=[BUY, BUY, {}])
        assert [result["status"] for result in batch["body"]["results"]] == [201, 201, 422]
        stay.add(await place(other))
        await client.socket.close()
        assert await open_orders(user, 3) == stay
        gone = await asyncio.to_thread(user.get, "/v1/orders", status="CANCELLED")
        traces = {order["trace_id"] for order in gone["orders"]}
        assert len(gone["orders"]) == 3
        assert batch["trace_id"] in traces


async def test_it_can_be_turned_off_again(exchange: Exchange) -> None:
    """Without the option, or with it off, orders outlive their connection."""
    user = await user_with(exchange)
    async with connected(exchange) as client:
        await client.sign_in(user)
        await ask_for(client, "all")
        order_id = await place(client)
        await ask_for(client, "off")
    await asyncio.sleep(0.5)
    assert await open_orders(user, 1) == {order_id}


async def test_a_silent_connection_is_lost(exchange: Exchange) -> None:
    """Who says nothing for as long as was agreed is cut off, and its orders end; who pings is not."""
    user, awake = await user_with(exchange), await user_with(exchange)
    async with connected(exchange) as client, connected(exchange) as other:
        for one, owner in ((client, user), (other, awake)):
            await one.sign_in(owner)
            await ask_for(one, "all", silence_s=1)
            await place(one)
        began_s = time.monotonic()
        while time.monotonic() - began_s < 3:
            await other.ask(type="ping")
            await asyncio.sleep(0.2)
        await asyncio.wait_for(client.socket.wait_closed(), 5)
        assert client.socket.close_code == 4009
        assert await open_orders(user, 0) == set()
        assert len(await open_orders(awake, 1)) == 1


@pytest.mark.parametrize("message", [{}, {"scope": "some"}, {"scope": "all", "silence_s": 0}])
async def test_what_makes_no_sense_is_refused(exchange: Exchange, message: dict[str, Any]) -> None:
    """The connection lives on, as it was."""
    user = await asyncio.to_thread(lambda: exchange.shared_user)
    async with connected(exchange) as client:
        await client.sign_in(user, channels=[])
        assert (await client.ask(type="cancel_on_disconnect", **message))["code"] == "malformed_message"
        assert (await client.ask(type="ping"))["type"] == "pong"
    async with connected(exchange) as client:
        assert (await client.ask(type="cancel_on_disconnect", scope="all"))["code"] == "token_required"


async def test_orders_end_when_the_gateway_dies(exchange: Exchange) -> None:
    """Within ten seconds of ``kill -9`` the gateway that comes after has cancelled what its connections asked for."""
    user, other, outside = await user_with(exchange), await user_with(exchange), await user_with(exchange)
    for owner in (user, other, outside):
        await asyncio.to_thread(owner.placed, **BUY)
    stays = await open_orders(other, 1)
    async with connected(exchange) as client, connected(exchange) as second:
        await client.sign_in(user)
        await ask_for(client, "all")
        await second.sign_in(other)
        await ask_for(second, "connection")
        for one in (client, second):
            await place(one)
        began_s = time.monotonic()
        await asyncio.to_thread(exchange.kill, "client-gateway")
    await asyncio.to_thread(eventually, exchange.ready, bool)
    assert await open_orders(user, 0, 15) == set()
    assert await open_orders(other, 1, 15) == stays
    assert time.monotonic() - began_s < 10
    assert len(await open_orders(outside, 1)) == 1
