"""Reporting's HTTP face."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI
from opentelemetry.trace import Span
from redis.exceptions import RedisError, ResponseError

from services.reporting.consumer import Recorder
from services.reporting.store import ReportStore
from shared.attributes import USER
from shared.contracts import reports
from shared.contracts.events import EXECUTIONS, FUNDS, ORDER_EVENTS, Stream
from shared.contracts.operations import REPORTING
from shared.errors import Unavailable
from shared.service import Service
from shared.settings import ServiceSettings
from shared.tracing import FixedAttributes, statement_spans
from shared.valkey import Valkey, pairs

MIGRATIONS = Path(__file__).parent / "migrations"

NEWEST = FixedAttributes({"db.system.name": "redis", "peer.service": "redis"})


def create_app(settings: ServiceSettings) -> FastAPI:
    """The app of one reporting service."""
    service = Service(REPORTING, settings, MIGRATIONS)
    store = ReportStore(service.database)
    recorder = Recorder(store)
    executions = service.follow(EXECUTIONS, recorder.apply_executions)
    service.follow(ORDER_EVENTS, recorder.apply_orders)
    funds = service.follow(FUNDS, recorder.apply_funds)

    async def positions(items: Sequence[reports.ReportQuery], spans: Sequence[Span]) -> list[reports.Positions]:
        """Waits for deposits that are on their way: a query names the engine's events, and no deposit is among them."""
        await funds.reached(await _newest(service.valkey, FUNDS, spans))
        return await store.positions(items, spans)

    service.serve(reports.GET_USER_TRADES, store.trades, USER, fresh=executions)
    service.serve(reports.GET_POSITIONS, positions, USER, fresh=executions)
    service.serve(reports.GET_DAYS, store.days, USER, fresh=executions)
    service.serve(reports.EXPORT_TRADES, store.export_trades, USER, fresh=executions)
    service.serve(reports.GET_STATISTICS, store.statistics, USER, fresh=executions)
    return service.app


async def _newest(valkey: Valkey, stream: Stream, spans: Sequence[Span]) -> int:
    """The last event that Valkey has of a stream, 0 when it has none."""
    with statement_spans(spans, "newest_event", NEWEST):
        try:
            info = pairs(await valkey.call("XINFO", "STREAM", stream.name))
        except ResponseError:  # no such stream: nothing was published yet, or Valkey lost it and gets it again
            return 0
        except (RedisError, OSError) as error:
            raise Unavailable("redis", type(error).__name__) from error
    return int(info[b"last-generated-id"].split(b"-")[0])
