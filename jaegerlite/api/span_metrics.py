"""The spans' figures for Prometheus."""

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jaegerlite.api.answers import api_route, tenant_of
from jaegerlite.backend import Backend
from jaegerlite.span_metrics import gauges_exposition


async def span_metrics(request: Request) -> Response:
    """`/metrics/spans`: calls and durations of all operations as counters and histograms."""
    tenant = tenant_of(request)
    text = tenant.store.span_metrics.exposition() + gauges_exposition(tenant.alerts.gauges)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def routes(_: Backend) -> list[BaseRoute]:
    """The route of the spans' metrics."""
    return [api_route("/metrics/spans", span_metrics)]
