"""Reporting's HTTP face."""

from pathlib import Path

from fastapi import FastAPI

from services.reporting.consumer import Recorder
from services.reporting.store import ReportStore
from shared.contracts import reports
from shared.contracts.events import EXECUTIONS, FUNDS, ORDER_EVENTS
from shared.contracts.operations import REPORTING
from shared.service import Service
from shared.settings import ServiceSettings

MIGRATIONS = Path(__file__).parent / "migrations"


def create_app(settings: ServiceSettings) -> FastAPI:
    """The app of one reporting service."""
    service = Service(REPORTING, settings, MIGRATIONS)
    store = ReportStore(service.database)
    recorder = Recorder(store)
    executions = service.follow(EXECUTIONS, recorder.apply_executions)
    service.follow(ORDER_EVENTS, recorder.apply_orders)
    service.follow(FUNDS, recorder.apply_funds)
    service.serve(reports.GET_USER_TRADES, store.trades, _attributes, fresh=executions)
    service.serve(reports.GET_POSITIONS, store.positions, _attributes, fresh=executions)
    service.serve(reports.GET_STATISTICS, store.statistics, _attributes, fresh=executions)
    return service.app


def _attributes(query: reports.ReportQuery) -> dict[str, str]:
    return {"user.id": str(query.user_id)}
