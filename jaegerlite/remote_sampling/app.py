"""The application of port 5778: `GET /sampling?service=`, as Jaeger's collector and agent answer it."""

from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jaegerlite.access import DeniedError, Role
from jaegerlite.api.answers import json_answer
from jaegerlite.backend import Backend
from jaegerlite.jaeger_json import Json
from jaegerlite.remote_sampling.adaptive import AdaptiveSampling
from jaegerlite.remote_sampling.strategies import ServiceStrategy, StrategiesFile, read_strategies, strategy_answer

# The older path, which speaks of strategies by number.
TYPE_NUMBERS: Final = {"PROBABILISTIC": 0, "RATE_LIMITING": 1}
# Without a file and without a target everything is sampled: the store has back-pressure of its own.
EVERYTHING: Final = ServiceStrategy(param=1.0)
STATE_FILE: Final = "sampling.json"


class RemoteSampling:
    """Answers senders: by the file where it names their service, else adaptively if so set, else by the default."""

    def __init__(self, backend: Backend) -> None:
        """Raises StrategiesError where the file cannot be used."""
        settings = backend.settings
        self._access = backend.access
        file = settings.sampling_file
        self._strategies = read_strategies(file) if file is not None else StrategiesFile()
        self._by_service = {each.service: each for each in self._strategies.service_strategies}
        self._adaptive: AdaptiveSampling | None = None
        if settings.sampling_target_per_s:
            self._adaptive = AdaptiveSampling(
                settings.data_dir / STATE_FILE, settings.sampling_target_per_s, settings.sampling_interval_s
            )
            for tenant in backend.tenants.values():
                tenant.flusher.watchers.append(partial(self._adaptive.watch, tenant.store))

    def answer(self, service: str) -> Json:
        """A `SamplingStrategyResponse` for a service."""
        named = self._by_service.get(service)
        if named is None and self._adaptive is not None:
            return self._adaptive.answer(service)
        return strategy_answer(named or self._strategies.default_strategy or EVERYTHING)

    async def handle(self, request: Request) -> Response:
        """A sender that asks."""
        try:
            await self._access.check(request.headers, request.scope.get("client"), Role.WRITE)
        except DeniedError as denied:
            return Response(denied.text, denied.status, denied.headers, "text/plain")
        services = request.query_params.getlist("service")
        if len(services) != 1:
            return Response("'service' parameter must be provided once\n", 400, media_type="text/plain")
        answer = self.answer(services[0])
        if request.url.path == "/":
            answer = answer | {"strategyType": TYPE_NUMBERS[answer["strategyType"]]}
        return json_answer(answer)


def sampling_app(backend: Backend) -> Starlette:
    """The application. Raises StrategiesError where the file of strategies cannot be used."""
    handle = RemoteSampling(backend).handle
    return Starlette(routes=[Route(path, handle) for path in ("/sampling", "/api/sampling", "/")])
