"""OpenAPI for routes that read and write msgspec structs, so that ``/docs`` shows what really goes over the wire."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.routing import APIRoute

TEMPLATE = "#/components/schemas/{name}"


def describe(app: FastAPI, path: str, request: Any, answer: Any, method: str = "POST") -> None:
    """Describes the route at ``path`` by the types of its request body (None: it has none) and its answer."""
    kinds = [kind for kind in (request, answer) if kind is not None]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=TEMPLATE)
    known: dict[str, Any] = app.extra.setdefault("schemas", {})
    known.update(components)
    extra: dict[str, Any] = {
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": schemas[-1]}}}}
    }
    if request is not None:
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schemas[0]}}}
    for route in app.routes:
        if isinstance(route, APIRoute) and route.path == path and method in route.methods:
            route.openapi_extra = extra
    _include_components(app)


def _include_components(app: FastAPI) -> None:
    """Once per app: adds the structs' schemas to those that FastAPI knows."""
    if app.extra.get("schemas_included"):
        return
    app.extra["schemas_included"] = True
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        document.setdefault("components", {}).setdefault("schemas", {}).update(app.extra["schemas"])
        return document

    app.openapi = openapi  # type: ignore[method-assign]
