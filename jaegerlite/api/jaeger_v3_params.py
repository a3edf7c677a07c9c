"""The parameters of Jaeger's API with a version: by today's names, by those of before, and what is wrong with them."""

import json
import re
import zlib
from typing import Final

from starlette.datastructures import QueryParams

from jaegerlite.find.language import Expression
from jaegerlite.find.structured import parse_filter
from jaegerlite.jaeger_params import (
    I64_MAX,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    ParameterError,
    UnsupportedError,
    duration_ns,
    integer,
    parse_bool,
    rfc3339_ns,
)
from jaegerlite.search import TraceQuery

PAGINATION: Final = ("query.pagination.pageSize", "query.pagination.pageToken")
_CAPITAL: Final = re.compile(r"[A-Z]")


def value_of(params: QueryParams, name: str) -> tuple[str, str]:
    """A parameter's text, and the name it was given by."""
    if params.get(name):
        return params[name], name
    before = _CAPITAL.sub(lambda letter: f"_{letter.group().lower()}", name)
    return params.get(before, ""), before


def malformed(name: str, reason: object) -> ParameterError:
    return ParameterError(f"malformed parameter {name}: {reason}")


def time_ns(params: QueryParams, name: str, *, required: bool = False) -> int:
    """A time in RFC 3339 as nanoseconds since 1970; 0 where it may be left out and is."""
    text, given = value_of(params, name)
    if not text:
        if required:
            raise ParameterError(f"{name} is required")
        return 0
    try:
        return rfc3339_ns(text)
    except ParameterError as error:
        raise malformed(given, error) from error


def _duration(params: QueryParams, name: str) -> int | None:
    text, given = value_of(params, name)
    try:
        return min(duration_ns(text), I64_MAX) or None if text else None
    except ParameterError as error:
        raise malformed(given, error) from error


def _depth(params: QueryParams) -> int:
    text, given = value_of(params, "query.searchDepth")
    if not text:
        text, given = params.get("query.num_traces", ""), "query.num_traces"
    try:
        depth = integer(text) if text else LIMIT_DEFAULT
    except ParameterError as error:
        raise malformed(given, error) from error
    if depth < 0:
        raise malformed(given, "it is negative")
    return min(depth, LIMIT_MAX)


def _attributes(params: QueryParams) -> dict[str, str]:
    text = params.get("query.attributes", "")
    if not text:
        return {}
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise malformed("query.attributes", error) from error
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise malformed("query.attributes", "expecting an object of strings")
    return given


def query_of(params: QueryParams) -> TraceQuery:
    if value_of(params, "query.rawTraces")[0]:
        parse_bool(value_of(params, "query.rawTraces")[0])
    start_ns, end_ns = (time_ns(params, f"query.startTime{side}", required=True) for side in ("Min", "Max"))
    return TraceQuery(
        start_ns_min=min(max(start_ns, 0), I64_MAX),
        # The end does not belong to the time.
        start_ns_max=min(max(end_ns - 1, 0), I64_MAX),
        service=value_of(params, "query.serviceName")[0],
        operation=value_of(params, "query.operationName")[0],
        duration_ns_min=_duration(params, "query.durationMin"),
        duration_ns_max=_duration(params, "query.durationMax"),
        tags=_attributes(params),
        limit=_depth(params),
    )


def filter_of(params: QueryParams, query: TraceQuery) -> Expression | None:
    """The structured filter, which stands alone: it can say all that the other parameters say."""
    text = params.get("query.filter", "")
    if not text:
        return None
    if query.service or query.operation or query.tags or query.duration_ns_min or query.duration_ns_max:
        raise malformed("query.filter", "it excludes serviceName, operationName, attributes and durations")
    try:
        return parse_filter(text)
    except UnsupportedError:
        raise
    except ParameterError as error:
        raise malformed("query.filter", error) from error


def page_of(params: QueryParams, query: TraceQuery) -> tuple[int, int, str]:
    """The size of a page, how many traces come before it, and what the next page's token begins with.

    A page is the part of the same search that comes after the traces of the pages before it, so a token is their
    number, and a mark of the query that it belongs to.
    """
    if any(value_of(params, name)[0] for name in ("query.searchDepth", "query.numTraces")):
        raise malformed("query.pagination", "a page has its own size, and excludes query.searchDepth")
    size_text, token = (params.get(name, "") for name in PAGINATION)
    try:
        size = integer(size_text) if size_text else 0
    except ParameterError as error:
        raise malformed("query.pagination.pageSize", error) from error
    if size <= 0:
        raise malformed("query.pagination.pageSize", "a page needs a size above 0")
    asked = repr((query, params.get("query.filter", "")))
    mark = f"{zlib.crc32(asked.encode('utf-8', 'replace')):08x}-"
    before = token.removeprefix(mark)
    if token and (before == token or not before.isdecimal() or len(before) > 6):
        raise malformed("query.pagination.pageToken", "it is no token of this query")
    return min(size, LIMIT_MAX), int(before or 0), mark
