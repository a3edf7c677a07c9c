"""Orders over the WebSocket: the same orders as over HTTP, many at a time, each with a whole trace; own messages."""

import asyncio
import contextlib
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.e2e.exchange import Exchange, User, eventually
from tests.e2e.socket_client import Client, connected
from tests.e2e.test_traces import RESTS, order_tree, whole
from tests.e2e.trees import tree

BUY = {"symbol": "AMZN", "side": "BUY", "quantity": 2, "price": "170.00"}


async def user_with(exchange: Exchange, cash: int = 100_000, **shares: int) -> User:
    return await asyncio.to_thread(exchange.user, cash, **shares)


async def test_an_order_has_the_same_tree_as_over_http(exchange: Exchange) -> None:
    """Below its root the trace of an order over the socket is that of ``POST /v1/order``, and the answer names it."""
    user = await user_with(exchange)
    async with connected(exchange) as client:
        await client.sign_in(user, channels=[])
        answer = await client.ask(type="place", order=BUY)
    assert (answer["type"], answer["status"], answer["body"]["status"]) == ("result", 201, "OPEN")
    assert answer["trace_id"] == answer["body"]["trace_id"]
    _, below = order_tree(*RESTS)
    await asyncio.to_thread(whole, exchange, answer["trace_id"], tree("client-gateway WS place", *below))
    shown = await asyncio.to_thread(user.get, f"/v1/order/{answer['body']['order_id']}")
    assert shown == answer["body"] | {"updated_at": shown["updated_at"]}


async def test_an_order_is_placed_amended_and_cancelled(exchange: Exchange) -> None:
    """Each answers with the order as it is then, as HTTP does."""
    user = await user_with(exchange)
    async with connected(exchange) as client:
        await client.sign_in(user)
        order_id = (await client.ask(type="place", order=BUY))["body"]["order_id"]
        amended = await client.ask(type="amend", order_id=order_id, terms={"price": "171.00", "quantity": 1})
        assert (amended["status"], amended["body"]["price"], amended["body"]["quantity"]) == (200, "171.00", 1)
        cancelled = await client.ask(type="cancel", order_id=order_id)
        assert (cancelled["status"], cancelled["body"]["status"]) == (200, "CANCELLED")
        again = await client.ask(type="cancel", order_id=order_id)
        assert (again["type"], again["code"]) == ("error", "order_not_open")
        for _ in range(3):
            await client.ask(type="place", order=BUY)
        gone = await client.ask(type="cancel_all", symbol="AMZN")
        assert gone["body"]["cancelled"] == 3


async def test_many_are_under_way_at_once(exchange: Exchange) -> None:
    """Orders that are sent without waiting are all answered, each with its own trace, also those that are refused."""
    user = await user_with(exchange, 3_000_000)
    async with connected(exchange) as client:
        await client.sign_in(user, channels=[])
        names = [await client.say(type="place", order=BUY | {"quantity": 1 + number}) for number in range(50)]
        refused = await client.say(type="place", order=BUY | {"quantity": 10_000})
        answers = [await client.answer(name) for name in names]
        assert [answer["body"]["quantity"] for answer in answers] == list(range(1, 51))
        assert len({answer["trace_id"] for answer in answers}) == 50
        refusal = await client.answer(refused)
        assert (refusal["type"], refusal["code"]) == ("error", "order_value_limit")
        assert refusal["figures"]["limit"] == "1000000.00"
        assert refusal["trace_id"]
        gone = await client.ask(type="cancel_all")
        assert gone["body"]["cancelled"] == 50


async def test_a_batch_is_judged_order_by_order(exchange: Exchange) -> None:
    """Good orders of a batch are placed, bad ones have their problem, in the order in which they were sent."""
    user = await user_with(exchange)
    async with connected(exchange) as client:
        await client.sign_in(user, channels=[])
        orders = [BUY, BUY | {"symbol": "NOPE"}, BUY | {"mood": 1}, BUY | {"client_order_id": "x"}]
        answer = await client.ask(type="place_many", orders=orders)
        results = answer["body"]["results"]
        assert [result["status"] for result in results] == [201, 422, 422, 201]
        assert [r["problem"]["code"] for r in results[1:3]] == ["unknown_symbol", "invalid_field"]
        repeated = await client.ask(type="place_many", orders=orders[3:])
        assert repeated["body"]["results"][0]["status"] == 200
        assert repeated["body"]["results"][0]["order"]["order_id"] == results[3]["order"]["order_id"]


