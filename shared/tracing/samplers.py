"""Samplers beside the standard ones: rate limited, with a guaranteed minimum, and by rules for routes and attributes.

A sampler decides when a trace begins, and an HTTP request has no route yet: so operations are matched by the method and
the path that was asked for, and `{name}` in a pattern stands for one segment of it, as in the name its span will have.
"""

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.trace import SpanKind

from shared.tracing.sampling import Sampler

Attributes = Mapping[str, Any] | None

WILDCARD = re.compile(r"(\*|\{[^{}/]*\})")
RULE_KEYS = {"name", "attributes", "ratio", "per_s"}


class RateLimited(Sampler):
    """Keeps up to `per_s` traces a second; those that it did not keep do not add up beyond one second's worth."""

    def __init__(self, per_s: float, parent_based: bool = True) -> None:
        super().__init__(0.0, parent_based)
        self.per_s = per_s
        self.burst = max(1.0, per_s)
        self.tokens = self.burst
        self.filled_at_s = time.monotonic()

    def keep(self, trace_low: int, name: str, kind: SpanKind, attributes: Attributes) -> bool:
        """Whether there is a token left."""
        now_s = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now_s - self.filled_at_s) * self.per_s)
        self.filled_at_s = now_s
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


class Guaranteed(Sampler):
    """Keeps `ratio` of all traces, and more where these are fewer than `per_s_min` a second."""

    def __init__(self, ratio: float, per_s_min: float) -> None:
        super().__init__(ratio)
        self.minimum = RateLimited(per_s_min)

    def keep(self, trace_low: int, name: str, kind: SpanKind, attributes: Attributes) -> bool:
        """Whether the ratio or the minimum keeps it; both count it."""
        below = self.minimum.keep(trace_low, name, kind, attributes)
        return super().keep(trace_low, name, kind, attributes) or below


@dataclass(frozen=True)
class Rule:
    """What a root span must look like, and the sampler of those that do. An absent condition fits everything."""

    sampler: Sampler
    name: re.Pattern[str] | None = None
    attributes: Mapping[str, re.Pattern[str]] | None = None

    def fits(self, operation: str, attributes: Mapping[str, Any]) -> bool:
        """Whether all conditions hold."""
        if self.name is not None and not self.name.fullmatch(operation):
            return False
        wanted = self.attributes or {}
        return all(key in attributes and pattern.fullmatch(str(attributes[key])) for key, pattern in wanted.items())


class ByRules(Sampler):
    """The first rule that fits decides; a trace that none fits is kept."""

    def __init__(self, rules: Sequence[Rule], parent_based: bool = True) -> None:
        super().__init__(1.0, parent_based)
        self.rules = tuple(rules)

    def keep(self, trace_low: int, name: str, kind: SpanKind, attributes: Attributes) -> bool:
        """What the rule says."""
        operation = operation_of(name, attributes)
        for rule in self.rules:
            if rule.fits(operation, attributes or {}):
                return rule.sampler.keep(trace_low, name, kind, attributes)
        return True


def operation_of(name: str, attributes: Attributes) -> str:
    """The operation that begins with this span: its name, for an HTTP request with the path."""
    path = attributes.get("url.path") if attributes else None
    return f"{name} {path}" if path and " " not in name else name


def pattern_of(operation: str) -> re.Pattern[str]:
    """A pattern with `*` for any text and `{name}` for one segment of a path."""
    parts = WILDCARD.split(operation)
    signs = {"*": ".*"}
    found = [signs.get(part, "[^/]+") if WILDCARD.fullmatch(part) else re.escape(part) for part in parts]
    return re.compile("".join(found), re.DOTALL)


def read_rules(text: str) -> list[Rule]:
    """Rules as JSON, or a file of them. Raises ValueError or OSError that says what is wrong.

    `[{"name": "POST /v1/order", "ratio": 0.1}, {"attributes": {"user_agent.original": "*bot*"}, "per_s": 1}]`
    """
    if not text.lstrip().startswith("["):
        text = Path(text).read_text(encoding="utf-8")
    stated = json.loads(text)
    if not isinstance(stated, list) or not all(isinstance(rule, dict) for rule in stated):
        raise ValueError("sampling rules are a list of objects")
    return [_rule(rule) for rule in stated]


def _rule(stated: dict[str, Any]) -> Rule:
    unknown: Iterable[str] = stated.keys() - RULE_KEYS
    if unknown or ("ratio" in stated) == ("per_s" in stated):
        raise ValueError(f"a rule has name, attributes, and either ratio or per_s; not {sorted(stated)}")
    value = stated.get("ratio", stated.get("per_s"))
    attributes = stated.get("attributes", {})
    if not isinstance(value, int | float) or value < 0 or not isinstance(attributes, dict):
        raise ValueError(f"ratio and per_s are numbers of at least 0, attributes is an object: {stated}")
    sampler = Sampler(float(value)) if "ratio" in stated else RateLimited(float(value))
    name = pattern_of(str(stated["name"])) if "name" in stated else None
    return Rule(sampler, name, {str(key): pattern_of(str(wanted)) for key, wanted in attributes.items()})
