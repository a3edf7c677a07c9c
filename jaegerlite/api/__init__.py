"""Everything on the query port, a group of routes per module.

A module here that has a function `routes(backend: Backend) -> list[BaseRoute]` is a group: it is found by being here.
Handlers are `async def handler(request: Request) -> Response`; `tenant_of(request)` (in `answers.py`) gives the store
to read and the threads to read it with.
"""

import importlib
import pkgutil

from starlette.routing import BaseRoute

from jaegerlite.backend import Backend


def all_routes(backend: Backend) -> list[BaseRoute]:
    """The routes of every group, groups in alphabetical order."""
    found: list[BaseRoute] = []
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        routes = getattr(importlib.import_module(f"{__name__}.{name}"), "routes", None)
        if routes is not None:
            found += routes(backend)
    return found
