"""Is it alive, can it store, what does it count about itself."""

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jaegerlite import metrics
from jaegerlite.api.answers import api_route, json_answer
from jaegerlite.backend import Backend


def routes(backend: Backend) -> list[BaseRoute]:
    """`/health`, `/ready` and `/metrics`."""

    async def health(request: Request) -> Response:
        """Whether the process lives."""
        return json_answer({"status": "ok"})

    async def ready(request: Request) -> Response:
        """Whether spans can be stored."""
        if backend.is_ready:
            return json_answer({"status": "ready"})
        return json_answer({"status": "spans cannot be stored"}, 503)

    async def own_metrics(request: Request) -> Response:
        """What jaegerlite counts about itself, for Prometheus."""
        return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return [api_route("/health", health), api_route("/ready", ready), api_route("/metrics", own_metrics)]
