"""The risk-manager's HTTP face."""

from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.risk_manager.changes import ControlChanges
from services.risk_manager.checks import Checks
from services.risk_manager.consumer import Executions, Watch
from services.risk_manager.reference import Reference
from services.risk_manager.settings import RiskSettings
from services.risk_manager.stalls import stall
from services.risk_manager.state import RiskState
from shared.attributes import NEW_ORDER, ORDER_OF_USER
from shared.contracts.events import EXECUTIONS
from shared.contracts.operations import RISK
from shared.contracts.risk import (
    CHANGE_CONTROLS,
    CREATE_FIRM,
    GET_CONTROLS,
    LIST_CONTROL_CHANGES,
    LIST_FIRMS,
    OPEN_RESERVATIONS,
    RELEASE_RISK,
    VALIDATE_AMEND,
    VALIDATE_ORDER,
)
from shared.faults import VALKEY_STALLS
from shared.service import Service
from shared.tracing import ItemAttributes

MIGRATIONS = Path(__file__).parent / "migrations"

CHANGE = ItemAttributes(
    {
        "user.id": ("user_id", str),
        "account.id": lambda change: str(change.id) if change.scope == "account" else None,
        "firm.id": lambda change: str(change.id) if change.scope == "firm" else None,
    }
)


def create_app(settings: RiskSettings) -> FastAPI:
    """The app of one risk-manager."""
    service = Service(RISK, settings, MIGRATIONS)
    state = RiskState(service.redis, service.valkey)
    reference = Reference(service.clients, service.database, settings.limits())
    checks = Checks(state, reference)
    changes = ControlChanges(service.database, reference, state)
    watch = Watch(state, service.database, service.follow(EXECUTIONS, Executions(state).apply))
    service.at_start(watch.start)
    VALKEY_STALLS.while_on(partial(stall, service.redis))
    service.keep_running(watch.run)
    service.keep_running(reference.run)
    service.check("risk state", watch.ready)
    service.check("instruments", reference.ready)
    service.serve(VALIDATE_ORDER, checks.validate, NEW_ORDER)
    service.serve(VALIDATE_AMEND, checks.validate, NEW_ORDER)
    service.serve(RELEASE_RISK, checks.release, ORDER_OF_USER)
    service.serve(CHANGE_CONTROLS, changes.change, CHANGE)
    service.serve(GET_CONTROLS, changes.controls)
    service.serve(CREATE_FIRM, changes.create_firm)
    service.serve(LIST_FIRMS, changes.firms)
    service.serve(LIST_CONTROL_CHANGES, changes.changes)
    service.serve(OPEN_RESERVATIONS, checks.open_reservations)
    return service.app
