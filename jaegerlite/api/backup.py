"""`POST /api/backup`: a copy of the store on the server's own disk, made while it runs; for administrators."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jaegerlite.api.answers import api_route, error_answer, json_answer, tenant_of
from jaegerlite.backend import Backend
from jaegerlite.backup import BackupError, copy_store, new_name


def routes(backend: Backend) -> list[BaseRoute]:
    """The one route; one copy is made at a time."""
    copying = asyncio.Lock()

    async def backup(request: Request) -> Response:
        """Make a copy, and say in which folder it is."""
        if copying.locked():
            return error_answer(409, "a copy is being made already; wait for it")
        tenant = tenant_of(request)
        target = backend.settings.folder_of_backups / tenant.name / new_name()
        async with copying:
            try:
                with tenant.store.cursor() as cursor:
                    await asyncio.to_thread(copy_store, cursor, tenant.folder, target)
            except BackupError as error:
                return error_answer(409, str(error))
        size_bytes = sum(file.stat().st_size for file in target.iterdir())
        return json_answer({"folder": str(target.resolve()), "size_bytes": size_bytes})

    return [api_route("/api/backup", backup, ("POST",))]
