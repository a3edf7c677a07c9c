"""Parameters of Jaeger's query API: their units, defaults and error texts as in Jaeger's `query_parser.go`."""

import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from starlette.datastructures import QueryParams

from jaegerlite.red import Window, window_of
from jaegerlite.search import TraceQuery
from jaegerlite.tags import FALSE_TEXTS, TRUE_TEXTS
from jaegerlite.traces import TraceKey

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1500
LOOKBACK_DEFAULT_NS: Final = 2 * 24 * 3600 * 1_000_000_000
DEPENDENCY_LOOKBACK_DEFAULT_MS: Final = 24 * 3600 * 1000
MILLIS_MAX: Final = 100_000_000_000_000
I64_MAX: Final = 2**63 - 1

_UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # micro sign
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_DURATION_PART: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d+", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-fA-F]{1,32}")


class ParameterError(ValueError):
    """A parameter cannot be used; the text is Jaeger's, `status` HTTP's."""

    status = 400


class UnsupportedError(ParameterError):
    """A parameter that is right, and asks for what is not answered here."""

    status = 501


@dataclass(frozen=True, slots=True)
class SearchParams:
    """What `/api/traces` was asked for: traces by id where ids were given, else a search."""

    trace_ids: list[TraceKey]
    query: TraceQuery
    raw: bool


def duration_ns(text: str) -> int:
    """Nanoseconds from a duration as Go's `time.ParseDuration` reads it, such as `1.2ms` or `1h30m`.

    Raises:
        ParameterError: no such duration.
    """
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text[1:] if text[:1] == "+" else text)
    if rest == "0":
        return 0
    parts = list(_DURATION_PART.finditer(rest))
    if not parts or sum(len(part.group()) for part in parts) != len(rest):
        reason = "missing unit in" if re.fullmatch(r"\d+\.?\d*", rest) else "invalid"
        raise ParameterError(f'time: {reason} duration "{text}"')
    return sign * int(sum(Decimal(part.group(1)) * _UNITS_NS[part.group(2)] for part in parts))


def rfc3339_ns(text: str) -> int:
    """Nanoseconds since 1970 of a time as RFC 3339 writes it.

    Raises:
        ParameterError: it is none.
    """
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError("not a time of RFC 3339, such as 2026-01-31T12:00:00.5Z")
        seconds = (datetime.fromisoformat(match[1] + match[3]) - datetime.fromtimestamp(0, UTC)).total_seconds()
    except ValueError as error:
        raise ParameterError(str(error)) from error
    return int(seconds) * 1_000_000_000 + int((match[2] or ".0")[1:].ljust(9, "0"))


def integer(text: str) -> int:
    """A signed 64-bit integer.

    Raises:
        ParameterError: with the words of Go's `strconv`.
    """
    if not _INTEGER.fullmatch(text):
        raise ParameterError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    number = int(text[:40])
    if not -I64_MAX - 1 <= number <= I64_MAX:
        raise ParameterError(f'strconv.ParseInt: parsing "{text}": value out of range')
    return number


def trace_id(text: str) -> TraceKey:
    """A trace id of at most 32 hex digits; leading zeros may be left out.

    Raises:
        ParameterError: if it is none.
    """
    if len(text) > 32:
        raise ParameterError(f"TraceID cannot be longer than 32 hex characters: {text}")
    if not _HEX.fullmatch(text):
        raise ParameterError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    number = int(text, 16)
    return number >> 64, number & 0xFFFFFFFFFFFFFFFF


def _named(name: str, error: ParameterError) -> ParameterError:
    return ParameterError(f"unable to parse param '{name}': {error}")


def _integer_param(params: QueryParams, name: str, default: int) -> int:
    text = params.get(name, "")
    if not text:
        return default
    try:
        return integer(text)
    except ParameterError as error:
        raise _named(name, error) from error


def _duration_param(params: QueryParams, name: str) -> int | None:
    text = params.get(name, "")
    if not text:
        return None
    try:
        return min(duration_ns(text), I64_MAX) or None
    except ParameterError as error:
        raise _named(name, error) from error


