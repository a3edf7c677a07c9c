"""The samplers that have more to say than the standard ones: rules, rates, Jaeger's strategies."""

import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.trace import SpanKind

from shared.tracing.remote_sampling import strategy_of
from shared.tracing.samplers import ByRules, Guaranteed, RateLimited, pattern_of, read_rules
from shared.tracing.sampling import Sampler
from shared.tracing.settings import sampler

RULES = [
    {"name": "GET /v1/order/{order_id}", "ratio": 0},
    {"name": "POST /v1/*", "ratio": 1},
    {"attributes": {"user_agent.original": "*bot*"}, "per_s": 0},
    {"name": "nightly", "attributes": {"region": "eu"}, "ratio": 1},
    {"ratio": 0},
]


def kept(chosen: Sampler, name: str, attributes: dict[str, Any] | None = None, low: int = 1 << 63) -> bool:
    """Whether a trace that begins like this is kept."""
    return bool(chosen.keep(low, name, SpanKind.SERVER, attributes))


@pytest.mark.parametrize(
    ("name", "attributes", "is_kept"),
    [
        ("GET", {"url.path": "/v1/order/17"}, False),
        ("POST", {"url.path": "/v1/order"}, True),
        ("POST", {"url.path": "/auth/login"}, False),
        ("nightly", {"region": "eu"}, True),
        ("nightly", {"region": "us"}, False),
        ("nightly", None, False),
    ],
)
def test_the_first_rule_that_fits_decides(name: str, attributes: dict[str, Any] | None, is_kept: bool) -> None:
    """Rules match the route of a request before it is known, names of other spans, and attributes."""
    assert kept(ByRules(read_rules(json.dumps(RULES))), name, attributes) is is_kept


def test_what_no_rule_fits_is_kept() -> None:
    """Rules take away; nothing disappears that nobody named."""
    assert kept(ByRules(read_rules('[{"name": "GET *", "ratio": 0}]')), "POST", {"url.path": "/"})


def test_a_template_stands_for_one_segment() -> None:
    """`{name}` matches a segment of a path and no slash; what else looks like a pattern is taken literally."""
    pattern = pattern_of("GET /a.b/{id}/c")
    assert pattern.fullmatch("GET /a.b/17/c")
    assert not pattern.fullmatch("GET /a.b/1/7/c")
    assert not pattern.fullmatch("GET /aXb/17/c")


def test_rules_come_from_a_file_or_the_variable(tmp_path: Path) -> None:
    """OTEL_TRACES_SAMPLER_ARG holds the rules themselves or the name of a file."""
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(RULES))
    for argument in (str(file), json.dumps(RULES)):
        chosen = sampler({"OTEL_TRACES_SAMPLER": "parentbased_rules", "OTEL_TRACES_SAMPLER_ARG": argument}, "s")
        assert isinstance(chosen, ByRules)
        assert (len(chosen.rules), chosen.parent_based) == (5, True)


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("rules", '[{"ratio": 2}]'),
        ("rules", '[{"ratio": 1, "per_s": 1}]'),
        ("rules", '[{"nme": "x", "ratio": 1}]'),
        ("rules", '{"ratio": 1}'),
        ("rules", "/no/such/file"),
        ("rules", "[{]"),
        ("ratelimited", "fast"),
        ("traceidratio", "1.5"),
        ("jaeger_remote", "pollingIntervalMs=soon"),
    ],
)
def test_a_wrong_argument_is_reported_and_everything_is_kept(
    name: str, argument: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake in a sampler's argument costs spans, not the service; the variable is named."""
    with caplog.at_level(logging.WARNING):
        chosen = sampler({"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument}, "s")
    assert chosen.keeps_all
    assert "OTEL_TRACES_SAMPLER_ARG" in caplog.text


def test_a_rate_limit_keeps_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 10 a second, 10 traces are kept at once, and 10 more in each second that passes."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    chosen = RateLimited(10)
    assert sum(kept(chosen, "x") for _ in range(50)) == 10
    found = 0
    for _ in range(300):
        now[0] += 0.01
        found += kept(chosen, "x")
    assert found == pytest.approx(30, abs=1)


def test_a_minimum_is_kept_where_the_ratio_keeps_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rare operations are seen although the ratio is next to nothing; what the ratio keeps counts as well."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    chosen = Guaranteed(0.5, per_s_min=1)
    assert [kept(chosen, "x", low=low) for low in (0, 1 << 63, 0)] == [True, False, True]
    now[0] += 1
    assert [kept(chosen, "x", low=low) for low in (1 << 63, 1 << 63)] == [True, False]


def test_jaegers_strategies_are_understood() -> None:
    """Probabilistic, rate limiting and per operation, in the JSON of new and old servers."""
    half = strategy_of({"strategyType": "PROBABILISTIC", "probabilisticSampling": {"samplingRate": 0.5}})
    assert half.sampler_of("x").ratio == 0.5
    limited = strategy_of({"strategyType": 1, "rateLimitingSampling": {"maxTracesPerSecond": 7}}).sampler_of("x")
    assert isinstance(limited, RateLimited)
    assert limited.per_s == 7
    by_operation = strategy_of(
        {
            "strategyType": "PROBABILISTIC",
            "operationSampling": {
                "defaultSamplingProbability": 0.25,
                "defaultLowerBoundTracesPerSecond": 2.0,
                "perOperationStrategies": [
                    {"operation": "POST /v1/order", "probabilisticSampling": {"samplingRate": 1.0}},
                    {"operation": "GET /v1/order/{order_id}", "probabilisticSampling": {}},
                ],
            },
        }
    )
    ratios = [by_operation.sampler_of(o).ratio for o in ("POST /v1/order", "GET /v1/order/5", "other")]
    assert ratios == [1.0, 0.0, 0.25]
    assert strategy_of({"strategyType": "PROBABILISTIC"}).sampler_of("x").ratio == 0.0
