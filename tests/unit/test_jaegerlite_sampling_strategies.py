"""How much senders are told to sample: by a file, and adaptively."""

import json
import time
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from jaegerlite.columns import SpanColumns
from jaegerlite.remote_sampling.adaptive import PROBABILITY_MIN, AdaptiveSampling
from jaegerlite.remote_sampling.strategies import DEFAULT_PROBABILITY, StrategiesError, read_strategies, strategy_answer
from jaegerlite.store import Store

TARGET_PER_S = 2.0
INTERVAL_S = 60.0


def _roots(store: Store, operation: str, count: int, probability: float | None) -> SpanColumns:
    """A batch of sampled roots of an operation, and as many children."""
    export = ExportTraceServiceRequest()
    resource = export.resource_spans.add()
    resource.resource.attributes.add(key="service.name", value=AnyValue(string_value="shop"))
    spans = resource.scope_spans.add().spans
    for number in range(1, count + 1):
        common = {"trace_id": number.to_bytes(16), "start_time_unix_nano": 1, "end_time_unix_nano": 2}
        root = spans.add(span_id=number.to_bytes(8), name=operation)
        child = spans.add(span_id=(count + number).to_bytes(8), parent_span_id=number.to_bytes(8), name="child")
        for span in (root, child):
            span.MergeFrom(Span(**common))  # type: ignore[arg-type]
        if probability is not None:
            root.attributes.add(key="sampler.type", value=AnyValue(string_value="probabilistic"))
            root.attributes.add(key="sampler.param", value=AnyValue(double_value=probability))
    store.add(export.SerializeToString())
    return store.swap()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_an_adaptive_probability_finds_its_target(store: Store, tmp_path: Path) -> None:
    """An operation of 100 calls a second comes to some two sampled a second, and one of 1 a second to all of them."""
    adaptive = AdaptiveSampling(tmp_path / "sampling.json", TARGET_PER_S, INTERVAL_S)
    now_s = time.monotonic()
    for _ in range(30):
        for operation, calls_per_s in (("busy", 100), ("quiet", 1)):
            probability = adaptive.probabilities.get(("shop", operation), DEFAULT_PROBABILITY)
            sampled = round(calls_per_s * INTERVAL_S * probability)
            if sampled:
                adaptive.watch(store, _roots(store, operation, sampled, probability))
            else:
                adaptive._sampled[("shop", operation)] = 0
        now_s += INTERVAL_S + 1
        adaptive.judge_if_due(now_s)
    assert adaptive.probabilities["shop", "busy"] == pytest.approx(0.02, rel=0.4)
    assert adaptive.probabilities["shop", "quiet"] == 1.0
    assert ("shop", "child") not in adaptive.probabilities


def test_a_burst_is_cut_at_once(store: Store, tmp_path: Path) -> None:
    """A probability falls in one step, however far, but not below the least there is."""
    adaptive = AdaptiveSampling(tmp_path / "sampling.json", TARGET_PER_S, 1.0)
    adaptive.watch(store, _roots(store, "burst", 4000, 1.0))
    adaptive.judge_if_due(time.monotonic() + 1.0)
    assert PROBABILITY_MIN < adaptive.probabilities["shop", "burst"] < 0.001


def test_probabilities_survive_a_restart(store: Store, tmp_path: Path) -> None:
    """What was learnt is told again after a restart, in Jaeger's form; a damaged file begins anew."""
    file = tmp_path / "sampling.json"
    adaptive = AdaptiveSampling(file, TARGET_PER_S, 1.0)
    adaptive.watch(store, _roots(store, "GET /", 100, 0.5))
    adaptive.judge_if_due(time.monotonic() + 2.0)
    again = AdaptiveSampling(file, TARGET_PER_S, 1.0).answer("shop")
    assert again == adaptive.answer("shop")
    (operation,) = again["operationSampling"]["perOperationStrategies"]
    assert operation["operation"] == "GET /"
    assert 0 < operation["probabilisticSampling"]["samplingRate"] < 0.5
    file.write_text("{")
    assert AdaptiveSampling(file, TARGET_PER_S, 1.0).probabilities == {}


def test_a_file_of_strategies_is_answered_in_jaegers_form(tmp_path: Path) -> None:
    """Probabilities, rates and operations of the file come out as Jaeger writes them."""
    file = tmp_path / "strategies.json"
    operation = {"operation": "GET /", "type": "probabilistic", "param": 0.1}
    service = {"service": "shop", "type": "probabilistic", "param": 0.5, "operation_strategies": [operation]}
    file.write_text(
        json.dumps({"service_strategies": [service], "default_strategy": {"type": "ratelimiting", "param": 5}})
    )
    read = read_strategies(file)
    assert strategy_answer(read.service_strategies[0]) == {
        "strategyType": "PROBABILISTIC",
        "probabilisticSampling": {"samplingRate": 0.5},
        "operationSampling": {
            "defaultSamplingProbability": 0.5,
            "defaultLowerBoundTracesPerSecond": pytest.approx(1 / 60),
            "perOperationStrategies": [{"operation": "GET /", "probabilisticSampling": {"samplingRate": 0.1}}],
        },
    }
    assert read.default_strategy is not None
    assert strategy_answer(read.default_strategy) == {
        "strategyType": "RATE_LIMITING",
        "rateLimitingSampling": {"maxTracesPerSecond": 5},
    }


@pytest.mark.parametrize(
    "text", ["", "[]", '{"default_strategy": {"param": 2}}', '{"default_strategy": {"type": "x"}}']
)
def test_a_file_that_is_no_list_of_strategies_is_refused(tmp_path: Path, text: str) -> None:
    """A file that cannot be used is refused by its name and the place of the mistake."""
    file = tmp_path / "strategies.json"
    file.write_text(text)
    with pytest.raises(StrategiesError, match=r"strategies\.json"):
        read_strategies(file)
