"""OpenAPI for routes that read and write msgspec structs, so that ``/docs`` shows what really goes over the wire.

The page itself is Swagger UI, served from here: FastAPI's own would have the reader's browser fetch it from elsewhere.
"""

import re
from importlib.resources import files
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from shared.contracts.operations import Operation, Refused

TEMPLATE = "#/components/schemas/{name}"
ASSETS = "/docs/assets"

BEARER = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "What POST /auth/login answers."}
PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. `code` is stable, `detail` says what to do, `trace_id` leads to what happened.",
    "required": ["type", "title", "status", "code", "detail", "trace_id"],
    "properties": {
        **{name: {"type": "string"} for name in ("type", "title", "code", "detail", "trace_id")},
        "status": {"type": "integer"},
        "figures": {"type": "object", "description": "Of a limit: what it is, and what was asked for."},
    },
}
REFUSED = {
    "description": "What is wrong",
    "content": {"application/problem+json": {"schema": {"$ref": TEMPLATE.format(name="Problem")}}},
}


def install_docs(app: FastAPI) -> None:
    """``/docs``, for an app that was made without FastAPI's own."""
    app.mount(ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")))

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=app.title,
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url="data:,",
            swagger_ui_parameters={"persistAuthorization": True, "displayRequestDuration": True},
        )


def add_described(
    app: FastAPI,
    method: str,
    path: str,
    said: str,
    *,
    tag: str,
    body: Any = None,
    query: type[msgspec.Struct],
    public: bool,
    answers: tuple[int, ...] = (200,),
) -> None:
    """Describes a route that something else answers before FastAPI does, by the types of its body and its query.

    ``said``: a handler's docstring. ``public``: without a token. ``answers``: statuses of success.
    """

    async def described() -> None:
        raise AssertionError("the table answers before FastAPI's routing")

    extra: dict[str, Any] = {"parameters": [*_path_parameters(path), *_parameters(query)]}
    if body is not None:
        (schema,), components = msgspec.json.schema_components([body], ref_template=TEMPLATE)
        _known_schemas(app).update(components)
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if not public:
        extra["security"] = [{"token": []}]
    extra["responses"] = {str(status): {"description": "Done"} for status in answers} | {"default": REFUSED}
    app.add_api_route(
        path,
        described,
        methods=[method],
        tags=[tag],
        status_code=answers[0],
        summary=re.split(r"[.:;]", said, maxsplit=1)[0],
        description=said,
        operation_id=re.sub(r"\W+", "_", f"{method.lower()}{path}").strip("_"),
        openapi_extra=extra,
    )


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


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


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
    schemas: dict[str, Any] = {"Problem": PROBLEM}
    app.state.schemas = schemas
    app.state.operations = {}
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(schemas)
        components["securitySchemes"] = {"token": BEARER}
        document["paths"].update(app.state.operations)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    return schemas
