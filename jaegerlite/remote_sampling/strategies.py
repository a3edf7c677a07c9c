"""Sampling strategies from a file, in the form of Jaeger's `strategies.json`, and the answers made of them.

{"service_strategies": [{"service": "shop", "type": "probabilistic", "param": 0.5,
                         "operation_strategies": [{"operation": "GET /", "type": "probabilistic", "param": 0.1}]}],
 "default_strategy": {"type": "ratelimiting", "param": 5}}
"""

from pathlib import Path
from typing import Final, Literal

import msgspec

from jaegerlite.jaeger_json import Json

TRACES_PER_SECOND_MAX: Final = 2**31 - 1
DEFAULT_PROBABILITY: Final = 0.001
# What an operation that is rarely called gets at least, in traces per second: one a minute, as in Jaeger.
LOWER_BOUND_PER_S: Final = 1 / 60


class StrategiesError(Exception):
    """The file of strategies cannot be used; the text says where and why."""


class Strategy(msgspec.Struct, frozen=True, kw_only=True):
    """How much is sampled: a probability from 0 to 1, or traces per second."""

    type: Literal["probabilistic", "ratelimiting"] = "probabilistic"
    param: float = DEFAULT_PROBABILITY

    def __post_init__(self) -> None:
        if not 0 <= self.param <= (1 if self.type == "probabilistic" else TRACES_PER_SECOND_MAX):
            raise ValueError(f"{self.param} is no {self.type} parameter")


class OperationStrategy(Strategy, frozen=True, kw_only=True):
    """That of one operation; only probabilities can be told to senders."""

    operation: str


class ServiceStrategy(Strategy, frozen=True, kw_only=True):
    """That of one service, and of its operations."""

    service: str = ""
    operation_strategies: tuple[OperationStrategy, ...] = ()


class StrategiesFile(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    service_strategies: tuple[ServiceStrategy, ...] = ()
    default_strategy: ServiceStrategy | None = None


def read_strategies(path: Path) -> StrategiesFile:
    """The file of strategies. Raises StrategiesError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=StrategiesFile)
    except (OSError, msgspec.DecodeError) as error:
        raise StrategiesError(f"{path}: {error}") from error


def strategy_answer(strategy: ServiceStrategy) -> Json:
    """A `SamplingStrategyResponse` of Jaeger's."""
    if strategy.type == "ratelimiting":
        answer: Json = {
            "strategyType": "RATE_LIMITING",
            "rateLimitingSampling": {"maxTracesPerSecond": round(strategy.param)},
        }
    else:
        answer = {"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": strategy.param}}
    rates = {each.operation: each.param for each in strategy.operation_strategies if each.type == "probabilistic"}
    if rates:
        default = strategy.param if strategy.type == "probabilistic" else DEFAULT_PROBABILITY
        answer["operationSampling"] = operations_answer(default, rates)
    return answer


def operations_answer(default: float, rates: dict[str, float]) -> Json:
    """The part of an answer that says how much of each operation is sampled."""
    return {
        "defaultSamplingProbability": default,
        "defaultLowerBoundTracesPerSecond": LOWER_BOUND_PER_S,
        "perOperationStrategies": [
            {"operation": operation, "probabilisticSampling": {"samplingRate": rate}}
            for operation, rate in sorted(rates.items())
        ],
    }
