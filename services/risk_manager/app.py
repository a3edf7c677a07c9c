"""The risk-manager's HTTP face."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from services.risk_manager.changes import ControlChanges
from services.risk_manager.checks import Checks
from services.risk_manager.consumer import Executions, Watch
from services.risk_manager.reference import Reference
from services.risk_manager.settings import RiskSettings
from services.risk_manager.state import RiskState
from shared.contracts.codes import OrderType, Side
from shared.contracts.events import EXECUTIONS
from shared.contracts.money import money_text
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
    ControlsChange,
    RiskCheck,
)
from shared.contracts.wallet import ReleaseRequest
from shared.service import Service

MIGRATIONS = Path(__file__).parent / "migrations"


def create_app(settings: RiskSettings) -> FastAPI:
    """The app of one risk-manager."""
    service = Service(RISK, settings, MIGRATIONS)
    state = RiskState(service.redis)
    reference = Reference(service.clients, service.database, settings.limits())
    checks = Checks(state, reference)
    changes = ControlChanges(service.database, reference, state)
    watch = Watch(state, service.database, service.follow(EXECUTIONS, Executions(state).apply))
    service.at_start(watch.start)
    service.keep_running(watch.run)
    service.keep_running(reference.run)
    service.check("risk state", watch.ready)
    service.check("instruments", reference.ready)
    service.serve(VALIDATE_ORDER, checks.validate, order_attributes)
    service.serve(VALIDATE_AMEND, checks.validate, order_attributes)
    service.serve(RELEASE_RISK, checks.release, release_attributes)
    service.serve(CHANGE_CONTROLS, changes.change, change_attributes)
    service.serve(GET_CONTROLS, changes.controls)
    service.serve(CREATE_FIRM, changes.create_firm)
    service.serve(LIST_FIRMS, changes.firms)
    service.serve(LIST_CONTROL_CHANGES, changes.changes)
    service.serve(OPEN_RESERVATIONS, checks.open_reservations)
    return service.app


def order_attributes(order: RiskCheck) -> Mapping[str, Any]:
    return {
        "order.id": str(order.order_id),
        "order.symbol": order.symbol,
        "order.side": Side(order.side).name,
        "order.type": OrderType(order.order_type).name,
        "order.quantity": order.quantity,
        "order.price": money_text(order.price),
        "user.id": str(order.user_id),
    }


def change_attributes(item: ControlsChange) -> Mapping[str, Any]:
    return {"user.id": str(item.user_id), f"{item.scope}.id": str(item.id)}


def release_attributes(item: ReleaseRequest) -> Mapping[str, Any]:
    return {"order.id": str(item.order_id), "user.id": str(item.user_id)}
