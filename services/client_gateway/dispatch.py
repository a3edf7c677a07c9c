"""The gateway's own routes, answered before FastAPI's routing: that costs a third of the gateway's CPU per order.

FastAPI knows the same routes: it describes them in ``/docs``, and what is not found here (paths with parameters, wrong
methods, pages) goes its ordinary way.
"""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.errors import Problem, Unavailable
from shared.web import bug_response, problem_response, unavailable_response

Endpoint = Callable[[Request], Awaitable[Response]]
Table = dict[tuple[str, str], tuple[Endpoint, BaseRoute]]
"""(method, path) to what answers it, and the route that names it in traces."""


class Dispatch:
    """ASGI middleware: serves the requests of ``table`` and passes everything else on."""

    def __init__(self, app: ASGIApp, table: Table) -> None:
        self._app = app
        self._table = table

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._table.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        endpoint, scope["route"] = found
        request = Request(scope, receive)
        try:
            response = await endpoint(request)
        except Problem as problem:
            response = problem_response(problem)
        except Unavailable as error:
            response = unavailable_response(error)
        except Exception as error:
            response = bug_response(error)
        await response(scope, receive, send)
