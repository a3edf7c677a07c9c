"""`/api/search`: jaegerlite's own search, over everything that Jaeger's cannot ask."""

from typing import Final

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jaegerlite.api.answers import api_route, json_answer, tenant_of
from jaegerlite.api.params import unusable, whole_number
from jaegerlite.backend import Backend
from jaegerlite.find.language import And, Condition, Expression, parse
from jaegerlite.find.run import Result, Search, search
from jaegerlite.jaeger_json import Json, trace_id_text
from jaegerlite.jaeger_params import LIMIT_MAX, search_params
from jaegerlite.summaries import TraceSummary

LIMIT_DEFAULT: Final = 20
OFFSET_MAX: Final = 1_000_000
ORDERS: Final = ("newest", "duration")
NS_PER_US: Final = 1000


def expression_of(params: QueryParams) -> Expression:
    """The expression of `q`, joined with Jaeger's own parameters.

    Raises:
        ParameterError: one of them is unusable.
    """
    query = search_params(params, needs_service=False).query
    parts = [parse(params.get("q", ""))]
    if query.service:
        parts.append(Condition("service", "=", query.service))
    if query.operation:
        parts.append(Condition("operation", "=", query.operation))
    if query.duration_ns_min is not None:
        parts.append(Condition("duration", ">=", "", float(query.duration_ns_min)))
    if query.duration_ns_max is not None:
        parts.append(Condition("duration", "<=", "", float(query.duration_ns_max)))
    parts += [Condition(key, "=", text) for key, text in query.tags.items()]
    flat = [inside for part in parts for inside in (part.parts if isinstance(part, And) else (part,))]
    return And(tuple(flat))


def _search_of(params: QueryParams) -> Search:
    query = search_params(params, needs_service=False).query
    order = params.get("order") or ORDERS[0]
    if order not in ORDERS:
        raise unusable("order", f"'{order}' is none of {', '.join(ORDERS)}")
    return Search(
        expression_of(params),
        query.start_ns_min,
        query.start_ns_max,
        slowest_percent=_percent(params),
        by_duration=order == "duration",
        limit=whole_number(params, "limit", LIMIT_DEFAULT, most=LIMIT_MAX),
        offset=whole_number(params, "offset", 0, most=OFFSET_MAX),
    )


def _percent(params: QueryParams) -> float:
    text = params.get("slowest", "").removesuffix("%")
    try:
        percent = float(text) if text else 100.0
    except ValueError as error:
        raise unusable("slowest", f"'{text}' is no percentage") from error
    if not 0 < percent <= 100:
        raise unusable("slowest", f"{text} is not above 0 and at most 100")
    return percent


def summary_json(summary: TraceSummary) -> Json:
    """A trace as lists show it."""
    return {
        "trace_id": trace_id_text(summary.key),
        "root_service": summary.root_service,
        "root_operation": summary.root_operation,
        "start_us": summary.start_ns // NS_PER_US,
        "duration_us": summary.duration_ns // NS_PER_US,
        "spans": summary.spans,
        "errors": summary.errors,
        "orphans": summary.orphans,
        "services": [
            {"name": name, "spans": part.spans, "errors": part.errors}
            for name, part in sorted(summary.services.items())
        ],
    }


def _result_json(result: Result) -> Json:
    return {
        "total": result.total,
        "total_is_exact": result.is_complete,
        "matched_spans_total": result.spans_total,
        "traces": [summary_json(summary) | {"matched_spans": spans} for summary, spans in result.traces],
    }


async def find(request: Request) -> Response:
    """Traces that fit, a page of them, and how many there are."""
    result = await tenant_of(request).read(search, _search_of(request.query_params))
    return json_answer(_result_json(result))


def routes(_: Backend) -> list[BaseRoute]:
    """The one route."""
    return [api_route("/api/search", find)]
