"""What the handlers of all groups answer with: Jaeger's envelope, its errors, plain JSON."""

import functools
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import duckdb
import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from jaegerlite.jaeger_json import Json
from jaegerlite.jaeger_params import ParameterError
from jaegerlite.limits import QueryLimitError
from jaegerlite.tenant import Tenant

JSON: Final = "application/json"
BUSY: Final = 503
Handler = Callable[[Request], Awaitable[Response]]
log = logging.getLogger("jaegerlite")


def tenant_of(request: Request) -> Tenant:
    """Whose spans the request may see: `.store` holds them, `.read(job, ...)` reads them on a thread."""
    tenant: Tenant = request.scope["tenant"]
    return tenant


def json_answer(body: Any, status: int = 200) -> Response:
    """A body of any JSON."""
    return Response(msgspec.json.encode(body), status, media_type=JSON)


def envelope(data: object, *, total: int = 0, errors: list[Json] | None = None, status: int = 200) -> Response:
    """Jaeger's envelope around the data."""
    return json_answer({"data": data, "total": total, "limit": 0, "offset": 0, "errors": errors}, status)


def error_answer(status: int, text: str) -> Response:
    """Jaeger's envelope around an error."""
    return envelope(None, errors=[{"code": status, "msg": text}], status=status)


def api_route(
    path: str,
    handler: Handler,
    methods: tuple[str, ...] = ("GET",),
    as_error: Callable[[int, str], Response] = error_answer,
) -> Route:
    """A route whose handler may raise.

    `ParameterError` and `QueryLimitError` become their status, a failure of DuckDB 500; `as_error` writes the answer,
    in Jaeger's envelope unless told otherwise.
    """

    @functools.wraps(handler)
    async def handle(request: Request) -> Response:
        try:
            answer = await handler(request)
            return answer if request.query_params.get("prettyPrint", "false") == "false" else _indented(answer)
        except ParameterError as error:
            return as_error(error.status, str(error))
        except QueryLimitError as error:
            answer = as_error(error.status, str(error))
            if error.status == BUSY:
                answer.headers["Retry-After"] = "1"
            return answer
        except duckdb.Error as error:
            log.exception("a query failed")
            return as_error(500, f"the store could not answer: {error}")

    handle.is_api = True  # type: ignore[attr-defined]
    return Route(path, handle, methods=list(methods))


def _indented(answer: Response) -> Response:
    """The same JSON for people, as Jaeger writes it with `prettyPrint`."""
    if answer.media_type != JSON or isinstance(answer, StreamingResponse):
        return answer
    return Response(msgspec.json.format(bytes(answer.body), indent=4), answer.status_code, media_type=JSON)
