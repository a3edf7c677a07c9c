"""OpenAPI for routes that read and write msgspec structs, so that ``/docs`` shows what really goes over the wire."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.routing import APIRoute

from shared.contracts.operations import Operation, Refused

TEMPLATE = "#/components/schemas/{name}"


def describe(
    app: FastAPI,
    path: str,
    request: Any,
    answer: Any,
    method: str = "POST",
    query: type[msgspec.Struct] | None = None,
) -> None:
    """Describes the route at ``path`` by the types of its body, its answer (None: it has none) and its query."""
    kinds = [kind for kind in (request, answer) if kind is not None]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=TEMPLATE)
    _known_schemas(app).update(components)
    extra: dict[str, Any] = {}
    if answer is not None:
        extra["responses"] = {"200": {"description": "OK", "content": {"application/json": {"schema": schemas[-1]}}}}
    if request is not None:
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schemas[0]}}}
    if query is not None:
        extra["parameters"] = _parameters(query)
    for route in app.routes:
        if isinstance(route, APIRoute) and route.path == path and method in (route.methods or ()):
            route.openapi_extra = extra


def describe_operation(app: FastAPI, operation: Operation[Any, Any]) -> None:
    """Describes an internal call, which no route of FastAPI's serves."""
    kinds = (list[operation.item], list[operation.answer | Refused])  # type: ignore[name-defined]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=TEMPLATE)
    _known_schemas(app).update(components)
    app.state.operations[operation.path] = {
        "post": {
            "tags": ["internal"],
            "summary": f"Callers: {', '.join(sorted(operation.callers))}",
            "requestBody": {"required": True, "content": {"application/json": {"schema": schemas[0]}}},
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": schemas[1]}}}},
        }
    }


def _parameters(query: type[msgspec.Struct]) -> list[dict[str, Any]]:
    """A query string's struct as OpenAPI parameters."""
    _, components = msgspec.json.schema_components([query], ref_template=TEMPLATE)
    schema = components[query.__name__]
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": kind}
        for name, kind in schema["properties"].items()
    ]


def _known_schemas(app: FastAPI) -> dict[str, Any]:
    """The structs' schemas of an app, which its document holds beside those that FastAPI knows."""
    if hasattr(app.state, "schemas"):
        known: dict[str, Any] = app.state.schemas
        return known
    schemas: dict[str, Any] = {}
    app.state.schemas = schemas
    app.state.operations = {}
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        document.setdefault("components", {}).setdefault("schemas", {}).update(schemas)
        document["paths"].update(app.state.operations)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    return schemas