def _tags(params: QueryParams) -> dict[str, str]:
    tags: dict[str, str] = {}
    for tag in params.getlist("tag"):
        key, colon, value = tag.partition(":")
        if not colon:
            raise ParameterError(f"malformed 'tag' parameter, expecting key:value, received: {tag}")
        tags[key] = value
    for text in params.getlist("tags"):
        try:
            given = json.loads(text)
        except ValueError as error:
            raise ParameterError(f"malformed 'tags' parameter, cannot unmarshal JSON: {error}") from error
        if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
            raise ParameterError("malformed 'tags' parameter, cannot unmarshal JSON: expecting an object of strings")
        tags.update(given)
    return tags


def search_params(params: QueryParams, *, needs_service: bool = True) -> SearchParams:
    """The parameters of `/api/traces`.

    Raises:
        ParameterError: one of them is unusable, or neither a service nor a trace id is given where one is needed.
    """
    now_ns = time.time_ns()
    start_ns = _integer_param(params, "start", (now_ns - LOOKBACK_DEFAULT_NS) // 1000) * 1000
    end_ns = _integer_param(params, "end", now_ns // 1000) * 1000 + 999
    tags = _tags(params)
    limit = integer(params["limit"]) if params.get("limit") else LIMIT_DEFAULT
    shortest, longest = _duration_param(params, "minDuration"), _duration_param(params, "maxDuration")
    try:
        ids = [trace_id(text) for text in params.getlist("traceID")]
    except ParameterError as error:
        raise ParameterError(f"cannot parse traceID param: {error}") from error
    if needs_service and not ids and not params.get("service"):
        raise ParameterError("parameter 'service' is required")
    if shortest is not None and longest is not None and longest < shortest:
        raise ParameterError("'maxDuration' should be greater than 'minDuration'")
    query = TraceQuery(
        start_ns_min=min(max(start_ns, 0), I64_MAX),
        start_ns_max=min(max(end_ns, 0), I64_MAX),
        service=params.get("service", ""),
        operation=params.get("operation", ""),
        duration_ns_min=shortest,
        duration_ns_max=longest,
        tags=tags,
        limit=min(limit, LIMIT_MAX),
    )
    return SearchParams(ids, query, is_raw(params))


def parse_bool(text: str) -> bool:
    """A boolean as Go's `strconv.ParseBool` reads it.

    Raises:
        ParameterError: with its words.
    """
    if text in TRUE_TEXTS:
        return True
    if text in FALSE_TEXTS:
        return False
    raise ParameterError(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def bool_param(params: QueryParams, name: str, *, default: bool = False) -> bool:
    """A boolean among the parameters.

    Raises:
        ParameterError: it is none.
    """
    text = params.get(name, "")
    try:
        return parse_bool(text) if text else default
    except ParameterError as error:
        raise _named(name, error) from error


def is_raw(params: QueryParams) -> bool:
    """Whether the spans are wanted as they came.

    Raises:
        ParameterError: `raw` is no boolean.
    """
    return bool_param(params, "raw")


def micros_or_millis(params: QueryParams, name: str) -> int | None:
    """Nanoseconds since 1970 from a time of a single trace: Jaeger says microseconds, Grafana sends milliseconds.

    The magnitude tells them apart: milliseconds of the years after 5138 would be microseconds of 1973.
    """
    if not params.get(name):
        return None
    number = _integer_param(params, name, 0)
    return number * (1_000_000 if abs(number) < MILLIS_MAX else 1_000)


def dependency_window(params: QueryParams) -> Window:
    """The whole minutes of `/api/dependencies?endTs=&lookback=`, both in milliseconds.

    Raises:
        ParameterError: one of them is no integer.
    """
    end_ms = _integer_param(params, "endTs", time.time_ns() // 1_000_000)
    lookback_ms = _integer_param(params, "lookback", DEPENDENCY_LOOKBACK_DEFAULT_MS)
    return whole_minutes(end_ms - lookback_ms, end_ms)


def whole_minutes(start_ms: int, end_ms: int) -> Window:
    """The window of whole minutes from that of the start to that of the end, both in milliseconds since 1970."""
    start_ms, end_ms = (min(max(0, at), I64_MAX // 1_000_000 - 60_000) for at in (start_ms, end_ms))
    return window_of(start_ms - start_ms % 60_000, end_ms - end_ms % 60_000 + 60_000)
