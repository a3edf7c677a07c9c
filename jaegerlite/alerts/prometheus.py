"""The same rules for a Prometheus that scrapes `/metrics/spans`, or a collector's spanmetrics: a rule file in YAML.

Hysteresis, which Prometheus lacks, comes from its own `ALERTS`: beyond the clear threshold an alert that fires goes on.
"""

from typing import Any, Final

import yaml

from jaegerlite.alerts.rules import Rule, RulesFile
from jaegerlite.span_metrics import CALLS, DURATION, GAUGES, ORPHANS

QUANTILES: Final = {"p50_ms": "0.5", "p95_ms": "0.95", "p99_ms": "0.99"}
SPEAKING: Final = "1m"


def rule_file(rules: RulesFile) -> str:
    """The rules as a Prometheus rule file."""
    group = {
        "name": "jaegerlite",
        "interval": _duration(rules.interval),
        "rules": [_rule(rule) for rule in rules.rules],
    }
    return str(yaml.safe_dump({"groups": [group]}, sort_keys=False, width=1000))


def _rule(rule: Rule) -> dict[str, Any]:
    by = "service_name, span_name" if rule.by_operation else "service_name"
    value, guard = _expression(rule, by)
    compare = ">" if rule.above is not None else "<"
    firing = f'ALERTS{{alertname="{rule.name}", alertstate="firing"}}'
    found: dict[str, Any] = {
        "alert": rule.name,
        "expr": f"(({value}) {compare} {rule.threshold:g}{guard})"
        f" or (({value}) {compare} {rule.clear_threshold:g} and on ({by}) {firing})",
    }
    if rule.for_s:
        found["for"] = _duration(rule.for_s)
    if rule.keep:
        found["keep_firing_for"] = _duration(rule.keep)
    where = "{{ $labels.service_name }}" + (" {{ $labels.span_name }}" if rule.by_operation else "")
    text = f"{where}: {rule.measure} is {{{{ $value }}}} against {rule.threshold:g}"
    return found | {"labels": {"severity": rule.severity}, "annotations": {"summary": text}}


def _expression(rule: Rule, by: str) -> tuple[str, str]:
    """The value, and what else has to hold for an alert to begin."""
    window = _duration(rule.window)
    concerned = _concerned(rule)
    if rule.measure in GAUGES:
        return f"max by (service_name) ({_of(GAUGES[rule.measure][0], *concerned)})", ""
    if rule.measure == "silent_s":
        return _silence(_of(CALLS, *concerned), window), ""
    if rule.measure != "lost_share":
        names = "|".join(f"SPAN_KIND_{kind.upper()}" for kind in rule.kinds)
        concerned.append(f'span_kind=~"{names}"')
    calls = f"sum by ({by}) (rate({_of(CALLS, *concerned)}[{window}]))"
    guard = f" and on ({by}) sum by ({by}) (increase({_of(CALLS, *concerned)}[{window}])) >= {rule.calls_min}"
    if rule.measure in QUANTILES:
        buckets = f"sum by ({by}, le) (rate({_of(f'{DURATION}_bucket', *concerned)}[{window}]))"
        return f"histogram_quantile({QUANTILES[rule.measure]}, {buckets})", guard
    if rule.measure == "error_rate":
        failed = _of(CALLS, *concerned, 'status_code="STATUS_CODE_ERROR"')
        return f"sum by ({by}) (rate({failed}[{window}])) / {calls}", guard
    if rule.measure == "lost_share":
        return f"sum by ({by}) (rate({_of(ORPHANS, *concerned)}[{window}])) / {calls}", guard
    return calls, ""


def _silence(calls: str, window: str) -> str:
    """Seconds since the last span of a service, while any other speaks: the age of the last change of its counter."""
    changed = f"(changes((sum by (service_name) ({calls}))[1m:15s]) > 0)"
    last = f"max_over_time(timestamp({changed})[{window}:15s])"
    return f"(time() - {last}) and on () (sum(rate({CALLS}[{SPEAKING}])) > 0)"


def _of(metric: str, *selectors: str) -> str:
    return f"{metric}{{{','.join(selectors)}}}" if selectors else metric


def _concerned(rule: Rule) -> list[str]:
    """Selectors for the services and operations that a rule concerns."""
    found = [] if rule.service == "*" else [f'service_name=~"{_regex(rule.service)}"']
    if rule.by_operation and rule.operation != "*":
        found.append(f'span_name=~"{_regex(rule.operation)}"')
    return found


def _regex(pattern: str) -> str:
    """A pattern with `*` and `?` as Prometheus' regular expression, within a quoted text."""
    special = frozenset("\\.+()[]{}^$|")
    return "".join(
        ".*" if c == "*" else "." if c == "?" else f"\\\\{c}" if c in special else '\\"' if c == '"' else c
        for c in pattern
    )


def _duration(seconds: float) -> str:
    """Prometheus' duration: whole milliseconds, in the largest unit that fits."""
    ms = round(seconds * 1000)
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if ms and ms % size == 0:
            return f"{ms // size}{unit}"
    return f"{ms}ms"
