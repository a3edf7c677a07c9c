"""The lean way to Valkey: answers in order, refusals in place, outages as the errors of the library."""

import asyncio

import pytest
from redis.exceptions import ConnectionError as ValkeyConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as ValkeyTimeoutError

from shared.valkey import Script, Valkey, pairs
from tests.servers import TestValkey


async def test_commands_made_at_once_get_their_own_answers(redis_url: str) -> None:
    """Many tasks share a connection, and each gets what it asked for."""
    valkey = Valkey(redis_url)

    async def one(number: int) -> bool:
        await valkey.call("HSET", "h", f"k{number}", number)
        return bool(await valkey.call("HGET", "h", f"k{number}") == str(number).encode())

    assert all(await asyncio.gather(*map(one, range(200))))
    assert pairs(await valkey.call("HGETALL", "h"))[b"k7"] == b"7"
    valkey.close()


async def test_a_refused_command_fails_alone(redis_url: str) -> None:
    """A pipeline brings the refusal in the place of its answer; a single call raises it."""
    valkey = Valkey(redis_url)
    answers = await valkey.pipeline([("SET", "t", "x"), ("HGET", "t", "f"), ("GET", "t")])
    assert answers[0] == b"OK"
    assert isinstance(answers[1], ResponseError)
    assert answers[2] == b"x"
    with pytest.raises(ResponseError):
        await valkey.call("HGET", "t", "f")
    valkey.close()


async def test_a_script_is_sent_whole_only_once(redis_url: str) -> None:
    """Valkey is told the text of a script where it does not know it, after a restart too."""
    valkey = Valkey(redis_url)
    script = Script(valkey, "return ARGV[1] .. 'x'")
    assert await script("a") == b"ax"
    await valkey.call("SCRIPT", "FLUSH")
    assert await script("b") == b"bx"
    valkey.close()


async def test_a_silent_server_is_given_up(redis_url: str) -> None:
    """Who waits longer than allowed gets a TimeoutError, and the next command a new connection."""
    valkey = Valkey(redis_url)
    with pytest.raises(ValkeyTimeoutError):
        await valkey.call("BLPOP", "nothing", 5, timeout_s=0.1)
    assert await valkey.call("PING") == b"PONG"
    valkey.close()


async def test_a_server_that_went_away_is_found_again(valkey_server: TestValkey, redis_url: str) -> None:
    """While Valkey is down calls raise ConnectionError; once it is back they work."""
    valkey = Valkey(redis_url)
    assert await valkey.call("PING") == b"PONG"
    valkey_server.running.stop()
    try:
        for _ in range(2):
            with pytest.raises(ValkeyConnectionError):
                await valkey.call("PING")
    finally:
        valkey_server.running.start()
    assert await valkey.call("PING") == b"PONG"
    valkey.close()