async def test_who_was_away_is_told_what_was_missed_and_goes_on(exchange: Exchange) -> None:
    """After a reconnect each message comes that was missed, none twice and none out of order, then the new ones."""
    user, other = await user_with(exchange), await user_with(exchange, AMZN=100)
    async with connected(exchange) as client:
        start = await client.sign_in(user)
        placed = (await client.ask(type="place", order=BUY))["body"]
        first = (await client.until(is_own))[0]
        assert first["seq"] > start["seq"]
    await asyncio.to_thread(other.placed, symbol="AMZN", side="SELL", quantity=1, price=170)
    await asyncio.to_thread(other.placed, symbol="AMZN", side="SELL", quantity=1, price=170)
    # Missed is what was told before the user is back: who was a maker is told a little later than the taker.
    await asyncio.to_thread(eventually, lambda: user.get("/notifications")["messages"], tells_of_the_end)
    async with connected(exchange) as client:
        resumed = await client.sign_in(user, after=first["seq"])
        missed = [message for message in client.heard if is_own(message)]
        assert [(m["type"], m.get("status")) for m in missed] == [("trade", None), ("trade", None), ("order", "FILLED")]
        assert {m["order_id"] for m in missed} == {placed["order_id"]}
        assert resumed["seq"] >= missed[-1]["seq"]
        await client.ask(type="place", order=BUY)
        new = (await client.until(is_own, 4))[3:]
        assert [(m["type"], m["status"]) for m in new] == [("order", "OPEN")]
        assert new[0]["seq"] > resumed["seq"]
    async with connected(exchange) as client:
        await client.sign_in(user, channels=["fills"], after=start["seq"])
        assert [m["type"] for m in client.heard if is_own(m)] == ["trade", "trade"]


def tells_of_the_end(messages: list[dict[str, Any]]) -> bool:
    """Whether an order was filled by now."""
    return any(message.get("status") == "FILLED" for message in messages)


def is_own(message: dict[str, Any]) -> bool:
    """Whether it tells of an order."""
    return message["type"] in ("order", "trade")


async def test_balances_come_as_they_change(exchange: Exchange) -> None:
    """First what there is, then what each order and trade makes of it; the last is what the wallet shows."""
    user, other = await user_with(exchange, 1_000), await user_with(exchange, AMZN=2)
    async with connected(exchange) as client:
        await client.sign_in(user, channels=["balances"])

        def usd(message: dict[str, Any]) -> tuple[str, str]:
            return next((b["total"], b["held"]) for b in message["balances"] if b["asset"] == "USD")

        async def shows(total: str, held: str) -> dict[str, Any]:
            wanted = await client.until(lambda m: m["type"] == "balances" and usd(m) == (total, held))
            return wanted[-1]

        await shows("1000.00", "0.00")
        await client.ask(type="place", order=BUY)
        await shows("1000.00", "340.00")
        await asyncio.to_thread(other.placed, symbol="AMZN", side="SELL", quantity=2, price=170)
        last = await shows("660.00", "0.00")
        assert last["balances"] == (await asyncio.to_thread(user.get, "/wallet/balance"))["balances"]
        assert not any(is_own(message) for message in client.heard)


async def test_messages_that_valkey_lost_are_told_afterwards(exchange: Exchange) -> None:
    """The connection outlives an outage of Valkey, and each message comes once, in order."""
    user = await user_with(exchange)
    async with connected(exchange) as client:
        await client.sign_in(user)
        before = (await client.ask(type="place", order=BUY))["body"]
        await client.until(is_own)
        await asyncio.to_thread(exchange.kill, "valkey")
        await client.until(lambda m: m["type"] == "interrupted")

        def placed() -> httpx.Response:
            return user.order(**BUY)

        during = (await asyncio.to_thread(eventually, placed, lambda answer: answer.status_code == 201)).json()
        await client.until(lambda m: m["type"] == "resumed")
        after = (await client.ask(type="place", order=BUY))["body"]
        told = await client.until(is_own, 3)
        assert [m["order_id"] for m in told] == [one["order_id"] for one in (before, during, after)]
        assert [m["seq"] for m in told] == sorted({m["seq"] for m in told})


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "place"}, "malformed_message"),
        ({"type": "place", "order": 5}, "invalid_field"),
        ({"type": "place", "order": BUY | {"quantity": 0}}, "invalid_quantity"),
        ({"type": "place", "order": {**BUY, "mood": 1}}, "invalid_field"),
        ({"type": "place_many", "orders": []}, "malformed_message"),
        ({"type": "place_many", "orders": [BUY] * 101}, "malformed_message"),
        ({"type": "amend", "order_id": "5", "terms": {"price": 1}}, "order_not_found"),
        ({"type": "amend", "order_id": "5", "terms": {"colour": 1}}, "invalid_field"),
        ({"type": "amend", "order_id": "5"}, "malformed_message"),
        ({"type": "cancel", "order_id": "x"}, "order_not_found"),
        ({"type": "cancel", "order_id": 5}, "malformed_message"),
        ({"type": "cancel_all", "symbol": "NOPE"}, "unknown_symbol"),
        ({"type": "auth", "token": "a.b.c"}, "invalid_token"),
        ({"type": "auth", "token": "a.b.c", "channels": "orders"}, "malformed_message"),
    ],
)
async def test_what_is_wrong_is_told_and_the_connection_lives_on(
    exchange: Exchange, message: dict[str, Any], code: str
) -> None:
    """Each mistake has its code and comes back with its id, and nothing is done."""
    user = await asyncio.to_thread(lambda: exchange.shared_user)
    async with connected(exchange) as client:
        await client.sign_in(user, channels=[])
        answer = await client.ask(**message)
        assert (answer["type"], answer["code"]) == ("error", code), answer
        assert (await client.ask(type="ping"))["type"] == "pong"


