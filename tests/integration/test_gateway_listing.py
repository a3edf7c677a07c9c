"""The gateway's list of instruments, against a real Valkey and an engine whose list changes."""

import asyncio

from redis.asyncio import Redis

from services.client_gateway.instruments import Listing
from shared.batching import Clients
from shared.contracts.engine import INSTRUMENTS_CHANNEL, Instrument
from shared.contracts.operations import GATEWAY
from shared.settings import ServiceSettings
from tests.fake_engine import FakeEngine
from tests.services import SECRETS, running, service_settings

ACME = Instrument(symbol="ACME", name="Acme Corp.", tick_size=100, lot_size=1, reference_price=20_0000)

EVIL = Instrument(symbol="EVIL", name="Evil Corp.", tick_size=100, lot_size=1, reference_price=20_0000)


async def listed(listing: Listing, symbol: str) -> None:
    """Returns once the gateway knows the symbol."""
    async with asyncio.timeout(5):
        while True:
            if symbol in listing.instruments:
                return
            await asyncio.sleep(0.01)


async def test_a_gateway_learns_at_once_what_another_one_had_changed(redis_url: str) -> None:
    """When the engine says that its list has changed, every gateway reads it again."""
    engine = FakeEngine()
    redis: Redis = Redis.from_url(redis_url)
    async with running(engine.create_app, service_settings(ServiceSettings, "", redis_url)) as service:
        clients = Clients(SECRETS[GATEWAY], lambda _service: service.url)
        listing = Listing(clients, redis)
        following = asyncio.create_task(listing.run())
        await listed(listing, "AAPL")
        for instrument in (ACME, EVIL):
            engine.listed.append(instrument)
            assert await redis.publish(INSTRUMENTS_CHANNEL, b"") == 1
            await listed(listing, instrument.symbol)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        clients.close()
    await redis.aclose()
