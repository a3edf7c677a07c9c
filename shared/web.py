"""HTTP answers: JSON by msgspec, errors as ``application/problem+json`` (RFC 9457) with the id of their trace."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from shared.errors import Problem, Unavailable
from shared.tracing import current_span, record_error, trace_id_of

log = structlog.get_logger()

_encode = msgspec.json.Encoder().encode


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Anything msgspec can encode, as JSON."""
    return Response(_encode(content), status, dict(headers) if headers else None, "application/json")


def trace_id() -> str:
    """The id of the trace that is running here, 32 hex digits, empty when there is none."""
    return trace_id_of(current_span())


def problem_body(problem: Problem) -> dict[str, Any]:
    """The error body of RFC 9457, section 3, with ``code``, ``trace_id`` and the figures of a limit added."""
    body: dict[str, Any] = {
        "type": f"/problems/{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "trace_id": trace_id(),
    }
    if problem.figures:
        body["figures"] = problem.figures
    return body


def problem_response(problem: Problem) -> Response:
    """A problem as the answer to a request; its span learns the code."""
    current_span().set_attribute("error.code", problem.code)
    return Response(_encode(problem_body(problem)), problem.status, problem.headers, "application/problem+json")


def unavailable_problem(error: Unavailable) -> Problem:
    """An outage, as the caller is told of it."""
    detail = f"The {error.what} does not answer right now. Try again in a moment."
    return Problem(503, "service_unavailable", detail, headers={"Retry-After": "1"})


def bug_problem(error: Exception) -> Problem:
    """A bug: the log has all of it, the caller nothing but where to look."""
    log.error("unexpected error", exc_info=error)
    detail = "Something went wrong on our side. Quote the trace_id when you report it."
    return Problem(500, "internal_error", detail)


def unavailable_response(error: Unavailable) -> Response:
    """An outage as the answer to a request, recorded on its span."""
    record_error(current_span(), error)
    return problem_response(unavailable_problem(error))


def bug_response(error: Exception) -> Response:
    """A bug as the answer to a request, recorded on its span and in the log."""
    record_error(current_span(), error)
    return problem_response(bug_problem(error))


def install_problems(app: FastAPI) -> None:
    """Makes every error of an app a problem: ours, the framework's, and bugs (which tell nothing but their trace)."""

    @app.exception_handler(Problem)
    async def on_problem(_request: Request, problem: Problem) -> Response:
        return problem_response(problem)

    @app.exception_handler(Unavailable)
    async def on_unavailable(_request: Request, error: Unavailable) -> Response:
        return unavailable_response(error)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem_response(Problem(422, "invalid_request", f"{where}: {first['msg']}"))

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        codes = {404: "not_found", 405: "method_not_allowed"}
        code = codes.get(error.status_code, "http_error")
        detail = f"{request.method} {request.url.path}: {error.detail}. See /docs for what there is."
        return problem_response(Problem(error.status_code, code, detail, headers=error.headers))

    @app.exception_handler(Exception)
    async def on_bug(_request: Request, error: Exception) -> Response:
        return bug_response(error)
