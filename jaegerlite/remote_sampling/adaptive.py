"""Adaptive sampling: each operation's probability follows its rate, so that about as many traces of each are kept.

Once per interval the sampled roots of each operation are counted. Senders note the probability they sampled with in
`sampler.param`; those who do not are taken to have used what they were last told. Probabilities fall at once and rise
by half at most, so that a sudden burst after a quiet time does not flood the store.
"""

import logging
import math
import time
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from jaegerlite.columns import SpanColumns
from jaegerlite.jaeger_json import Json
from jaegerlite.otlp_read import read_rest
from jaegerlite.remote_sampling.strategies import DEFAULT_PROBABILITY, operations_answer
from jaegerlite.store import Store

PROBABILITY_MIN: Final = 1e-5
RISE_MAX: Final = 1.5
# Within this share of the target nothing is changed.
TOLERANCE: Final = 0.3
OPERATIONS_MAX: Final = 2_000
Operation = tuple[str, str]
log = logging.getLogger("jaegerlite")


class AdaptiveSampling:
    """Keeps the probability of each operation of each service; used on the event loop."""

    def __init__(self, file: Path, target_per_s: float, interval_s: float) -> None:
        """`target_per_s` is how many traces of each operation are wanted, `file` where probabilities are remembered."""
        self._file = file
        self._target_per_s = target_per_s
        self._interval_s = interval_s
        self._began_s = time.monotonic()
        self._sampled: dict[Operation, int] = {}
        self._told: dict[Operation, float] = {}
        self.probabilities: dict[Operation, float] = self._load()

    def watch(self, store: Store, columns: SpanColumns) -> None:
        """Count the roots of a stored batch, and judge once the interval is over."""
        roots = np.flatnonzero(columns.parent_id[: columns.count] == 0)
        if len(roots):
            numbers, last, counts = np.unique(columns.series[roots][::-1], return_index=True, return_counts=True)
            for number, place, count in zip(numbers.tolist(), last.tolist(), counts.tolist(), strict=True):
                series = store.registry.all[number]
                self._count((series.service, series.name), count, columns, int(roots[len(roots) - 1 - place]))
        self.judge_if_due(time.monotonic())

    def _count(self, operation: Operation, count: int, columns: SpanColumns, row: int) -> None:
        if operation not in self._sampled and len(self._sampled) >= OPERATIONS_MAX:
            return
        self._sampled[operation] = self._sampled.get(operation, 0) + count
        tags = dict(read_rest(columns.rest(row)).attributes)
        used = tags.get("sampler.param")
        if tags.get("sampler.type") == "probabilistic" and isinstance(used, float | int):
            self._told[operation] = float(used)

    def judge_if_due(self, now_s: float) -> None:
        """Set the probabilities anew if the interval is over."""
        passed_s = now_s - self._began_s
        if passed_s < self._interval_s:
            return
        for operation in {*self._sampled, *self.probabilities}:
            used = self._told.get(operation, self.probabilities.get(operation, DEFAULT_PROBABILITY))
            self.probabilities[operation] = self._better(used, self._sampled.get(operation, 0) / passed_s)
        self._began_s, self._sampled, self._told = now_s, {}, {}
        self._save()

    def _better(self, used: float, sampled_per_s: float) -> float:
        if not PROBABILITY_MIN <= used <= 1:
            used = min(max(used, PROBABILITY_MIN), 1.0)
        if abs(sampled_per_s - self._target_per_s) <= TOLERANCE * self._target_per_s:
            return used
        wanted = used * self._target_per_s / sampled_per_s if sampled_per_s else math.inf
        return min(max(min(wanted, used * RISE_MAX), PROBABILITY_MIN), 1.0)

    def answer(self, service: str) -> Json:
        """A `SamplingStrategyResponse` for a service."""
        rates = {operation: rate for (name, operation), rate in self.probabilities.items() if name == service}
        return {
            "strategyType": "PROBABILISTIC",
            "probabilisticSampling": {"samplingRate": DEFAULT_PROBABILITY},
            "operationSampling": operations_answer(DEFAULT_PROBABILITY, rates),
        }

    def _load(self) -> dict[Operation, float]:
        try:
            kept = msgspec.json.decode(self._file.read_bytes(), type=list[tuple[str, str, float]])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            log.warning("%s cannot be read, probabilities begin anew: %s", self._file, error)
            return {}
        return {(service, operation): rate for service, operation, rate in kept}

    def _save(self) -> None:
        rows = [(service, operation, rate) for (service, operation), rate in self.probabilities.items()]
        written = self._file.with_suffix(".new")
        try:
            written.write_bytes(msgspec.json.encode(rows))
            written.replace(self._file)
        except OSError as error:
            log.warning("probabilities cannot be remembered in %s: %s", self._file, error)
