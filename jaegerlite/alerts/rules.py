"""The rules file: YAML, checked as a whole before any of it holds."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from jaegerlite.jaeger_params import ParameterError, duration_ns
from jaegerlite.series import KIND_NAMES

DEFAULT_RULES: Final = Path(__file__).with_name("default_rules.yaml")
DAY_S: Final = 24 * 3600
CLEAR_SHARE: Final = 0.1


class RulesError(Exception):
    """The rules file cannot be used; the text says where and why."""


def _seconds(value: object) -> object:
    """Seconds from `90s`, `5m`, `1h30m`, or a plain number of seconds."""
    if isinstance(value, str):
        try:
            return duration_ns(value) / 1e9
        except ParameterError as error:
            raise ValueError(f"'{value}' is no duration such as 90s, 5m or 1h30m") from error
    return value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=31 * DAY_S)]
Measure = Literal[
    "p50_ms", "p95_ms", "p99_ms", "error_rate", "rate_per_s", "silent_s", "lost_share", "skew_ms", "broken_share"
]
# Measures of a service as a whole, whatever its operations.
OF_SERVICES: Final = frozenset({"silent_s", "lost_share", "skew_ms", "broken_share"})


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Rule(_Strict):
    """One rule; `service` and `operation` are patterns with `*`, durations are seconds."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    measure: Measure
    above: float | None = None
    below: float | None = None
    clear: float | None = None
    window: Annotated[Seconds, Field(ge=10, le=7 * DAY_S)] = 300.0
    for_s: Seconds = Field(0.0, alias="for")
    keep_s: Seconds | None = Field(None, alias="keep")
    each: Literal["operation", "service"] = "operation"
    service: str = "*"
    operation: str = "*"
    kinds: list[Literal["internal", "server", "client", "producer", "consumer", "unspecified"]] = ["server", "consumer"]
    calls_min: int = Field(20, ge=1)
    severity: str = "warning"

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("give either 'above' or 'below'")
        if self.clear is not None and self.is_beyond(self.clear, self.threshold):
            raise ValueError(f"'clear' ({self.clear:g}) lies beyond the threshold ({self.threshold:g})")
        return self

    @property
    def threshold(self) -> float:
        """The value beyond which the rule is broken."""
        return self.above if self.above is not None else self.below or 0.0

    @property
    def clear_threshold(self) -> float:
        """The value beyond which an alert that fires goes on; a tenth on the good side unless given."""
        if self.clear is not None:
            return self.clear
        return self.threshold * (1 - CLEAR_SHARE if self.above is not None else 1 + CLEAR_SHARE)

    @property
    def keep(self) -> float:
        """How many seconds a value must stay good before the alert is over."""
        return self.for_s if self.keep_s is None else self.keep_s

    @property
    def by_operation(self) -> bool:
        """Whether each operation is judged by itself, not a service as a whole."""
        return self.each == "operation" and self.measure not in OF_SERVICES

    @property
    def kind_numbers(self) -> tuple[int, ...]:
        """OTLP's numbers of its span kinds."""
        return tuple(KIND_NAMES.index("" if kind == "unspecified" else kind) for kind in self.kinds)

    def is_beyond(self, value: float, threshold: float) -> bool:
        """Whether a value lies on the bad side of a threshold."""
        return value > threshold if self.above is not None else value < threshold

    def concerns(self, service: str, operation: str) -> bool:
        """Whether it judges an operation of a service."""
        return fnmatchcase(service, self.service) and fnmatchcase(operation, self.operation)


class Webhook(_Strict):
    """Where to POST notices in Alertmanager's JSON; `bearer_env` names the variable that holds a bearer token."""

    url: str = Field(pattern=r"^https?://")
    bearer_env: str = ""


class Email(_Strict):
    """Where to send notices by mail; `password_env` names the variable that holds the password."""

    host: str
    port: int = Field(25, ge=1, le=65535)
    sender: str
    to: list[str] = Field(min_length=1)
    starttls: bool = False
    username: str = ""
    password_env: str = ""


class Notify(_Strict):
    """Who is told, besides the log; an alert that goes on is told again after `repeat` seconds."""

    webhooks: list[Webhook] = []
    email: Email | None = None
    repeat: Seconds = 4 * 3600.0


class RulesFile(_Strict):
    """A whole file; rules are judged every `interval` seconds."""

    rules: list[Rule]
    notify: Notify = Notify()
    interval: Annotated[Seconds, Field(ge=1, le=3600)] = 15.0

    @model_validator(mode="after")
    def _unique_names(self) -> Self:
        names = [rule.name for rule in self.rules]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two rules are called {name}")
        return self


def load_rules(path: Path | None) -> RulesFile:
    """The rules of a file, or the default ones.

    Raises:
        RulesError: the file cannot be read, is no YAML, or a field in it is wrong.
    """
    source = path or DEFAULT_RULES
    try:
        return RulesFile.model_validate(yaml.safe_load(source.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RulesError(f"{source}: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'file'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise RulesError(f"{source}: {problems}") from error
