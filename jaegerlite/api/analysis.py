"""What can be said about one trace."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jaegerlite.analysis.report import report
from jaegerlite.api.answers import api_route, error_answer, json_answer, tenant_of
from jaegerlite.archive import is_kept, kept_trace
from jaegerlite.backend import Backend
from jaegerlite.jaeger_json import Json, trace_id_text
from jaegerlite.jaeger_params import bool_param, trace_id
from jaegerlite.partitions import Snapshot
from jaegerlite.store import Store
from jaegerlite.traces import TraceKey, load_traces


def _report(store: Store, snapshot: Snapshot, key: TraceKey, *, paths: bool) -> Json | None:
    is_archived = is_kept(snapshot, key)
    spans = load_traces(store, snapshot, [key]).get(key) or (kept_trace(snapshot, key) if is_archived else None)
    if not spans:
        return None
    return {"trace_id": trace_id_text(key), "archived": is_archived, **report(spans, snapshot.limits, paths=paths)}


async def analysis(request: Request) -> Response:
    """`/api/traces/{id}/analysis`: critical path and findings of a trace; `paths=false` leaves the paths out."""
    paths = bool_param(request.query_params, "paths", default=True)
    found = await tenant_of(request).read_newest(_report, trace_id(request.path_params["id"]), paths=paths)
    return json_answer(found) if found else error_answer(404, "trace not found")


def routes(_: Backend) -> list[BaseRoute]:
    """The routes of the analysis."""
    return [api_route("/api/traces/{id}/analysis", analysis)]
