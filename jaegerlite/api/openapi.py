"""`/openapi.json`: what the query port answers, for tools that read it.

Summaries are the handlers' own words; what stands here is what they do not say: which parameters a path takes, and what
each is.
"""

from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from jaegerlite import __version__
from jaegerlite.api.answers import api_route, json_answer
from jaegerlite.backend import Backend

_STRING: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_FLAG: Final = {"type": "boolean"}
_DURATION: Final = {"type": "string", "example": "1.5ms"}
_TIME: Final = {"type": "string", "format": "date-time"}
_HEX: Final = {"type": "string", "pattern": "^[0-9a-fA-F]{1,32}$"}
_MANY: Final = {"type": "array", "items": _STRING}

PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    **dict.fromkeys(("start", "end", "endTs", "lookback", "step", "ratePer"), _WHOLE),
    **dict.fromkeys(("baseEndTs", "baseLookback"), _WHOLE),
    **dict.fromkeys(("limit", "offset", "timeout"), _COUNT),
    **dict.fromkeys(("minDuration", "maxDuration", "query.durationMin", "query.durationMax"), _DURATION),
    **dict.fromkeys(("startTime", "endTime", "query.startTimeMin", "query.startTimeMax"), _TIME),
    **dict.fromkeys(("raw", "prettyPrint", "rawTraces", "query.rawTraces", "groupByOperation"), _FLAG),
    **dict.fromkeys(("tag", "traceID", "base", "other"), _MANY),
    "tags": {"type": "string", "example": '{"error":"true"}'},
    "query.attributes": {"type": "string", "example": '{"error":"true"}'},
    "query.filter": {
        "type": "string",
        "example": '{"op":"eq","args":[{"attr":{"key":"http.route"}},{"scalar":{"value":"/"}}]}',
    },
    "query.searchDepth": _COUNT,
    "query.pagination.pageSize": _COUNT,
    "quantile": {"type": "number", "minimum": 0, "maximum": 1},
    "slowest": {"type": "string", "example": "1%"},
    "order": {"type": "string", "enum": ["newest", "duration"]},
    "groupBy": {"type": "string", "enum": ["operation", "service"]},
    "q": {"type": "string", "example": "service = shop AND (duration > 5ms OR status = error)"},
    "id": _HEX,
    "trace": _HEX,
}
"""By name; a name that is not here is a text."""

_SEARCH: Final = "service operation start end minDuration maxDuration tag tags"
_V3_SEARCH: Final = (
    "query.serviceName query.operationName query.startTimeMin query.startTimeMax query.durationMin query.durationMax"
    " query.attributes query.filter query.searchDepth query.rawTraces"
)
_RED: Final = "service operation spanKind endTs lookback step"
_METRICS: Final = "service spanKind groupByOperation endTs lookback step ratePer"
TAKEN_BY: Final = {
    "/api/operations": "service spanKind",
    "/api/traces": f"{_SEARCH} limit traceID raw prettyPrint",
    "/api/traces/{id}": "start end raw prettyPrint",
    "/api/archive/{id}": "start end raw",
    "/api/dependencies": "endTs lookback service",
    "/api/search": f"q {_SEARCH} limit offset slowest order",
    "/api/alerts/history": "limit",
    "/api/live": "q service operation minDuration maxDuration tag tags",
    "/api/metrics/latencies": f"{_METRICS} quantile",
    "/api/metrics/calls": _METRICS,
    "/api/metrics/errors": _METRICS,
    "/api/red": f"{_RED} groupBy limit",
    "/api/service-graph": "endTs lookback",
    "/api/compare/windows": "service operation endTs lookback baseEndTs baseLookback limit timeout",
    "/api/compare/traces": "base other",
    "/api/insights": "service operation endTs lookback limit timeout",
    "/api/v3/operations": "service spanKind",
    "/api/v3/traces": _V3_SEARCH,
    "/api/v3/traces/{id}": "startTime endTime rawTraces",
    "/api/v3/trace-summaries": f"{_V3_SEARCH} query.pagination.pageSize query.pagination.pageToken",
    "/api/v3/dependencies": "startTime endTime",
}
"""The query parameters of each path that takes any."""

_OTHER_MEDIA: Final = {
    "/metrics": "text/plain",
    "/metrics/spans": "text/plain",
    "/api/live": "text/event-stream",
}
_BODIES: Final = {"/api/transform": "OTLP JSON", "/api/alerts/silences": "a silence"}
_ANSWERS: Final = {
    "400": "A parameter cannot be used; the answer says which and why",
    "401": "Nobody known is asking",
    "403": "Who is asking may not",
    "404": "There is no such thing",
    "409": "It cannot be done now",
    "413": "It would be, or is, too large",
    "501": "It is understood, and not answered here",
    "503": "Too much is going on; come again in a second",
    "504": "It took too long",
}


def _parameter(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": PARAMETERS.get(name, _STRING)}


def _operation(route: Route, path: str, method: str) -> dict[str, Any]:
    in_path = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
    asked = TAKEN_BY.get(path, "").split() if method == "GET" or path.startswith("/api/archive") else []
    media = _OTHER_MEDIA.get(path, "application/json")
    endpoint: Callable[..., Any] = route.endpoint
    operation: dict[str, Any] = {
        "summary": (endpoint.__doc__ or "").strip().partition("\n")[0],
        "parameters": [_parameter(name, "path") for name in in_path] + [_parameter(name, "query") for name in asked],
        "responses": {"200": {"description": "The answer", "content": {media: {}}}}
        | {status: {"description": text} for status, text in _ANSWERS.items()},
    }
    if method == "POST" and path in _BODIES:
        content = {"application/json": {"schema": {"type": "object"}}}
        operation["requestBody"] = {"required": True, "description": _BODIES[path], "content": content}
    return operation


def description(routes: list[BaseRoute]) -> dict[str, Any]:
    """The OpenAPI document of these routes; pages and files are left out."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if not isinstance(route, Route) or not getattr(route.endpoint, "is_api", False):
            continue
        path = route.path.replace(":path}", "}")
        for method in sorted((route.methods or set()) - {"HEAD"}):
            paths.setdefault(path, {})[method.lower()] = _operation(route, path, method)
    return {
        "openapi": "3.1.0",
        "info": {"title": "jaegerlite", "version": __version__, "description": "A trace backend that speaks Jaeger."},
        "paths": paths,
    }


def routes(_: Backend) -> list[BaseRoute]:
    """The one route."""

    async def openapi(request: Request) -> Response:
        """This description."""
        return json_answer(description(request.app.routes))

    return [api_route("/openapi.json", openapi)]
