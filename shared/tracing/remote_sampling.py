"""Jaeger's remote sampling: the backend says how much of each operation is sampled, and is asked again and again.

https://www.jaegertracing.io/docs/latest/sampling/#remote-sampling: `GET /sampling?service=...` on port 5778 answers
with a strategy in JSON. Root spans say in `sampler.type` and `sampler.param` how they were chosen; the backend's
adaptive sampling goes by that.
"""

import http.client
import json
import logging
import random
import re
import threading
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from opentelemetry.trace import SpanKind

from shared.tracing.samplers import Attributes, Guaranteed, RateLimited, operation_of, pattern_of
from shared.tracing.sampling import Sampler

logger = logging.getLogger(__name__)

ENDPOINT = "http://localhost:5778/sampling"
POLL_S = 60.0
INITIAL_RATIO = 0.001
TIMEOUT_S = 5.0
OPERATIONS_MAX = 2000
# Of its own: an application may have seeded the module's generator, to get the same numbers each time.
_jitter: Final = random.Random()  # noqa: S311


class Strategy:
    """How one service is sampled: a sampler for all its operations, and others for some."""

    def __init__(self, default: Sampler, operations: Mapping[str, Sampler] | None = None) -> None:
        self.default = default
        self.exact = dict(operations or {})
        self.patterns: list[tuple[re.Pattern[str], Sampler]] = [
            (pattern_of(name), sampler) for name, sampler in self.exact.items() if "{" in name
        ]

    def sampler_of(self, operation: str) -> Sampler:
        """The sampler of one operation."""
        found = self.exact.get(operation)
        if found is not None:
            return found
        return next((sampler for pattern, sampler in self.patterns if pattern.fullmatch(operation)), self.default)


class RemoteSampler(Sampler):
    """Samples as the backend says; until it has answered once, `initial_ratio` of everything."""

    def __init__(
        self,
        service: str,
        endpoint: str = ENDPOINT,
        poll_s: float = POLL_S,
        initial_ratio: float = INITIAL_RATIO,
        parent_based: bool = True,
    ) -> None:
        super().__init__(initial_ratio, parent_based)
        self.tells = True
        parts = urlsplit(endpoint)
        self.secure, self.host, self.port = parts.scheme == "https", parts.hostname or "localhost", parts.port or 5778
        self.path = f"{parts.path.rstrip('/') or '/sampling'}?service={quote(service, safe='')}"
        self.poll_s = poll_s
        self.strategy = Strategy(Sampler(initial_ratio))
        self.answer = b""
        self.failing = False

    def start(self) -> None:
        """Ask now and from then on, on a thread."""
        threading.Thread(target=self._poll, name="remote-sampling", daemon=True).start()

    def keep(self, trace_low: int, name: str, kind: SpanKind, attributes: Attributes) -> bool:
        """What the strategy says of this operation."""
        sampler = self.strategy.sampler_of(operation_of(name, attributes))
        return sampler.keep(trace_low, name, kind, attributes)

    def told(self, span: Any, attributes: Attributes) -> Mapping[str, Any]:
        """Type and parameter, as Jaeger's own clients have always noted them."""
        sampler = self.strategy.sampler_of(operation_of(span.span_name, attributes))
        if isinstance(sampler, RateLimited):
            return {"sampler.type": "ratelimiting", "sampler.param": sampler.per_s}
        return {"sampler.type": "probabilistic", "sampler.param": sampler.ratio}

    def ask(self) -> None:
        """Fetch the strategy once. Raises OSError, HTTPException or ValueError."""
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", self.path, headers={"Accept": "application/json"})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(f"HTTP {response.status}")
        # The same answer again leaves the limiters as they are.
        if body != self.answer:
            self.strategy, self.answer = strategy_of(json.loads(body)), body

    def _poll(self) -> None:
        pause = threading.Event()
        while True:
            try:
                self.ask()
                self.failing = False
            except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError) as error:
                if not self.failing:
                    logger.warning("No sampling strategy from %s:%d (%s).", self.host, self.port, error)
                self.failing = True
            # Jitter, so that the services of a system do not ask in step.
            pause.wait(self.poll_s * _jitter.uniform(0.9, 1.1))


def strategy_of(answer: Mapping[str, Any]) -> Strategy:
    """A `SamplingStrategyResponse`. Raises ValueError, KeyError or TypeError for what is none.

    The kind is left out by some servers, and a number in old ones: what is there tells as much.
    """
    operations = answer.get("operationSampling")
    if operations:
        minimum = float(operations.get("defaultLowerBoundTracesPerSecond", 0.0))
        stated = operations.get("perOperationStrategies") or ()
        return Strategy(
            Guaranteed(float(operations["defaultSamplingProbability"]), minimum),
            {one["operation"]: Guaranteed(_ratio(one), minimum) for one in stated[:OPERATIONS_MAX]},
        )
    if answer.get("rateLimitingSampling"):
        return Strategy(RateLimited(float(answer["rateLimitingSampling"]["maxTracesPerSecond"])))
    return Strategy(Sampler(_ratio(answer)))


def _ratio(strategy: Mapping[str, Any]) -> float:
    """The ratio of a probabilistic strategy. JSON made from protobuf leaves out what is zero."""
    return float((strategy.get("probabilisticSampling") or {}).get("samplingRate", 0.0))
