"""``/admin/faults``: the faults of docs/lessons, shown and switched. There are none without FAULTS_FILE."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import structlog
from fastapi import Response

from services.client_gateway.admin_routes import admins
from services.client_gateway.api import Api, Call, Nothing
from services.client_gateway.requests import FaultsRequest
from services.client_gateway.views import time_text
from shared.errors import Problem
from shared.fault_file import FaultFileError, Flag, change_flags, check_name, read_flags
from shared.faults import FAULTS
from shared.web import json_response

log = structlog.get_logger()


class FaultRoutes:
    """The handlers, and the file that they read and write."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def install(self, api: Api) -> None:
        api.route("GET", "/admin/faults", admins(self.faults), tag="admin")
        api.route("PUT", "/admin/faults", admins(self.switch), body=FaultsRequest, tag="admin")

    async def faults(self, _call: Call, _query: Nothing) -> Response:
        """The faults that can be switched on, what each does, where to look, and which are on."""
        try:
            return json_response({"faults": _view(read_flags(self._there()))})
        except FaultFileError as error:
            raise Problem(409, "invalid_faults_file", f"{error}.") from error

    async def switch(self, call: Call, request: FaultsRequest) -> Response:
        """Switches faults on or off; the others stay. They take effect in their services within half a second."""
        path = self._there()
        try:
            for name in request.faults:
                check_name(name)
        except FaultFileError as error:
            raise Problem(422, "unknown_fault", f"{error}.") from error
        try:
            flags = await asyncio.to_thread(change_flags, path, request.faults, request.for_s)
        except FaultFileError as error:
            raise Problem(409, "invalid_faults_file", f"{error}.") from error
        log.warning("faults are switched", user_id=call.identity.user_id, faults=request.faults, for_s=request.for_s)
        return json_response({"faults": _view(flags)})

    def _there(self) -> Path:
        if self._path is None:
            raise Problem(409, "faults_not_available", "This exchange runs without FAULTS_FILE: nothing can be broken.")
        return self._path


def _view(flags: Mapping[str, Flag]) -> list[dict[str, object]]:
    now_s = time.time()
    return [
        {
            "name": name,
            "service": fault.service,
            "does": fault.does,
            "look": fault.look,
            "on": flags[name].is_on(now_s),
            "until": time_text(until_s * 1_000_000) if (until_s := flags[name].until_s) is not None else None,
        }
        for name, fault in FAULTS.items()
    ]