async def test_nothing_is_ordered_before_signing_in(exchange: Exchange) -> None:
    """Without a token there are no orders, with another user's token none of another user's."""
    user = await asyncio.to_thread(lambda: exchange.shared_user)
    other = await user_with(exchange)
    async with connected(exchange) as client:
        assert (await client.ask(type="place", order=BUY))["code"] == "token_required"
        await client.sign_in(user, channels=[])
        assert (await client.ask(type="auth", token=other.token))["code"] == "signed_in_already"
        unknown = await client.ask(type="auth", token=user.token, channels=["gossip"])
        assert unknown["code"] == "unknown_channel"


async def test_a_token_that_is_revoked_orders_nothing_more(exchange: Exchange) -> None:
    """Logging out ends what an open connection may do, and soon after the connection."""
    user = await user_with(exchange)
    async with connected(exchange) as client:
        await client.sign_in(user, channels=[])
        assert (await client.ask(type="place", order=BUY))["status"] == 201
        await asyncio.to_thread(user.http.delete, "/v1/orders")
        await asyncio.to_thread(user.http.post, "/auth/logout")
        with contextlib.suppress(ConnectionClosed):
            await client.say(type="place", order=BUY)
        assert await client.ended() == (4001, "token_revoked")
        assert {m["code"] for m in client.heard if m["type"] == "error"} == {"token_revoked"}
        assert len([m for m in client.heard if m["type"] == "result"]) == 1
    exchange.fresh_users.remove(user)


async def test_who_is_blocked_is_disconnected(exchange: Exchange) -> None:
    """The connection of a blocked account is told why and closed; others stay, and a new one may look but not order."""
    user, other = await user_with(exchange), await user_with(exchange)
    block = f"/admin/users/{user.user_id}/block"
    async with connected(exchange) as client, connected(exchange) as stays:
        await client.sign_in(user)
        await stays.sign_in(other)
        done = await asyncio.to_thread(exchange.admin.http.post, block, json={"blocked": True})
        assert done.status_code == 200, done.text
        assert await client.ended() == (4003, "account_blocked")
        assert client.heard[-1]["code"] == "account_blocked"
        assert (await stays.ask(type="ping"))["type"] == "pong"
    async with connected(exchange) as again:
        await again.sign_in(user)
        assert (await again.ask(type="place", order=BUY))["code"] == "account_blocked"
    done = await asyncio.to_thread(exchange.admin.http.post, block, json={"blocked": False})
    assert done.status_code == 200, done.text


async def test_balances_are_told_when_funds_move(exchange: Exchange) -> None:
    """A deposit, a withdrawal, a transfer and a correction each bring the balances, to all whose they are."""
    user, other = await user_with(exchange, 100), await user_with(exchange, 5)

    async def posted(who: User, path: str, **body: Any) -> None:
        answer = await asyncio.to_thread(who.http.post, path, json=body)
        assert answer.status_code == 200, answer.text

    async with connected(exchange) as client, connected(exchange) as receiver:
        await client.sign_in(user, channels=["balances"])
        await receiver.sign_in(other, channels=["balances"])

        async def told(listener: Client, cash: str) -> None:
            def tells(message: dict[str, Any]) -> bool:
                mine = message.get("balances", [])
                return message["type"] == "balances" and [(b["asset"], b["total"]) for b in mine] == [("USD", cash)]

            await listener.until(tells)

        await told(client, "100.00")
        await told(receiver, "5.00")
        await posted(user, "/wallet/add-funds", asset="USD", amount=20)
        await told(client, "120.00")
        deposit = (await asyncio.to_thread(user.get, "/wallet/transactions"))["transactions"][0]["transaction_id"]
        await posted(user, "/wallet/withdraw", asset="USD", amount=30)
        await told(client, "90.00")
        await posted(user, "/wallet/transfer", to=other.name, amount=40)
        await told(client, "50.00")
        await told(receiver, "45.00")
        mend = {"reason": "paid in twice", "request_id": f"mend {deposit}"}
        await posted(exchange.admin, f"/admin/transactions/{deposit}/correct", **mend)
        await told(client, "30.00")
