"""`POST /api/transform`: OTLP JSON in, Jaeger's JSON out, nothing kept; so a UI can show a file."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jaegerlite.api.answers import api_route, envelope, error_answer
from jaegerlite.backend import Backend
from jaegerlite.jaeger_json import trace_json
from jaegerlite.otlp_json import request_from_json
from jaegerlite.otlp_spans import spans_from_otlp
from jaegerlite.receive.intake import TEXT_BYTES_MAX
from jaegerlite.wire import MalformedError


async def transform(request: Request) -> Response:
    """Spans without usable ids or times are left out."""
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > TEXT_BYTES_MAX:
            return error_answer(413, f"a body may hold {TEXT_BYTES_MAX} bytes")
    try:
        traces = spans_from_otlp(request_from_json(b"".join(parts)))
    except MalformedError as error:
        return error_answer(400, f"cannot unmarshal OTLP: {error}")
    return envelope([trace_json(key, spans) for key, spans in traces.items()])


def routes(_: Backend) -> list[BaseRoute]:
    """The one route."""
    return [api_route("/api/transform", transform, ("POST",))]
